"""What a hypothesis says after words that are settled already, where it may repeat them otherwise timed or spelled."""

from __future__ import annotations

from collections.abc import Sequence

from vivavoce.legs.values import Word
from vivavoce.text.phrases import spoken_form

_WINDOW = 12
"""Settled words that a hypothesis is compared with: a replay begins at most 1.5 s before the last of them."""
_NEAR_MS = 500.0
"""Recognisers disagree by less about when a word was said."""


def following(words: Sequence[Word], settled: Sequence[Word]) -> tuple[Word, ...]:
    """The words after the settled ones, both in the order of their time and from the same sound on.

    By text and time: a word may stand for a settled one where both are spelled alike and lie within 500 ms, the rather
    the nearer; of all ways to pair them in order the one with the most of that counts, so that a word which the speaker
    repeats stays repeated. What follows the last pair is new, but for what lies within settled words that were heard
    otherwise. Without any pair time alone decides.
    """
    if not settled:
        return tuple(words)
    tail = settled[-_WINDOW:]
    paired, of = _last_pair(words, tail)
    start = paired + 1
    if of < len(tail) - 1:
        while start < len(words) and _middle(words[start]) < settled[-1].end_ms:
            start += 1
    return tuple(words[start:])


def _last_pair(words: Sequence[Word], tail: Sequence[Word]) -> tuple[int, int]:
    """The last pair (index in words, index in tail) of the best pairing, (-1, -1) without any."""
    texts = [spoken_form(word.text) for word in tail]
    # row[t]: the worth and the last pair of the best pairing of the words so far with the first t of the tail.
    row = [(0.0, (-1, -1))] * (len(tail) + 1)
    for w, word in enumerate(words):
        if word.start_ms > tail[-1].end_ms + _NEAR_MS:
            break
        text, above = spoken_form(word.text), row
        row = row[:1]
        for t, other in enumerate(tail):
            best = max(above[t + 1], row[t], key=lambda way: way[0])
            nearness = 1.0 - abs(_middle(word) - _middle(other)) / _NEAR_MS
            if text == texts[t] and nearness > 0 and above[t][0] + nearness > best[0]:
                best = (above[t][0] + nearness, (w, t))
            row.append(best)
    return row[-1][1]


def _middle(word: Word) -> float:
    return (word.start_ms + word.end_ms) / 2
