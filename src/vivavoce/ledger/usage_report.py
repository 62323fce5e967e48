"""The ledger put together: what was used, how long answers took, what it cost, and why legs went to other engines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, Subquery, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.ledger.sums import DAY, QUANTITIES, Scope, Sum, day_name, read_sums
from vivavoce.store.database import Database
from vivavoce.store.tables import USAGE


class By(StrEnum):
    LEG = "leg"
    ENGINE = "engine"
    DAY = "day"
    USER = "user"
    SESSION = "session"

    @property
    def column(self) -> ColumnElement[Any]:
        if self is By.DAY:
            return DAY
        return USAGE.c[{"user": "user_id", "session": "session_id"}.get(self.value, self.value)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLine:
    """What one leg did in all rows of one `name`: that of an engine, user, session or leg, or a day (UTC).

    A quantity that no row counts by is None. `cost_nano` is what is known of the cost, `prices` the same by the price's
    identity, `unknown_rows` counts the rows without a cost. Latencies are put together from those of the rows,
    weighted by requests: p50 is the median of the rows' p50; for p95 a row counts as four fifths of its requests at its
    p50 and one fifth at its p95. On lognormal latencies of 1 to 30 requests a row that is within 4 % and 9 % of the
    percentiles of all requests; a mean of the rows' p95 would be up to 50 % off.
    """

    name: str
    leg: str
    sessions: int
    rows: int
    sound_ms: int | None
    characters: int | None
    tokens_in: int | None
    tokens_out: int | None
    requests: int
    p50_ms: float | None
    p95_ms: float | None
    cost_nano: int
    prices: dict[str, int]
    unknown_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChange:
    """How often a leg went to an engine, and why."""

    leg: str
    engine: str
    why: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    lines: list[UsageLine]
    changes: list[RouteChange]

    @property
    def cost_nano(self) -> int:
        return sum(line.cost_nano for line in self.lines)

    @property
    def prices(self) -> dict[str, int]:
        """What is known of the cost by the price's identity."""
        found: dict[str, int] = {}
        for line in self.lines:
            for price, nano in line.prices.items():
                found[price] = found.get(price, 0) + nano
        return found

    @property
    def rows(self) -> int:
        return sum(line.rows for line in self.lines)

    @property
    def unknown_rows(self) -> int:
        return sum(line.unknown_rows for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        totals = {"cost_nano": self.cost_nano, "rows": self.rows, "unknown_rows": self.unknown_rows}
        return asdict(self) | totals


async def read_usage(database: Database, scope: Scope, *, by: By = By.ENGINE) -> UsageReport:
    """Lines in the order of names and legs, changes from the most frequent. Raises StoreError."""
    async with database.begin(read_only=True) as connection:
        return UsageReport(lines=await _lines(connection, scope, by), changes=await _changes(connection, scope))


async def _lines(connection: AsyncConnection, scope: Scope, by: By) -> list[UsageLine]:
    sums = await read_sums(connection, scope, by.column)
    rows = scope.rows(by.column)
    counted = func.count(rows.c.session_id.distinct())
    sessions, p50s, p95s = [
        {(of, leg): value for of, leg, value in await connection.execute(query)}
        for query in (
            select(rows.c.of, rows.c.leg, counted).group_by(rows.c.of, rows.c.leg),
            weighted_percentile(_medians(rows), 50),
            weighted_percentile(_spreads(rows), 95),
        )
    ]
    groups = [(key, list(those)) for key, those in groupby(sorted(sums, key=_key), _key)]
    return [_line(those, sessions[key], p50s.get(key), p95s.get(key)) for key, those in groups]


def _key(each: Sum) -> tuple[Any, str]:
    return each.of, each.leg


def _line(sums: list[Sum], sessions: int, p50_ms: float | None, p95_ms: float | None) -> UsageLine:
    of = sums[0].of
    whole = {
        name: sum(each.quantities[name] for each in sums) if any(each.counted[name] for each in sums) else None
        for name in QUANTITIES
    }
    prices: dict[str, int] = {}
    for each in sums:
        if each.price is not None and each.unpriced < each.rows:
            prices[each.price] = prices.get(each.price, 0) + each.cost_nano
    return UsageLine(
        name=of if isinstance(of, str) else day_name(of),
        leg=sums[0].leg,
        sessions=sessions,
        rows=sum(each.rows for each in sums),
        **whole,
        requests=sum(each.requests for each in sums),
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        cost_nano=sum(prices.values()),
        prices=prices,
        unknown_rows=sum(each.unpriced for each in sums),
    )


def _medians(rows: Subquery) -> Select[Any]:
    """Latencies in tenths of a millisecond, with the weight of each."""
    return _weighted(rows, rows.c.p50_ms, rows.c.asked)


def _spreads(rows: Subquery) -> CompoundSelect[Any]:
    lower, upper = _weighted(rows, rows.c.p50_ms, rows.c.asked * 4), _weighted(rows, rows.c.p95_ms, rows.c.asked)
    return union_all(lower, upper)


def _weighted(rows: Subquery, ms: ColumnElement[float], weight: ColumnElement[int]) -> Select[Any]:
    tenths = func.round(ms * 10).label("tenths")
    return select(rows.c.of, rows.c.leg, tenths, weight.label("weight")).where(ms.is_not(None))


def weighted_percentile(weighted: Select[Any] | CompoundSelect[Any], percent: int) -> Select[Any]:
    """The least latency in ms up to which that share of the weight is, for each `of` and `leg`.

    What is weighted has `of`, `leg`, `tenths` of a millisecond and `weight` as columns.
    """
    w = weighted.subquery().c
    # Few of them differ, and what is to be sorted is what differs.
    weight = func.sum(w.weight).label("weight")
    p = select(w.of, w.leg, w.tenths, weight).group_by(w.of, w.leg, w.tenths).subquery().c
    whole = func.sum(p.weight).over(partition_by=(p.of, p.leg))
    upto = func.sum(p.weight).over(partition_by=(p.of, p.leg), order_by=p.tenths)
    s = select(p.of, p.leg, p.tenths, whole.label("whole"), upto.label("upto")).subquery().c
    least = select(s.of, s.leg, func.min(s.tenths) / 10).where(s.upto * 100 >= s.whole * percent)
    return least.group_by(s.of, s.leg)


async def _changes(connection: AsyncConnection, scope: Scope) -> list[RouteChange]:
    c = USAGE.c
    count = func.count().label("count")
    query = select(c.leg, c.engine, c.why, count).where(*scope.conditions, c.why != "")
    query = query.group_by(c.leg, c.engine, c.why).order_by(count.desc(), c.leg, c.engine, c.why)
    return [RouteChange(**each) for each in (await connection.execute(query)).mappings()]
