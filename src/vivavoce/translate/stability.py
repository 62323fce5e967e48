"""Which words of a hypothesis will not change any more.

Source: LocalAgreement-2 (Liu, Spanakis, Niehues, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation
by Partial Hypothesis Selection", 2020): what two successive hypotheses begin with alike is taken as settled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vivavoce.legs.values import Word
from vivavoce.text.phrases import spoken_form


class Agreement:
    """Compares each hypothesis with the one before; both hold only the words that are not settled yet.

    The newest word of a hypothesis is never settled, nor one that ends within `edge_ms` of the sound's end: that is
    where a recogniser guesses. One that ends `certain_ms` before the newest is settled without agreement: what follows
    it was heard, and a recogniser that wavers between two spellings would hold up the rest.
    """

    def __init__(self, *, edge_ms: float, certain_ms: float = math.inf) -> None:
        self._edge_ms = edge_ms
        self._certain_ms = certain_ms
        self._before: tuple[Word, ...] = ()

    def settled(self, words: Sequence[Word], *, heard_until_ms: float) -> tuple[Word, ...]:
        """The newly settled words of this hypothesis; they must be missing from the next one."""
        count = 0
        for now, before in zip(words[:-1], self._before, strict=False):
            if spoken_form(now.text) != spoken_form(before.text) or now.end_ms > heard_until_ms - self._edge_ms:
                break
            count += 1
        # Punctuation before words that are still open is as open as they are.
        while count and _punctuation(words[count - 1].text) != _punctuation(self._before[count - 1].text):
            count -= 1
        while count < len(words) - 1 and words[count].end_ms <= words[-1].end_ms - self._certain_ms:
            count += 1
        self._before = tuple(words[count:])
        return tuple(words[:count])

    def reset(self) -> None:
        self._before = ()


def _punctuation(text: str) -> str:
    return text[len(text.rstrip(".,;:!?…")) :]
