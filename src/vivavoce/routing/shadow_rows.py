"""Rows of `shadow_results`: one a pair of results, or one for what made a run void, and none of what was said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from vivavoce.store.database import Database
from vivavoce.store.tables import SHADOW_RESULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One pair of results. `void` is why there is no pair, or "".

    Latencies: recognition finalise → final, translation text → complete, synthesis text → first sound. `errors` are the
    shadow's against the primary's `words`, `chrf` against the primary's text, `length_ratio` shadow to primary.
    Quantities by unit; costs in nano-dollars by the price of that identity, None where nobody knows it.
    """

    session_id: str
    user_id: str = ""
    leg: str
    shadow: str
    primary_engine: str
    at_ms: int
    void: str = ""
    primary_ms: float | None = None
    shadow_ms: float | None = None
    errors: int | None = None
    words: int | None = None
    chrf: float | None = None
    length_ratio: float | None = None
    primary_quantities: Mapping[str, float] | None = None
    shadow_quantities: Mapping[str, float] | None = None
    primary_nano: int | None = None
    shadow_nano: int | None = None
    primary_price: str | None = None
    shadow_price: str | None = None


_QUANTITIES = ("primary_quantities", "shadow_quantities")


def records(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """All rows of a session as the table takes them, each with its number within leg and shadow.

    Written twice in the same order, they are there once.
    """
    numbers: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        key = (row.session_id, row.leg, row.shadow)
        numbers[key] += 1
        record = asdict(row) | {"number": numbers[key]}
        for name in _QUANTITIES:
            if record[name] is not None:
                record[name] = json.dumps(record[name])
        yield record


async def read_rows(database: Database, *, since_ms: int = 0, leg: str = "") -> list[Row]:
    """What ran from that moment on, of one leg or of all, oldest first. Raises StoreError."""
    table = SHADOW_RESULTS.c
    wanted = select(SHADOW_RESULTS).where(table.at_ms >= since_ms)
    if leg:
        wanted = wanted.where(table.leg == leg)
    wanted = wanted.order_by(table.at_ms, table.session_id, table.leg, table.shadow, table.number)
    async with database.begin(read_only=True) as connection:
        found = (await connection.execute(wanted)).mappings().all()
    return [_row(record) for record in found]


def _row(record: Mapping[Any, Any]) -> Row:
    fields = {name: value for name, value in record.items() if name != "number"}
    for name in _QUANTITIES:
        if fields[name] is not None:
            fields[name] = json.loads(fields[name])
    return Row(**fields)
