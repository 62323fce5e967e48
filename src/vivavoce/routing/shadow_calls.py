"""What a session asks of a leg, as values that can be handed on: to a shadow now, or to one that runs afterwards.

`at_ns` is when the session asked, on the session's clock. A piece of work, whose two results make a pair, has a
number: the final of an utterance, a clause, an epoch of speech.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from vivavoce.audio.pcm import Pcm
from vivavoce.legs.values import Clause, TokenUsage, Word


@dataclass(frozen=True, slots=True)
class Opening:
    """How a stream is opened: `voice` for synthesis, `keyterms` for recognition."""

    language: str
    rate_hz: int
    keyterms: tuple[str, ...] = ()
    voice: str = ""


@dataclass(frozen=True, slots=True)
class Push:
    pcm: Pcm
    voiced: bool


@dataclass(frozen=True, slots=True)
class Finalise:
    number: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Commit:
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """The utterance is over; `number` is that of its last final, if the primary gave one."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Translate:
    number: int
    at_ns: int
    clause: Clause
    source: str
    target: str
    context: tuple[str, ...]
    glossary: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Say:
    number: int
    at_ns: int
    text: str
    speed: float
    lead_ms: float


@dataclass(frozen=True, slots=True)
class Flush:
    number: int


@dataclass(frozen=True, slots=True)
class Cancel:
    number: int


Call = Push | Finalise | Commit | Reset | Translate | Say | Flush | Cancel


def size_bytes(call: Call) -> int:
    """About what a call holds in memory."""
    return 200 + (call.pcm.samples.nbytes if isinstance(call, Push) else 0)


@dataclass(frozen=True, slots=True)
class Half:
    """What one engine made of one piece of work: one half of a pair, in memory only, for it has the text.

    `quantities` are by unit, see `vivavoce.ledger.prices`; `at_s` is the time of day of the primary's.
    """

    number: int
    engine: str
    latency_ms: float
    quantities: Mapping[str, float] = field(default_factory=dict)
    text: str = ""
    language: str = ""
    at_s: float = 0.0


def translated(clause: Clause, usage: TokenUsage | None) -> dict[str, float]:
    """What translating a clause is counted by."""
    quantities = {"characters": float(len(clause.text))}
    if usage is not None:
        quantities |= {"tokens_in": float(usage.tokens_in), "tokens_out": float(usage.tokens_out)}
    return quantities


class Judge(Protocol):
    """Compares what a shadow made with what the primary made; None where that cannot be told."""

    def word_errors(self, reference: str, hypothesis: str, *, language: str) -> tuple[int, int] | None:
        """Word errors, and words of the reference."""
        ...

    def chrf(self, reference: str, hypothesis: str) -> float | None: ...
