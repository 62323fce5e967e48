"""`vivavoce usage`: what sessions used, how long answers took, what it cost, and why legs went to other engines."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.since import since_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.ledger.sums import Scope
    from vivavoce.ledger.usage_report import By, RouteChange, UsageLine, UsageReport

_BY = ("leg", "engine", "day", "user", "session")
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
    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose
    from vivavoce.ledger.sums import Scope
    from vivavoce.ledger.usage_report import By

    settings = load_settings(config)
    scope = Scope(since_ms=begin_ms, user_id=user, session_id=session)
    found = asyncio.run(_read(settings.store.url, scope, By(by)))
    if as_json:
        envelope = enclose(
            "vivavoce usage",
            {"since": since, "by": by, **found.to_json()},
            config_hash=config_hash(settings),
            n=found.rows,
            void_reason=None if found.rows else "nothing was used",
        )
        typer.echo(envelope.to_text(), nl=False)
        return
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE
    if found.rows:
        _print(console.print, found, by)
    else:
        console.print(f"nothing was used within {since}")


async def _read(store: str, scope: Scope, by: By) -> UsageReport:
    from vivavoce.ledger.usage_report import read_usage
    from vivavoce.store.database import Database

    async with aclosing(Database(store)) as database:
        return await read_usage(database, scope, by=by)


def _print(write: Callable[..., None], found: UsageReport, by: str) -> None:
    """What no line has is left out."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = [(head, right, [cell(line) for line in found.lines]) for head, right, cell in _columns(by)]
    shown = [column for column in columns if any(column[2])]
    for head, right, _ in shown:
        table.add_column(head, justify="right" if right else "left", overflow="fold")
    for cells in zip(*(cells for _, _, cells in shown), strict=True):
        table.add_row(*cells)
    write(table)
    unknown = f", rows without a known cost: {found.unknown_rows:,}" if found.unknown_rows else ""
    write(f"\nall: $ {_dollars(found.cost_nano)}{unknown}")
    for change in found.changes:
        write(f"  {_change(change)}", markup=False)


def _columns(by: str) -> list[tuple[str, bool, Callable[[UsageLine], str]]]:
    """Heads, whether figures, and what a line has there."""
    return [
        (by, False, lambda line: "" if by == "leg" else line.name or "–"),
        ("leg", False, lambda line: line.leg),
        ("sessions", True, lambda line: str(line.sessions)),
        ("requests", True, lambda line: f"{line.requests:,}"),
        ("seconds", True, lambda line: "" if line.sound_ms is None else f"{line.sound_ms / 1000:,.1f}"),
        ("characters", True, lambda line: _count(line.characters)),
        ("tokens in", True, lambda line: _count(line.tokens_in)),
        ("tokens out", True, lambda line: _count(line.tokens_out)),
        ("p50 ms", True, lambda line: _ms(line.p50_ms)),
        ("p95 ms", True, lambda line: _ms(line.p95_ms)),
        ("cost $", True, lambda line: _dollars(line.cost_nano) if line.prices else ""),
        ("rows of unknown cost", True, lambda line: f"{line.unknown_rows:,}" if line.unknown_rows else ""),
        ("price", False, lambda line: ", ".join(line.prices)),
    ]


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _dollars(nano: int) -> str:
    return f"{nano / 1e9:,.6f}"


def _change(change: RouteChange) -> str:
    return f"{change.count} × {change.leg} to {change.engine}: {change.why}"
