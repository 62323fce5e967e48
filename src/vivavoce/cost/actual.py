"""What was really used and spent: sums over the usage ledger, at the prices that its rows were reckoned with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import Select, case, func, select

from vivavoce.cost.model import LegUse, Mix, Use
from vivavoce.ledger.amounts import Amount, number, total
from vivavoce.ledger.prices import EMBEDDED, Prices
from vivavoce.ledger.sums import DAY, QUANTITIES, Scope, Sum, day_name, read_sums
from vivavoce.store.database import Database
from vivavoce.store.tables import SESSION_ENDS, SESSIONS, USAGE

HOUR_MS: Final = 3_600_000
ENOUGH_MS: Final = HOUR_MS
"""Sound recognised, of which figures for an hour are no extrapolation."""
UNPRICED: Final = "unpriced"
"""Stands for the date of the price where rows have no cost: engine@unpriced is no identity of a price."""
_WEIGHTS: Final = ("sound_ms", "characters", "tokens_in")
_UNITS: Final = ("characters", "tokens_in", "tokens_out")


@dataclass(frozen=True, slots=True)
class Actual:
    """Sums of each day (UTC); `wall_ms` is all sessions' time from beginning to end, as far as it was asked for."""

    lines: list[Sum]
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

    def by(self, key: Callable[[Sum], tuple[str, ...]]) -> dict[tuple[str, ...], list[Sum]]:
        """Sums in groups, in the order of their keys."""
        groups: dict[tuple[str, ...], list[Sum]] = {}
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
        """Tokens for each hour of sound that was translated by those who tell them; None where nobody does."""
        return self._an_hour("mt", self.recognised_ms).get(name)

    @property
    def lacks(self) -> str:
        """Why no use can be made of it; "" where one can."""
        if not self.recognised_ms:
            return "no sound was recognised"
        return "" if self.wall_ms else "no session lasted"

    @property
    def too_little(self) -> str:
        """Why figures for an hour are an extrapolation; "" where they are none."""
        if self.lacks or self.recognised_ms >= ENOUGH_MS:
            return self.lacks
        return f"{self.recognised_ms / 60_000:.1f} minutes of sound were recognised, less than an hour"

    def as_use(self, assumed: Use, prices: Prices | None = None, *, at_ms: float | None = None) -> Use | None:
        """The same as the cost model takes it; hours a month are those assumed. None where it `lacks` something.

        Engines share a leg by sound, or by characters where it has none, at the prices that their rows were reckoned
        with, or in force at a moment with `prices`. A leg that nobody served, or of which a part is not counted, has no
        engines, and a rate of an hour that nobody counted is none of its quantities: those costs stay unknown.
        """
        duty, spoken_ms = self.duty, self.spoken_ms
        if self.lacks or duty is None:
            return None

        def leg(name: str, basis_ms: int) -> LegUse:
            mix = self._mix(name, prices, at_ms)
            sound = {} if name == "mt" else {"seconds": Fraction(3600)}
            return LegUse(mix, sound | (self._an_hour(name, basis_ms) if mix else {}))

        dubbed_ms = min(spoken_ms or 0, self.recognised_ms)
        tts = leg("tts", dubbed_ms)
        if dubbed_ms and spoken_ms is not None:
            # A voice that speaks longer than what it speaks for: more than an hour's sound for an hour of dub.
            tts = replace(tts, quantities={**tts.quantities, "seconds": Fraction(3600 * spoken_ms, dubbed_ms)})
        dub = Fraction(1) if spoken_ms is None else Fraction(dubbed_ms, self.recognised_ms)
        stt, mt = leg("stt", self.recognised_ms), leg("mt", self.recognised_ms)
        return Use(stt, mt, tts, duty, assumed.hours, dub)

    def _mix(self, leg: str, prices: Prices | None, at_ms: float | None) -> Mix:
        lines = self._of(leg)
        weight = _weight(lines)
        shares: dict[str, Fraction] = {}
        for line in lines if weight else ():
            name = _price_name(line, prices, at_ms)
            shares[name] = shares.get(name, Fraction(0)) + line.quantities[weight]
        whole = sum(shares.values(), Fraction(0))
        return tuple((name, share / whole) for name, share in sorted(shares.items()) if share)

    def _an_hour(self, leg: str, basis_ms: int) -> dict[str, Fraction]:
        """Quantities for each hour of `basis_ms`, by the lines that count them: theirs is their share of it."""
        lines = self._of(leg)
        weight = _weight(lines)
        if not weight or not basis_ms:
            return {}
        whole = sum(line.quantities[weight] for line in lines)
        found = {}
        for name in _UNITS:
            those = [line for line in lines if line.counts(name)]
            if part := sum(line.quantities[weight] for line in those):
                many = sum(line.quantities[name] for line in those)
                found[name] = Fraction(many * HOUR_MS, basis_ms) * Fraction(whole, part)
        return found

    def _of(self, leg: str) -> list[Sum]:
        return [line for line in self.lines if line.leg == leg]

    def to_json(self, assumed: Use, prices: Prices | None = None, *, at_ms: float | None = None) -> dict[str, Any]:
        """With `prices`, what the same costs at those of a moment."""
        tokens = assumed.mt.quantities
        return {
            "sessions": self.sessions,
            "rows": self.rows,
            "unpriced_rows": self.unpriced,
            "wall_ms": self.wall_ms,
            "recognised_ms": self.recognised_ms,
            "too_little": self.too_little or None,
            "cost": self.cost.to_json(),
            "speech_hour": None if self.speech_hour is None else self.speech_hour.to_json(),
            "wall_hour": None if self.wall_hour is None else self.wall_hour.to_json(),
            "measured": {
                "duty": number(self.duty),
                "dub": number(self.dub),
                "tokens_in": number(self.tokens("tokens_in")),
                "tokens_out": number(self.tokens("tokens_out")),
            },
            "assumed": {
                "duty": float(assumed.duty),
                "dub": float(assumed.dub),
                "tokens_in": float(tokens["tokens_in"]),
                "tokens_out": float(tokens["tokens_out"]),
            },
            "lines": [_line(line, prices, at_ms) for line in self.lines],
        }


async def read_actual(database: Database, *, since_ms: float, user_id: str = "") -> Actual:
    """Of all users, or one. Raises StoreAway and StoreRefused."""
    scope = Scope(since_ms=int(since_ms), user_id=user_id or None)
    async with database.begin(read_only=True) as connection:
        lines = await read_sums(connection, scope, DAY)
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


def _weight(lines: Sequence[Sum]) -> str:
    """The quantity that all lines count, and by which they can be compared; "" where there is none."""
    counted = (name for name in _WEIGHTS if lines and all(line.counts(name) for line in lines))
    return next((name for name in counted if any(line.quantities[name] for line in lines)), "")


def _price_name(line: Sum, prices: Prices | None, at_ms: float | None) -> str:
    """As a mix has it: an engine at the price in force, or the identity of a price."""
    if prices is not None:
        return line.engine if line.repriced(prices, at_ms=at_ms).whole else f"{line.engine}@{UNPRICED}"
    if line.unpriced:
        return f"{line.engine}@{UNPRICED}"
    return line.engine if line.price in (None, EMBEDDED) else line.price


def _line(line: Sum, prices: Prices | None, at_ms: float | None) -> dict[str, Any]:
    repriced = {} if prices is None else {"repriced": line.repriced(prices, at_ms=at_ms).to_json()}
    return {
        "day": day_name(line.of),
        "leg": line.leg,
        "engine": line.engine,
        "price": line.price,
        "rows": line.rows,
        "unpriced_rows": line.unpriced,
        "cost": line.cost.to_json(),
        **line.quantities,
        **repriced,
    }


def merged(lines: Iterable[Sum]) -> tuple[int, Amount, dict[str, int]]:
    """Rows, cost and quantities of several lines."""
    those = list(lines)
    quantities = {name: sum(line.quantities[name] for line in those) for name in QUANTITIES}
    return sum(line.rows for line in those), total(line.cost for line in those), quantities
