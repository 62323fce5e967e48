"""`vivavoce profiles`: how sessions went by application, codec and network, and how much of that is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vivavoce.cli.plural import plural

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vivavoce.telemetry.profiles import Cell, Matrix


def profiles(
    since: Annotated[str, typer.Option(help="How far back: 90m, 24h, 90d.")] = "90d",
    app: Annotated[str, typer.Option(help="Of one application.", show_default=False)] = "",
    least: Annotated[int, typer.Option(min=1, help="Sessions from which on a cell counts as covered.")] = 20,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the matrix into this SVG or HTML file.", show_default=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Print latency, jitter, false triggers, revised words, mutes and nudges for each cell, and the coverage."""
    from vivavoce.cli.figures import on_store, print_figures
    from vivavoce.cli.since import since_ms
    from vivavoce.config.load import load_settings
    from vivavoce.telemetry.profiles import read_matrix

    if plot is not None and plot.suffix.lower() not in (".svg", ".html"):
        raise typer.BadParameter("name a file that ends with .svg or .html", param_hint="--plot")
    from_ms, settings = since_ms(since), load_settings(config)
    matrix = on_store(settings, lambda database: read_matrix(database, since_ms=from_ms, app=app, least=least))
    if plot is not None:
        _draw(matrix, plot, since)
    if as_json:
        print_figures(
            "vivavoce profiles",
            {"since": since, **_figures(matrix)},
            settings,
            n=matrix.sessions,
            void_reason=None if matrix.cells else _nothing(since, app),
        )
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    console.print(_page(matrix) if matrix.cells else Text(_nothing(since, app)))
    if plot is not None:
        console.print(f"drawn into {plot}", markup=False)


def _figures(matrix: Matrix) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "least": matrix.least,
        "cells_seen": len(matrix.cells),
        "cells_covered": matrix.covered,
        "cells_expected": matrix.expected,
        "coverage": matrix.coverage,
        "cells": [asdict(cell) | {"covered": matrix.covers(cell)} for cell in matrix.cells],
    }


def _draw(matrix: Matrix, path: Path, since: str) -> None:
    from vivavoce.audio.sinks import check_output, output_error
    from vivavoce.cli.profiles_plot import drawing, page

    check_output(path)
    draw = page if path.suffix.lower() == ".html" else drawing
    try:
        path.write_text(draw(matrix, since), encoding="utf-8")
    except OSError as error:
        raise output_error(path, error) from None


def _nothing(since: str, app: str) -> str:
    return f"no session's signals{f' of {app}' if app else ''} are in the store of the last {since}"


def _page(matrix: Matrix) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("application\ncodec, network", overflow="fold", min_width=16)
    timed = ("heard\np50\np95", "jitter\np50\np95", "mute\nlate\np95")
    for heading in ("n\nhours", *timed, "false\nstarts", "ends\nresumed", "words\nrevised", "nudges\n/ hour"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in matrix.cells:
        table.add_row(*map(Text, _row(cell)), style="" if matrix.covers(cell) else "dim")
    line = (
        f"{matrix.covered} of {matrix.expected} cells are covered ({matrix.coverage or 0:.0%}) by"
        f" {plural(matrix.least, 'session')} or more; {len(matrix.cells)} have any"
    )
    return Group(table, Text("n: sessions. Times are medians of theirs, in ms."), Text(line))


def _row(cell: Cell) -> list[str]:
    place = cell.place
    return [
        f"{place.app_id or '—'}\n{place.codec}, {place.network}",
        f"{cell.sessions}\n{cell.hours:.1f}",
        f"{_ms(cell.heard_p50_ms)}\n{_ms(cell.heard_p95_ms)}",
        f"{_ms(cell.jitter_p50_ms, 1)}\n{_ms(cell.jitter_p95_ms, 1)}",
        _ms(cell.mute_late_p95_ms),
        _percent(cell.false_triggers),
        _percent(cell.resumed),
        _percent(cell.revised),
        "—" if cell.nudges is None else f"{cell.nudges:.1f}",
    ]


def _ms(value: float | None, digits: int = 0) -> str:
    return "—" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.0%}"
