"""What happens in a call. Times of speech are ms of the caller's sound; what is heard or dropped is ms of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PAUSE_MS, END_MS = 64, 200
"""How long a caller has usually been silent when `SpeechPause` tells it, and at least when `SpeechEnd` does."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How a caller's packets came: p50 and p95 of the jitter of RFC 3550 (§6.4.1), which changes with each.

    `gaps` are packets that came over 60 ms later than the one before foretold; after a second it is the source that
    paused, which is no jitter.
    """

    packets: int
    gaps: int
    jitter_p50_ms: float
    jitter_p95_ms: float


@dataclass(frozen=True, slots=True)
class Started:
    """The peer began its stream. `parameters` are its own, without the token."""

    rate_hz: int
    stream: str
    call: str
    parameters: Mapping[str, Any]
    codec: str = "ulaw"


@dataclass(frozen=True, slots=True)
class SpeechStart:
    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechPause:
    """The caller's speech may have ended: `SpeechResume` takes that back, `SpeechEnd` makes it certain."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechResume:
    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """The caller is silent since `at_ms`."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Ducked:
    """The caller may be interrupting: our voice is lower."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The caller interrupted: we are silent. `heard_ms` is what was heard of the newest epoch."""

    dropped_ms: float
    heard_ms: float


@dataclass(frozen=True, slots=True)
class Refuted:
    """It was no interruption: our voice is as before."""


@dataclass(frozen=True, slots=True)
class Mark:
    """All that was queued before the mark was heard, or it was cleared."""

    name: str
    played: bool


@dataclass(frozen=True, slots=True)
class Dtmf:
    digit: str


@dataclass(frozen=True, slots=True)
class Underrun:
    """The caller heard nothing for so long in the middle of an epoch."""

    gap_ms: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event of every call; `arrivals` is None where no sound came."""

    reason: str
    arrivals: Arrivals | None = field(default=None, compare=False)


CallEvent = (
    Started
    | SpeechStart
    | SpeechPause
    | SpeechResume
    | SpeechEnd
    | Ducked
    | Confirmed
    | Refuted
    | Mark
    | Dtmf
    | Underrun
    | Closed
)
