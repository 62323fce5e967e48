"""What a translation adds to words that were spoken already.

A clause translated alone reads unlike the same clause in its sentence. So the sentence is translated again as it
grows, and what follows the words that were spoken is the new clause.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from vivavoce.text.phrases import spoken_words

_ALIKE = 0.6


def continuation(spoken: str, whole: str) -> str | None:
    """The part of `whole` after what corresponds to `spoken`; None where the two do not correspond.

    They do when most spoken words stand in the same order at the beginning and the last of them is among these.
    """
    before, after = spoken_words(spoken), spoken_words(whole)
    words = whole.split()
    if not before or len(after) <= len(before) // 2:
        return None
    blocks = [b for b in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks() if b.size]
    if not blocks or sum(b.size for b in blocks) < _ALIKE * len(before):
        return None
    last = blocks[-1]
    if last.a + last.size < len(before) or _jumps(blocks[-1].b + last.size, before):
        return None
    rest = " ".join(words[last.b + last.size :])
    return rest or None


def _jumps(end: int, before: Sequence[str]) -> bool:
    """Whether the last spoken word was found far from where it should stand: a chance match."""
    return abs(end - len(before)) > max(2, len(before) // 3)
