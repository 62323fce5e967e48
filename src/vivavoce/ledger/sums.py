"""Sums over rows of the usage ledger, in groups as fine as any report wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import ColumnElement, Subquery, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.ledger.amounts import UNKNOWN, Amount
from vivavoce.ledger.prices import Prices
from vivavoce.store.tables import SESSIONS, USAGE

DAY_MS: Final = 86_400_000
DAY: Final[ColumnElement[int]] = USAGE.c.at_ms // DAY_MS
"""Days since 1970 (UTC); `day_name` names one."""
QUANTITIES: Final = ("sound_ms", "characters", "tokens_in", "tokens_out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Rows from one moment until another, of one user, session or product, or of all."""

    since_ms: int = 0
    until_ms: int | None = None
    user_id: str | None = None
    session_id: str | None = None
    product: str | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """On `usage_ledger`."""
        found: list[ColumnElement[bool]] = [USAGE.c.at_ms >= self.since_ms]
        if self.until_ms is not None:
            found.append(USAGE.c.at_ms < self.until_ms)
        if self.user_id is not None:
            found.append(USAGE.c.user_id == self.user_id)
        if self.session_id is not None:
            found.append(USAGE.c.session_id == self.session_id)
        if self.product is not None:
            of_it = select(SESSIONS.c.session_id).where(SESSIONS.c.product == self.product)
            found.append(USAGE.c.session_id.in_(of_it))
        return found

    def rows(self, of: ColumnElement[Any]) -> Subquery:
        """The rows, each with `of` as a column of that name.

        Postgres takes an expression with a parameter for another one where it stands a second time, as in GROUP BY.
        """
        return select(USAGE, of.label("of")).where(*self.conditions).subquery()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """The rows of one leg, engine and price that have `of` in common.

    `counted` tells, by quantity, how many rows have it; `unpriced` rows have no cost, and are not in `cost_nano`.
    """

    of: Any
    leg: str
    engine: str
    price: str | None
    rows: int
    unpriced: int
    requests: int
    cost_nano: int
    quantities: Mapping[str, int]
    counted: Mapping[str, int]

    @property
    def cost(self) -> Amount:
        return Amount(Fraction(self.cost_nano), whole=not self.unpriced)

    def counts(self, quantity: str) -> bool:
        """Whether every row has it."""
        return self.counted[quantity] == self.rows

    def repriced(self, prices: Prices, *, at_ms: float | None = None) -> Amount:
        """The same at the price in force at a moment, or now; unknown where a row lacks what is charged for."""
        price = prices.price(self.engine, at_ms=at_ms)
        if price is None:
            return UNKNOWN
        nano = Fraction(0)
        for charge in price.charges:
            name, many = ("sound_ms", 1000) if charge.unit == "seconds" else (charge.unit, 1)
            if not self.counts(name):
                return UNKNOWN
            nano += charge.rate * self.quantities[name] / many
        return Amount(nano)


async def read_sums(connection: AsyncConnection, scope: Scope, of: ColumnElement[Any]) -> list[Sum]:
    """In the order of `of`, legs, engines and prices."""
    c = scope.rows(of).c
    group = (c.of, c.leg, c.engine, c.price)
    query = select(
        *group,
        func.count().label("rows"),
        func.count(c.cost_nano).label("priced"),
        func.sum(c.asked).label("requests"),
        func.sum(c.cost_nano).label("cost_nano"),
        *(func.sum(c[name]).label(name) for name in QUANTITIES),
        *(func.count(c[name]).label(f"{name}_rows") for name in QUANTITIES),
    )
    found = (await connection.execute(query.group_by(*group).order_by(*group))).mappings()
    return [_sum(row) for row in found]


def day_name(day: int) -> str:
    """Of a day as `DAY` counts them."""
    return f"{datetime.fromtimestamp(day * DAY_MS / 1000, UTC):%Y-%m-%d}"


def _sum(row: Mapping[Any, Any]) -> Sum:
    return Sum(
        of=row["of"],
        leg=row["leg"],
        engine=row["engine"],
        price=row["price"],
        rows=row["rows"],
        unpriced=row["rows"] - row["priced"],
        requests=int(row["requests"]),
        cost_nano=int(row["cost_nano"] or 0),
        quantities={name: int(row[name] or 0) for name in QUANTITIES},
        counted={name: row[f"{name}_rows"] for name in QUANTITIES},
    )
