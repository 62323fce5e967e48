"""The recognition leg."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from vivavoce.audio.pcm import Pcm
from vivavoce.legs.values import Hypothesis, Word


class SttStream(Protocol):
    """One speaker's recognition. Sound goes in, hypotheses come out by iteration, until `aclose`."""

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        """Add sound, contiguous in sample time unless `reset` came between. Waits when the engine is far behind.

        `voiced` is whether somebody speaks in it, as far as the voice detector knows: who says nothing about sound
        without speech has not stalled.
        """
        ...

    def partial(self) -> None:
        """Ask for an unfinished hypothesis of what was pushed so far; skipped when one is under way."""
        ...

    async def finalise(self, epoch: int) -> None:
        """Ask for the final hypothesis of what was pushed so far; it carries `epoch`. Sound may still follow.

        One that was asked for before, and was not begun yet, may stay unanswered.
        """
        ...

    def commit(self, words: Sequence[Word]) -> None:
        """Tell the stream that these words, next in order, are settled: later hypotheses continue after them."""
        ...

    def reset(self) -> None:
        """Forget the utterance: sound, committed words and answers that are still under way."""
        ...

    def __aiter__(self) -> AsyncIterator[Hypothesis]: ...

    async def settle(self) -> None:
        """Wait until everything asked for so far has been answered."""
        ...

    async def aclose(self) -> None: ...


class SpeechToText(Protocol):
    """`language` is an ISO 639-1 code, or "auto" to have it identified."""

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> SttStream: ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
