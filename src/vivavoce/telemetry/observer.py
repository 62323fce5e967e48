"""What traces, metrics and alarms are told of a session: moments, sizes and names of ours, nothing of what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vivavoce.clock import NS_PER_MS
from vivavoce.ledger.usage import Work

TRANSLATE, AGENT = "translate", "agent"
Value = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLabels:
    """What a session is. `name` is a script's; where it is not `paced`, latency has no meaning."""

    session_id: str
    product: str
    app_id: str = ""
    source: str = ""
    target: str = ""
    tier: str = ""
    name: str = ""
    paced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """An utterance that has gone through all stages, each as (from, to); times are ns of the session's clock.

    It lasts from the start of its speech until it was answered. `told` is what else is known of it, by short names.
    """

    number: int
    start_ns: int
    end_ns: int
    stages: Mapping[str, tuple[int, int]]
    told: Mapping[str, Value] = field(default_factory=dict)

    def durations_ms(self) -> dict[str, float]:
        return {name: (end_ns - start_ns) / NS_PER_MS for name, (start_ns, end_ns) in self.stages.items()}


class Observer(Protocol):
    """Is told of one session on its event loop; no method waits. The first two are a `Meter`'s."""

    def used(self, leg: str, engine: str, work: Work) -> None: ...

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None: ...

    def passed(self, passage: Passage) -> None: ...

    def clause(self, *, spoken: bool) -> None:
        """A clause has its translation; `spoken` is False where the original voice stays."""
        ...

    def terms(self, *, kept: int, rescued: int, missed: int) -> None:
        """So many locked terms are in a clause: rendered as told, mended by the check, and not rendered so."""
        ...

    def noticed(self, kind: str) -> None:
        """Something was told the user, of one of few kinds."""
        ...

    def interrupted(self, *, confirmed: bool) -> None:
        """A caller interrupted, or only seemed to."""
        ...

    def ended(self, outcome: str) -> None:
        """The last call: "done", "interrupted", or an error's type."""
        ...


class Unobserved:
    """Implements `Observer` for what nobody asks about; also a base for who wants some of it."""

    def used(self, leg: str, engine: str, work: Work) -> None:
        pass

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        pass

    def passed(self, passage: Passage) -> None:
        pass

    def clause(self, *, spoken: bool) -> None:
        pass

    def terms(self, *, kept: int, rescued: int, missed: int) -> None:
        pass

    def noticed(self, kind: str) -> None:
        pass

    def interrupted(self, *, confirmed: bool) -> None:
        pass

    def ended(self, outcome: str) -> None:
        pass


UNOBSERVED = Unobserved()


class Observers:
    """Implements `Observer` by telling each of several."""

    def __init__(self, each: Sequence[Observer]) -> None:
        self._each = tuple(each)

    def used(self, leg: str, engine: str, work: Work) -> None:
        for observer in self._each:
            observer.used(leg, engine, work)

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        for observer in self._each:
            observer.moved(leg, engine, place=place, why=why)

    def passed(self, passage: Passage) -> None:
        for observer in self._each:
            observer.passed(passage)

    def clause(self, *, spoken: bool) -> None:
        for observer in self._each:
            observer.clause(spoken=spoken)

    def terms(self, *, kept: int, rescued: int, missed: int) -> None:
        for observer in self._each:
            observer.terms(kept=kept, rescued=rescued, missed=missed)

    def noticed(self, kind: str) -> None:
        for observer in self._each:
            observer.noticed(kind)

    def interrupted(self, *, confirmed: bool) -> None:
        for observer in self._each:
            observer.interrupted(confirmed=confirmed)

    def ended(self, outcome: str) -> None:
        for observer in self._each:
            observer.ended(outcome)
