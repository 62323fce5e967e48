"""Which words of a clip stand against its glossary terms: drawn by a seed, so that nobody chose them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from vivavoce.evals.clip_set import occurs
from vivavoce.text.phrases import phrases, spoken_words

_SHORTEST = 4


def draw(transcript: str, *, language: str, terms: Iterable[str], seed: str) -> list[str]:
    """The content words of a transcript in the order of the draw.

    Content words have at least four letters, are no number, no function word of the language (`text/phrases.toml`)
    and no part of a term. The draw orders them by the SHA-256 of "seed:word"; the first of them that the reference
    renders, as many as the terms occur, are a clip's `control`, and those before that it does not are `passed_over`.
    """
    table = phrases(language)
    taken = {word for term in terms for word in spoken_words(term)}
    function = table.openers | table.holds | table.negations | table.numbers
    content = {
        word
        for word in spoken_words(transcript)
        if len(word) >= _SHORTEST and word.isalpha() and word not in function and word not in taken
    }
    return sorted(content, key=lambda word: hashlib.sha256(f"{seed}:{word}".encode()).digest())


def wanted(transcript: str, terms: Iterable[str]) -> int:
    """How many control words a clip should have: as many as its terms occur."""
    return sum(occurs(term, transcript) for term in terms)
