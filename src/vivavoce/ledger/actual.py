"""What was really used and spent: sums over the usage ledger, at the prices that its rows were reckoned with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import Select, case, func, select

from vivavoce.ledger.amounts import UNKNOWN, Amount, total
from vivavoce.ledger.cost_model import Use
from vivavoce.ledger.prices import Price, Prices
from vivavoce.ledger.sums import DAY, QUANTITIES, Scope, Sum, day_name, read_sums
from vivavoce.store.database import Database
from vivavoce.store.tables import SESSION_ENDS, SESSIONS, USAGE

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Line:
    """The rows of one leg, engine and price on one day (UTC).

    `counted` tells, by quantity, how many rows have it; `unpriced` rows have no cost, and are not in `cost_nano`.
    """

    day: str
    leg: str
    engine: str
    price: str | None
    rows: int
    unpriced: int
    cost_nano: int
    quantities: Mapping[str, int]
    counted: Mapping[str, int]

    @property
    def cost(self) -> Amount:
        return Amount(Fraction(self.cost_nano), whole=not self.unpriced)

    def repriced(self, prices: Prices) -> Amount:
        """The same at the price in force now; unknown where a row lacks a quantity that is charged for."""
        price = prices.price(self.engine)
        return UNKNOWN if price is None else self._charged(price)

    def _charged(self, price: Price) -> Amount:
        nano = Fraction(0)
        for charge in price.charges:
            name, many = ("sound_ms", 1000) if charge.unit == "seconds" else (charge.unit, 1)
            if self.counted[name] < self.rows:
                return UNKNOWN
            nano += charge.rate * self.quantities[name] / many
        return Amount(nano)


@dataclass(frozen=True, slots=True)
class Actual:
    """`wall_ms` is the time of all sessions from beginning to end, as far as it lies in what was asked for."""

    lines: list[Line]
    sessions: int
    wall_ms: int

    @property
    def rows(self) -> int:
        return sum(line.rows for line in self.lines)

    @property
    def unpriced(self) -> int:
        return sum(line.unpriced for line in self.lines)

    @property
    def cost(self) -> Amount:
        return total(line.cost for line in self.lines)

    def by(self, key: Callable[[Line], tuple[str, ...]]) -> dict[tuple[str, ...], list[Line]]:
        """Lines in groups, in the order of their keys."""
        groups: dict[tuple[str, ...], list[Line]] = {}
        for line in sorted(self.lines, key=key):
            groups.setdefault(key(line), []).append(line)
        return groups

    def quantity(self, leg: str, name: str) -> int:
        return sum(line.quantities[name] for line in self.lines if line.leg == leg)

    @property
    def recognised_ms(self) -> int:
        return self.quantity("stt", "sound_ms")

    @property
    def spoken_ms(self) -> int | None:
        """None where a voice does not count by sound, for then a part is not known."""
        uncounted = any(line.counted["sound_ms"] < line.rows for line in self.lines if line.leg == "tts")
        return None if uncounted else self.quantity("tts", "sound_ms")

    @property
    def speech_hour(self) -> Amount | None:
        """The cost for each hour of sound that was recognised."""
        return self.cost.times(Fraction(HOUR_MS, self.recognised_ms)) if self.recognised_ms else None

    @property
    def wall_hour(self) -> Amount | None:
        """The cost for each hour of sessions."""
        return self.cost.times(Fraction(HOUR_MS, self.wall_ms)) if self.wall_ms else None

    @property
    def duty(self) -> Fraction | None:
        """The share of the sessions' time that was recognised."""
        return Fraction(self.recognised_ms, self.wall_ms) if self.wall_ms else None

    @property
    def dub(self) -> Fraction | None:
        """Sound spoken, for each second of sound recognised."""
        if not self.recognised_ms or self.spoken_ms is None:
            return None
        return Fraction(self.spoken_ms, self.recognised_ms)

    def tokens(self, name: str) -> Fraction | None:
        """Tokens for each hour of sound recognised; None where a translator tells none."""
        uncounted = all(not line.counted[name] for line in self.lines if line.leg == "mt")
        if uncounted or not self.recognised_ms:
            return None
        return Fraction(self.quantity("mt", name) * HOUR_MS, self.recognised_ms)

    def to_json(self, assumed: Use, prices: Prices | None) -> dict[str, Any]:
        """With `prices`, what the same costs at those."""
        tokens = assumed.mt.quantities
        return {
            "sessions": self.sessions,
            "rows": self.rows,
            "unpriced_rows": self.unpriced,
            "wall_ms": self.wall_ms,
            "recognised_ms": self.recognised_ms,
            "cost": self.cost.to_json(),
            "speech_hour": None if self.speech_hour is None else self.speech_hour.to_json(),
            "wall_hour": None if self.wall_hour is None else self.wall_hour.to_json(),
            "measured": {
                "duty": _number(self.duty),
                "dub": _number(self.dub),
                "tokens_in": _number(self.tokens("tokens_in")),
                "tokens_out": _number(self.tokens("tokens_out")),
            },
            "assumed": {
                "duty": float(assumed.duty),
                "dub": float(assumed.dub),
                "tokens_in": float(tokens["tokens_in"]),
                "tokens_out": float(tokens["tokens_out"]),
            },
            "lines": [_line(line, prices) for line in self.lines],
        }


async def read_actual(database: Database, *, since_ms: float, user_id: str = "") -> Actual:
    """Of all users, or one. Raises StoreAway and StoreRefused."""
    scope = Scope(since_ms=int(since_ms), user_id=user_id or None)
    async with database.begin(read_only=True) as connection:
        lines = [_read(found) for found in await read_sums(connection, scope, DAY)]
        sessions, wall_ms = (await connection.execute(_time(scope))).one()
    return Actual(lines, int(sessions), int(wall_ms or 0))


def _time(scope: Scope) -> Select[int, int | None]:
    """Sessions, and their time; one that has told neither beginning nor end lasts as long as its rows."""
    u = USAGE.c
    spans = (
        select(
            u.session_id,
            func.min(u.at_ms).label("first_ms"),
            func.max(u.at_ms + u.interval_ms).label("last_ms"),
        )
        .where(*scope.conditions)
        .group_by(u.session_id)
        .subquery()
    )
    started = func.coalesce(SESSIONS.c.started_ms, spans.c.first_ms)
    ended = func.coalesce(SESSION_ENDS.c.ended_ms, spans.c.last_ms)
    begins = case((started < scope.since_ms, scope.since_ms), else_=started)
    length = case((ended > begins, ended - begins), else_=0)
    joined = spans.outerjoin(SESSIONS, SESSIONS.c.session_id == spans.c.session_id).outerjoin(
        SESSION_ENDS, SESSION_ENDS.c.session_id == spans.c.session_id
    )
    return select(func.count(), func.sum(length)).select_from(joined)


def _read(found: Sum) -> Line:
    return Line(
        day=day_name(found.of),
        leg=found.leg,
        engine=found.engine,
        price=found.price,
        rows=found.rows,
        unpriced=found.unpriced,
        cost_nano=found.cost_nano,
        quantities=found.quantities,
        counted=found.counted,
    )


def _line(line: Line, prices: Prices | None) -> dict[str, Any]:
    repriced = {} if prices is None else {"repriced": line.repriced(prices).to_json()}
    return {
        "day": line.day,
        "leg": line.leg,
        "engine": line.engine,
        "price": line.price,
        "rows": line.rows,
        "unpriced_rows": line.unpriced,
        "cost": line.cost.to_json(),
        **line.quantities,
        **repriced,
    }


def _number(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def merged(lines: Iterable[Line]) -> tuple[int, Amount, dict[str, int]]:
    """Rows, cost and quantities of several lines."""
    those = list(lines)
    quantities = {name: sum(line.quantities[name] for line in those) for name in QUANTITIES}
    return sum(line.rows for line in those), total(line.cost for line in those), quantities
