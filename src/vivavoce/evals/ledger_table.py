"""The benchmark of the ledger as a page: a row a figure, its bar and both stores beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import RenderableType
from rich.table import Table

from vivavoce.evals.table import value_at

_Holds = Callable[[float], bool] | None


def _none(value: float) -> bool:
    return value == 0


ROWS: tuple[tuple[str, str, str, str, _Holds], ...] = (
    ("rows into the store, a second", "≥ 5000 (Postgres)", "rows_per_s", "{:.0f}", lambda value: value >= 5000),
    ("the same, committed one by one", "", "row_by_row_per_s", "{:.0f}", None),
    ("the same, batches of 500 by executemany", "", "executemany_per_s", "{:.0f}", None),
    ("times as many as one by one", "", "times_row_by_row", "{:.1f}", None),
    ("times as many as executemany", "", "times_executemany", "{:.2f}", None),
    ("500 calls: a put, p99, µs", "", "put_us.p99", "{:.0f}", None),
    ("500 calls: the loop held by a step of the outbox, p50, µs", "", "held_us.p50", "{:.0f}", None),
    ("the same, p99", "< 1000", "held_us.p99", "{:.0f}", lambda value: value < 1000),
    ("the same, at most", "", "held_us.max", "{:.0f}", None),
    ("at the full rate: the same, p99", "", "held_full_us.p99", "{:.0f}", None),
    ("an event waits for the loop, without outbox, p99, µs", "", "wait_us.without.p99", "{:.0f}", None),
    ("with 500 calls' rows, p99", "", "wait_us.with.p99", "{:.0f}", None),
    ("at the full rate, p99", "", "wait_us.full.p99", "{:.0f}", None),
    ("with executemany, p99", "", "wait_us.executemany.p99", "{:.0f}", None),
    (
        "500 calls: % of a core, SQLite itself included",
        "< 1 (Postgres)",
        "cpu_percent",
        "{:.2f}",
        lambda value: value < 1,
    ),
    ("programs killed", "", "programs.times", "{:.0f}", None),
    ("of the acknowledged rows lost", "0", "programs.lost", "{:.0f}", _none),
    ("doubled", "0", "programs.doubled", "{:.0f}", _none),
    ("servers killed", "", "servers.times", "{:.0f}", None),
    ("of the acknowledged rows lost", "0", "servers.lost", "{:.0f}", _none),
    ("doubled", "0", "servers.doubled", "{:.0f}", _none),
    ("store away: rows put meanwhile", "", "away.acknowledged", "{:.0f}", None),
    ("of them lost", "0", "away.lost", "{:.0f}", _none),
    ("doubled", "0", "away.doubled", "{:.0f}", _none),
    ("the longest put, ms", "", "away.put_ms", "{:.2f}", None),
)


def ledger_page(figures: Mapping[str, Any]) -> RenderableType:
    table = Table("figure", "bar", *figures, title="bench ledger", box=SIMPLE)
    for column in table.columns[2:]:
        column.justify = "right"
    for what, bar, path, show, holds in ROWS:
        values = [value_at(of, path) for of in figures.values()]
        if any(value is not None for value in values):
            table.add_row(what, bar, *(_cell(value, show, holds) for value in values))
    return table


def _cell(value: float | None, show: str, holds: _Holds) -> str:
    if value is None:
        return "–"
    shown = show.format(value)
    if holds is None:
        return shown
    return f"[green]{shown}[/green]" if holds(value) else f"[red]{shown}[/red]"
