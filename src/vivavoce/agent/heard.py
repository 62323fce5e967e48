"""What was said on both sides, as it was heard: of a line that was interrupted, the part that came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from vivavoce.agent.voice import Sound


@dataclass(frozen=True, slots=True)
class Utterance:
    """`cut` tells that it was interrupted; `text` is what was heard of it."""

    who: Literal["agent", "caller"]
    text: str
    state: str
    cut: bool = False


@dataclass(slots=True)
class History:
    """The conversation so far."""

    utterances: list[Utterance] = field(default_factory=list)
    _speaking: list[tuple[str, float]] = field(default_factory=list)

    def caller_said(self, text: str, state: str) -> None:
        self.utterances.append(Utterance("caller", text, state))

    def agent_says(self, lines: Sequence[str], sounds: Sequence[Sound], state: str) -> None:
        """These lines are played from now on."""
        lengths_ms = [sum(piece.duration_ms for piece in sound) for sound in sounds]
        self._speaking = list(zip(lines, lengths_ms, strict=True))
        self.utterances.extend(Utterance("agent", line, state) for line in lines)

    def interrupted(self, heard_ms: float) -> None:
        """Only so much of what is being played was heard; words are told by their share of the line's length."""
        kept = self.utterances[: len(self.utterances) - len(self._speaking)]
        for (line, length_ms), said in zip(self._speaking, self.utterances[len(kept) :], strict=True):
            if heard_ms >= length_ms:
                kept.append(said)
            elif heard_ms > 0:
                words = line.split()
                count = int(len(words) * heard_ms / length_ms)
                kept.append(Utterance("agent", " ".join(words[:count]), said.state, cut=True))
            heard_ms = max(0.0, heard_ms - length_ms)
        self.utterances, self._speaking = kept, []

    def finished(self) -> None:
        """All of it was heard."""
        self._speaking = []
