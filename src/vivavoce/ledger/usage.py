"""What a session's legs did, counted where they do it and written as rows of the ledger.

A row is one engine's work on one leg by one version of its prompt, over an interval: what it is charged by, what that
cost by the price of that day, how long answers took, and why the leg had come to that engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from vivavoce.contract.stats import quantile
from vivavoce.ledger.prices import Prices

Row = Mapping[str, object]
T = TypeVar("T", int, float)

INTERVAL_MS: Final = 10_000
"""A row is closed once it is so old: what is lost with a process that is killed is at most this and a second."""
_TOLD_MS: Final = 1000.0
_MOST_LATENCIES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an engine did; a latency is that of an answer.

    A quantity that nobody knows is None, and then nobody knows what the work cost, where the engine charges by it.
    """

    sound_ms: float | None = None
    characters: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    latency_ms: float | None = None
    prompt_version: str = ""

    @property
    def quantities(self) -> dict[str, float]:
        """Those that are known, by the units of prices."""
        found = {
            "seconds": None if self.sound_ms is None else self.sound_ms / 1000,
            "characters": self.characters,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
        }
        return {unit: quantity for unit, quantity in found.items() if quantity is not None}


class Meter(Protocol):
    def used(self, leg: str, engine: str, work: Work) -> None: ...

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        """The leg is this engine's from now on, the `place`th of its order; `why` is "" for a first choice."""
        ...


class Unmetered:
    """Implements `Meter` for what nobody pays or asks about."""

    def used(self, leg: str, engine: str, work: Work) -> None:
        pass

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        pass


UNMETERED: Final = Unmetered()


class SoundMeter:
    """Adds up one engine's sound and tells a meter a second at a time: frames come by the thousand."""

    __slots__ = ("_engine", "_leg", "_meter", "_sound_ms")

    def __init__(self, meter: Meter, leg: str, engine: str) -> None:
        self._meter, self._leg, self._engine = meter, leg, engine
        self._sound_ms = 0.0

    def add(self, sound_ms: float) -> None:
        self._sound_ms += sound_ms
        if self._sound_ms >= _TOLD_MS:
            self.tell()

    def tell(self) -> None:
        """Tell what was added since the last time; to be called at the end, too."""
        if self._sound_ms:
            self._meter.used(self._leg, self._engine, Work(sound_ms=self._sound_ms))
            self._sound_ms = 0.0


@dataclass(slots=True)
class _Tally:
    since_ms: int
    place: int
    why: str
    sound_ms: float | None = None
    characters: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    asked: int = 0
    latencies_ms: list[float] = field(default_factory=list)


_Key = tuple[str, str, str, bool]
"""Leg, engine, version of the prompt, and whether tokens were told: what is known is not mixed with what is not."""


class UsageMeter:
    """Implements `Meter` for one session. `write` takes rows of `usage_ledger` without what is the session's alone;
    `now_ms` is the time of day, which must not go back.

    `close_due` is to be called about once a second, `close` at the session's end. One that does nothing writes nothing.
    """

    def __init__(
        self,
        *,
        prices: Prices,
        now_ms: Callable[[], int],
        write: Callable[[Row], None],
        interval_ms: int = INTERVAL_MS,
    ) -> None:
        self._prices, self._now_ms, self._write = prices, now_ms, write
        self._interval_ms = interval_ms
        self._tallies: dict[_Key, _Tally] = {}
        self._moves: dict[tuple[str, str], tuple[int, str]] = {}
        self._rows = 0

    def used(self, leg: str, engine: str, work: Work) -> None:
        key = (leg, engine, work.prompt_version, work.tokens_in is not None)
        tally = self._tallies.get(key)
        if tally is None:
            place, why = self._moves.get((leg, engine), (1, ""))
            self._moves[leg, engine] = place, ""  # told once, so that rows with a reason are moves
            tally = self._tallies[key] = _Tally(self._now_ms(), place, why)
        tally.sound_ms = _sum(tally.sound_ms, work.sound_ms)
        tally.characters = _sum(tally.characters, work.characters)
        tally.tokens_in = _sum(tally.tokens_in, work.tokens_in)
        tally.tokens_out = _sum(tally.tokens_out, work.tokens_out)
        if work.latency_ms is not None:
            tally.asked += 1
            if len(tally.latencies_ms) < _MOST_LATENCIES:
                tally.latencies_ms.append(work.latency_ms)

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        self._moves[leg, engine] = place, why
        now_ms = self._now_ms()
        for key in [key for key in self._tallies if key[:2] == (leg, engine)]:
            self._close(key, now_ms)

    def close_due(self) -> None:
        """Write what is as old as an interval."""
        now_ms = self._now_ms()
        for key in [key for key, tally in self._tallies.items() if now_ms - tally.since_ms >= self._interval_ms]:
            self._close(key, now_ms)

    def close(self) -> None:
        """Write what is left."""
        now_ms = self._now_ms()
        for key in tuple(self._tallies):
            self._close(key, now_ms)

    def _close(self, key: _Key, now_ms: int) -> None:
        tally, (leg, engine, prompt_version, _) = self._tallies.pop(key), key
        sound_ms = None if tally.sound_ms is None else round(tally.sound_ms)
        done = Work(
            sound_ms=sound_ms,
            characters=tally.characters,
            tokens_in=tally.tokens_in,
            tokens_out=tally.tokens_out,
        )
        cost = self._prices.cost(engine, done.quantities, at_ms=tally.since_ms)
        ordered = sorted(tally.latencies_ms)
        self._rows += 1
        self._write(
            {
                "number": self._rows,
                "at_ms": tally.since_ms,
                "interval_ms": now_ms - tally.since_ms,
                "leg": leg,
                "engine": engine,
                "prompt_version": prompt_version,
                "sound_ms": sound_ms,
                "characters": tally.characters,
                "tokens_in": tally.tokens_in,
                "tokens_out": tally.tokens_out,
                "price": cost.price,
                "cost_nano": cost.nano,
                "asked": tally.asked,
                "p50_ms": round(quantile(ordered, 0.50), 3) if ordered else None,
                "p95_ms": round(quantile(ordered, 0.95), 3) if ordered else None,
                "place": tally.place,
                "why": tally.why,
            }
        )


def _sum(so_far: T | None, more: T | None) -> T | None:
    """Of what is known; None where nothing is."""
    if so_far is None or more is None:
        return more if so_far is None else so_far
    return so_far + more
