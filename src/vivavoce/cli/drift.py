"""`vivavoce drift`: whether production still is as fast as it was evaluated, and within its caps."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from vivavoce.cli.evaluated import Reference
    from vivavoce.telemetry.production import ProductionLine


class Product(StrEnum):
    TRANSLATE = "translate"
    AGENT = "agent"


def drift(
    since: Annotated[str, typer.Option(help="How far back: 90m, 24h, 7d.")] = "7d",
    product: Annotated[Product, typer.Option(help="Whose sessions.")] = Product.TRANSLATE,
    baseline: Annotated[
        Path | None,
        typer.Option(help="Hold against this baseline, not the last evaluation on this machine.", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where something has drifted.")] = False,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Print production's p95 of each leg and of heard, beside the evaluation's and the cap, and how it stands.

    A leg that is slower or faster than it was evaluated says that the clip set is stale, or that this machine is
    another one.
    """
    from vivavoce.cli.evaluated import reference
    from vivavoce.cli.figures import on_store, print_figures
    from vivavoce.cli.since import since_ms
    from vivavoce.config.load import load_settings
    from vivavoce.config.settings import config_hash
    from vivavoce.telemetry.monitor import caps_of
    from vivavoce.telemetry.production import read_production

    from_ms, settings = since_ms(since), load_settings(config)
    found = reference(baseline) if product is Product.TRANSLATE or baseline else None
    lines = on_store(
        settings,
        lambda database: read_production(
            database,
            since_ms=from_ms,
            product=product,
            evaluated=found.evaluated if found else None,
            config_hash=config_hash(settings),
            caps_ms=caps_of(settings.contract.resolve())[product],
            tolerance=settings.telemetry.drift_tolerance,
        ),
    )
    drifted = [line for line in lines if line.standing is not None and line.standing.drifted]
    if as_json:
        print_figures(
            "vivavoce drift",
            {"since": since, "product": product, **_figures(lines, found)},
            settings,
            n=sum(line.n for line in lines if line.standing is not None),
            void_reason=None if lines else _nothing(since, product),
        )
    else:
        from rich.console import Console

        console = Console(highlight=False)
        console.print(_page(lines, found) if lines else _nothing(since, product))
    if strict and drifted:
        raise typer.Exit(1)


def _nothing(since: str, product: str) -> str:
    return f"no {product} session of the last {since} is in the store"


def _figures(lines: Sequence[ProductionLine], found: Reference | None) -> dict[str, Any]:
    from dataclasses import asdict

    from vivavoce.telemetry.production import Standing

    return {
        "evaluation": found.of if found else None,
        "elsewhere": found.elsewhere if found else None,
        "lines": [asdict(line) for line in lines],
        "drifted": [line.stage for line in lines if line.standing is not None and line.standing.drifted],
        "not_comparable": [line.stage for line in lines if line.standing is Standing.UNLIKE],
        "stale": [line.stage for line in lines if line.standing is not None and line.standing.stale],
    }


def _page(lines: Sequence[ProductionLine], found: Reference | None) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from vivavoce.telemetry.production import Standing

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    for heading in ("n", "p50", "p95", "evaluated", "cap"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for line in lines:
        figures = [_ms(ms) for ms in (line.p50_ms, line.p95_ms, line.evaluated_ms, line.cap_ms)]
        name = line.stage if not line.engine else f"  {line.engine}"
        table.add_row(
            *map(Text, (name, str(line.n), *figures, line.standing or "")),
            style="dim" if line.engine else "",
        )
    told = [Text("p95 in ms. n: answers; of heard, utterances.")]
    if found is None:
        told.append(Text("Nothing was evaluated on this machine: run vivavoce eval."))
    else:
        where = ", on another machine" if found.elsewhere else ""
        told.append(Text(f"Held against {found.of}{where}."))
    if unlike := [line.stage for line in lines if line.standing is Standing.UNLIKE]:
        told.append(Text(f"Not comparable for {', '.join(unlike)}: other settings, pairs or engines were evaluated."))
    if stale := [line.stage for line in lines if line.standing is not None and line.standing.stale]:
        told.append(
            Text(f"The clip set is stale for {', '.join(stale)}: add clips of what is said (vivavoce eval add).")
        )
    return Group(table, *told)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
