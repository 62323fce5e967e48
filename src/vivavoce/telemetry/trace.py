"""One session's trace as it comes to be: rows in a list, handed on whole when an utterance is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from vivavoce.clock import NS_PER_MS
from vivavoce.ledger.usage import Work
from vivavoce.telemetry.observer import Passage, SessionLabels

MOST_ROWS: Final = 500
"""Handed on at the latest, where no utterance ends."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An engine's answer: what it was asked lasted from `start_ns` to `end_ns` of the session's clock."""

    leg: str
    engine: str
    start_ns: int
    end_ns: int
    work: Work
    characters: int | None


@dataclass(frozen=True, slots=True)
class Happening:
    """A moment of the session; `told` are short names and values."""

    name: str
    at_ns: int
    told: tuple[tuple[str, str | int | bool], ...]


@dataclass(frozen=True, slots=True)
class Ending:
    outcome: str
    at_ns: int
    told: tuple[tuple[str, str | int | float], ...]


Row = Asked | Happening | Passage | Ending


@dataclass(slots=True)
class _Total:
    sound_ms: float = 0.0
    characters: int = 0
    unasked: int = 0
    """Characters that were given and not answered yet."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What came since the last time, in order; `spans` is at least how many spans it makes."""

    trace: SessionTrace
    rows: tuple[Row, ...]

    @property
    def ending(self) -> Rows | None:
        """The session's end alone, without which none of its spans has a root; None where it goes on."""
        last = self.rows[-1:]
        return Rows(self.trace, last) if last and isinstance(last[0], Ending) else None

    @property
    def spans(self) -> int:
        return sum(1 + len(row.stages) if isinstance(row, Passage) else 1 for row in self.rows)


@dataclass(slots=True, eq=False, weakref_slot=True)
class SessionTrace:
    """Implements `Observer`. `hand` takes rows and must not wait; `clock_ns` is the session's clock.

    `epoch_ns` is that clock's zero in ns since 1970. A row costs a microsecond or two.
    """

    labels: SessionLabels
    clock_ns: Callable[[], int]
    epoch_ns: int
    hand: Callable[[Rows], None]
    begun_ns: int = field(init=False)
    _rows: list[Row] = field(default_factory=list)
    _totals: dict[tuple[str, str], _Total] = field(default_factory=dict)
    _clauses: int = 0
    _terms: int = 0
    _terms_missed: int = 0
    _utterances: int = 0

    def __post_init__(self) -> None:
        self.begun_ns = self.clock_ns()

    def used(self, leg: str, engine: str, work: Work) -> None:
        total = self._totals.get((leg, engine))
        if total is None:
            total = self._totals[leg, engine] = _Total()
        total.sound_ms += work.sound_ms or 0.0
        total.characters += work.characters or 0
        total.unasked += work.characters or 0
        if work.latency_ms is not None:
            now_ns = self.clock_ns()
            start_ns = now_ns - round(work.latency_ms * NS_PER_MS)
            self._add(Asked(leg, engine, start_ns, now_ns, work, total.unasked or None))
            total.unasked = 0

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        # Not why: an error's text is its provider's.
        self._happened("engine", ("leg", leg), ("engine", engine), ("place", place), ("first_choice", not why))

    def passed(self, passage: Passage) -> None:
        self._utterances += 1
        self._rows.append(passage)
        self._hand()

    def clause(self, *, spoken: bool) -> None:
        self._clauses += 1

    def terms(self, *, kept: int, rescued: int, missed: int) -> None:
        self._terms += kept + rescued + missed
        self._terms_missed += missed

    def noticed(self, kind: str) -> None:
        self._happened("notice", ("kind", kind))

    def interrupted(self, *, confirmed: bool) -> None:
        self._happened("interruption", ("confirmed", confirmed))

    def ended(self, outcome: str) -> None:
        told: list[tuple[str, str | int | float]] = [("utterances", self._utterances), ("clauses", self._clauses)]
        if self._terms:
            told += [("terms", self._terms), ("terms_missed", self._terms_missed)]
        for (leg, engine), total in self._totals.items():
            if total.sound_ms:
                told.append((f"{leg}.{engine}.sound_s", round(total.sound_ms / 1000, 3)))
            if total.characters:
                told.append((f"{leg}.{engine}.characters", total.characters))
        self._rows.append(Ending(outcome, self.clock_ns(), tuple(told)))
        self._hand()

    def _happened(self, name: str, *told: tuple[str, str | int | bool]) -> None:
        self._add(Happening(name, self.clock_ns(), told))

    def _add(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= MOST_ROWS:
            self._hand()

    def _hand(self) -> None:
        rows, self._rows = self._rows, []
        self.hand(Rows(self, tuple(rows)))
