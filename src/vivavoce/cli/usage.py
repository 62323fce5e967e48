"""`vivavoce usage`: what sessions used, how long answers took, what it cost, and why legs went to other engines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.figures import on_store, print_figures
from vivavoce.cli.plural import plural
from vivavoce.cli.since import since_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from vivavoce.ledger.usage_report import RouteChange, UsageLine, UsageReport

_BY = ("leg", "engine", "day", "user", "session")
_SHORT = 8
"""Letters of a session's identifier on a terminal."""
_KINDS = {
    "LegCapped": "cap reached",
    "LegTimeout": "timed out",
    "LegLost": "connection lost",
    "LegRefused": "refused",
    "LegUnavailable": "unavailable",
    "LegError": "failed",
    "PairUnavailable": "does not translate the pair",
    "ModelMissing": "weights missing",
    "ModelDamaged": "weights damaged",
}
"""Kinds of failures, as rows have them, in words."""
_WIDE = 240
"""Columns where no terminal says how many there are: nothing is to be cut off for a file."""


def usage(
    since: Annotated[str, typer.Option(help="How far back: 90m, 24h, 7d.")] = "7d",
    user: Annotated[str | None, typer.Option(help="One user's alone.", show_default=False)] = None,
    session: Annotated[str | None, typer.Option(help="One session's alone.", show_default=False)] = None,
    by: Annotated[str, typer.Option(help=f"What a line is of: {', '.join(_BY)}.")] = "engine",
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Print the ledger: quantities, requests, p50 and p95 of each leg, the cost with its prices, changes of route.

    A running session's rows are there within some ten seconds. Cost that nobody knows is counted apart, in rows.
    """
    if by not in _BY:
        raise typer.BadParameter(f"there are {', '.join(_BY)}", param_hint="--by")
    begin_ms = since_ms(since)

    from rich.console import Console

    from vivavoce.config.load import load_settings
    from vivavoce.ledger.sums import Scope
    from vivavoce.ledger.usage_report import By, read_usage

    settings = load_settings(config)
    scope = Scope(since_ms=begin_ms, user_id=user, session_id=session)
    found = on_store(settings, lambda database: read_usage(database, scope, by=By(by)))
    if as_json:
        print_figures(
            "vivavoce usage",
            {"since": since, "by": by, **found.to_json()},
            settings,
            n=found.rows,
            void_reason=None if found.rows else "nothing was used",
        )
        return
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE
    if found.rows:
        print_report(console, found, by)
    else:
        console.print(f"nothing was used within {since}")


def print_report(console: Console, found: UsageReport, by: str) -> None:
    """What no line has is left out."""
    from rich.table import Table
    from rich.text import Text

    letters = _SHORT if console.is_terminal and by == "session" else None
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    columns = [(head, right, [cell(line) for line in found.lines]) for head, right, cell in _columns(by, letters)]
    shown = [column for column in columns if any(column[2])]
    for head, right, _ in shown:
        if right:
            table.add_column(head, justify="right", vertical="bottom", no_wrap=True)
        else:
            table.add_column(head, vertical="bottom")
    for cells in zip(*(cells for _, _, cells in shown), strict=True):
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells))
    console.print(table)
    about = "" if by == "session" else "n: sessions. "
    unknown = f"; ?: {plural(found.unknown_rows, 'row')} without a known cost" if found.unknown_rows else ""
    console.print(f"\n{about}all: $ {_dollars(found.cost_nano)}{unknown}", markup=False)
    for price, nano in found.prices.items():
        console.print(f"  $ {_dollars(nano)} at {price}", markup=False)
    for change in found.changes:
        console.print(f"  {_change(change)}", markup=False)


def _columns(by: str, letters: int | None) -> list[tuple[str, bool, Callable[[UsageLine], str]]]:
    """Heads, whether figures, and what a line has there."""
    return [
        (by, False, lambda line: "" if by == "leg" else line.name[:letters] or "–"),
        ("leg", False, lambda line: line.leg),
        ("n", True, lambda line: "" if by == "session" else str(line.sessions)),
        ("requests", True, lambda line: f"{line.requests:,}"),
        ("seconds", True, lambda line: "" if line.sound_ms is None else f"{line.sound_ms / 1000:,.1f}"),
        ("chars", True, lambda line: _count(line.characters)),
        ("tokens\nin/out", True, _tokens),
        ("p50\nms", True, lambda line: _ms(line.p50_ms)),
        ("p95\nms", True, lambda line: _ms(line.p95_ms)),
        ("cost $", True, _cost),
    ]


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _tokens(line: UsageLine) -> str:
    if line.tokens_in is None and line.tokens_out is None:
        return ""
    return f"{line.tokens_in or 0:,}/{line.tokens_out or 0:,}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _cost(line: UsageLine) -> str:
    """With a question mark where there is more to it, of which nobody knows how much."""
    return "+".join(
        part for part, there in ((_dollars(line.cost_nano), line.prices), ("?", line.unknown_rows)) if there
    )


def _dollars(nano: int) -> str:
    return f"{nano / 1e9:,.4f}"


def _change(change: RouteChange) -> str:
    kind, _, more = change.why.partition(" ")
    why = f"{_KINDS[kind]} {more}".rstrip() if kind in _KINDS else change.why
    return f"{change.count} × {change.leg} to {change.engine or 'nobody'}: {why}"
