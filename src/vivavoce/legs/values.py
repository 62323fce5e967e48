"""What legs say to each other: frozen values with units in their names. All `*_ms` are sample time of the session."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from vivavoce.audio.pcm import Pcm


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it is shown, punctuation included."""

    text: str
    start_ms: float
    end_ms: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a recogniser thinks was said since the last committed word, having heard the sound until
    `heard_until_ms` where it says so.

    Words that end after `committed_until_ms` may change in the next hypothesis. `final` answers a `finalise`.
    """

    words: tuple[Word, ...]
    committed_until_ms: float
    final: bool
    language: str
    epoch: int = 0
    no_speech: float = 0.0
    heard_until_ms: float = math.inf

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of source text that is translated as one."""

    text: str
    start_ms: float
    end_ms: float
    confidence: float = 1.0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """What a language model's service counted. Tokens that it had cached, and those it only thought, are among them."""

    tokens_in: int
    tokens_out: int

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out)


def summed(used: Sequence[TokenUsage | None]) -> TokenUsage | None:
    """What all of them used together; None where one did not tell, and for none."""
    known = [usage for usage in used if usage is not None]
    return sum(known, TokenUsage(0, 0)) if known and len(known) == len(used) else None


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of a translation; the last one has what the whole of it used, where that was told.

    `terms` locked terms are in the clause, of which the output's check mended `rescued` and could not mend `missed`:
    the last piece tells.
    """

    text: str
    epoch: int
    last: bool
    usage: TokenUsage | None = None
    terms: int = 0
    rescued: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """Synthesised sound; `words` are timed from the chunk's first sample, where the engine knows them.

    A word whose time became known after its sound was given comes with a later chunk, and has negative times. `kept`
    sound was made before: it costs nothing.
    """

    pcm: Pcm
    epoch: int
    text: str = ""
    words: tuple[Word, ...] | None = None
    last: bool = False
    kept: bool = False


class VoiceEventKind(Enum):
    """`PAUSE` is the first silence that may become an end; `RESUME` takes it back, `END` confirms it."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


@dataclass(frozen=True, slots=True)
class VoiceEvent:
    """`at_ms` is where the sound began or stopped, `decided_ms` the sample time at which that was known."""

    kind: VoiceEventKind
    at_ms: float
    decided_ms: float
