"""What was said on both sides, as it was heard: of a line that was interrupted, the part that came out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

USUAL_WORD_MS = 330.0
"""Of speech: how long a line will be that is not made to its end yet."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """`cut` tells that it was interrupted; `text` is what was heard of it."""

    who: Literal["agent", "caller"]
    text: str
    state: str
    cut: bool = False


@dataclass(slots=True)
class _Playing:
    at: int
    length_ms: float = 0.0
    whole: bool = False


@dataclass(slots=True)
class History:
    """The conversation so far."""

    utterances: list[Utterance] = field(default_factory=list)
    _playing: list[_Playing] = field(default_factory=list)

    def caller_said(self, text: str, state: str) -> None:
        self.utterances.append(Utterance("caller", text, state))

    def caller_goes_on(self) -> None:
        """What the caller said last was not all of it: it comes again, as a whole."""
        last = max(n for n, one in enumerate(self.utterances) if one.who == "caller")
        del self.utterances[last]

    @property
    def cut(self) -> bool:
        """Whether the agent's last line was interrupted."""
        return next((one.cut for one in reversed(self.utterances) if one.who == "agent"), False)

    @property
    def playing_ms(self) -> float:
        """The length of what is being played, as far as it is made."""
        return sum(one.length_ms for one in self._playing)

    def agent_begins(self, text: str, state: str) -> None:
        """A line is played from now on, after those before it."""
        self.line_is_whole()
        self._playing.append(_Playing(len(self.utterances)))
        self.utterances.append(Utterance("agent", text, state))

    def agent_plays(self, ms: float) -> None:
        """So much more of the line."""
        self._playing[-1].length_ms += ms

    def line_is_whole(self) -> None:
        if self._playing:
            self._playing[-1].whole = True

    def interrupted(self, heard_ms: float) -> None:
        """Only so much of what is being played was heard; words are told by their share of the line's length."""
        for one in self._playing:
            said = self.utterances[one.at]
            words = said.text.split()
            length_ms = one.length_ms if one.whole else max(one.length_ms, USUAL_WORD_MS * len(words))
            if heard_ms < length_ms:
                count = int(len(words) * max(0.0, heard_ms) / length_ms)
                self.utterances[one.at] = replace(said, text=" ".join(words[:count]), cut=True)
            heard_ms -= length_ms
        self.utterances = [one for one in self.utterances if one.text]
        self._playing = []

    def finished(self) -> None:
        """All of it was heard."""
        self._playing = []
