"""What a session tells while it runs. All `*_ms` are sample time of the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from vivavoce.legs.values import Clause, Word


class NoticeKind(StrEnum):
    LOW_CONFIDENCE = "low confidence"
    OTHER_LANGUAGE = "other language"
    NO_ROUTE = "no route"
    SHORTER_PAUSES = "shorter pauses"
    FASTER = "faster"
    SOUND_LOST = "sound lost"
    STT_FAILED = "recognition failed"
    DRIFT = "drift"
    MT_FAILED = "translation failed"
    TTS_FAILED = "synthesis failed"
    DUB_CAPPED = "dub cap"
    DUB_BACK = "dub back"
    SWITCHED = "another engine"
    CONFIG_REFUSED = "configuration refused"
    STORE_AWAY = "store away"


class TriggerKind(StrEnum):
    STARTED = "started"
    RESUMED = "resumed"
    FALSE = "false"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What the voice detector took for speech: it started an utterance; it goes on after what seemed its end; or it was
    over and nothing was recognised."""

    utterance: int
    kind: TriggerKind
    at_ms: float


@dataclass(frozen=True, slots=True)
class Heard:
    """The source text of the utterance under way: `settled` will not change, `tail` may."""

    utterance: int
    settled: tuple[Word, ...]
    tail: tuple[Word, ...]
    newly_settled: int
    at_ms: float


@dataclass(frozen=True, slots=True)
class Translated:
    """A clause and its translation, both final. `spoken` is False where the original voice stays instead.

    `terms` locked terms occur in the clause, of which the output's check had to mend `rescued`; `missed` are not
    rendered as they were to be.
    """

    utterance: int
    line: int
    clause: Clause
    text: str
    language: str
    spoken: bool
    at_ms: float
    terms: int = 0
    rescued: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Spoken:
    """A stretch of the dub has its place: it is heard from `start_ms` to `end_ms`."""

    utterance: int
    line: int
    text: str
    start_ms: float
    end_ms: float
    waited_ms: float
    first: bool


@dataclass(frozen=True, slots=True)
class UtteranceDone:
    """An utterance with its stages, each as (from, to); `heard` is absent where nothing was spoken.

    `queue` is how long the last clause's sound waited behind the dub's own earlier words.
    """

    utterance: int
    speech_start_ms: float
    speech_end_ms: float
    text: str
    language: str
    confidence: float
    stages: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Notice:
    kind: NoticeKind
    text: str
    at_ms: float


Event = Trigger | Heard | Translated | Spoken | UtteranceDone | Notice
