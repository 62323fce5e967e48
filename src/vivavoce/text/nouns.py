"""Whether what stands at a place of a text can be but a noun there, by the word before it: rows of `nouns.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from vivavoce.text.patterns import Token, tokens
from vivavoce.text.phrases import SENTENCE_ENDS
from vivavoce.text.plurals import irregulars

PUNCTUATION: Final = frozenset(".,;:!?…\"'“”«»()[]¡¿-—")
_OPENING: Final = frozenset("\"'“«([¡¿")
_BEFORE: Final = re.compile(r"(?<!\w)(\w+)(?:\s+|['’])$")
_ARTICLES: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the a an",
        "pt": "o a os as um uma",
        "gl": "o a os as un unha",
        "es": "el la los las un una",
        "fr": "le la les l un une des",
        "it": "il lo la l i gli le un uno una",
        "ca": "el la els les l un una",
    }.items()
}


@dataclass(frozen=True, slots=True)
class _Rows:
    singular: frozenset[str] = frozenset()
    plural: frozenset[str] = frozenset()
    either: frozenset[str] = frozenset()
    adjectives: frozenset[str] = frozenset()
    starts: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    verbal: frozenset[str] = frozenset()
    described: frozenset[str] = frozenset()


@cache
def _rows(language: str) -> _Rows:
    table = tomllib.loads((files("vivavoce.text") / "nouns.toml").read_text(encoding="utf-8"))
    return _Rows(**{name: frozenset(words.split()) for name, words in table.get(language, {}).items()})


def knows_nouns(language: str) -> bool:
    """Whether the table has a row for a language (ISO 639-1)."""
    return bool(_rows(language).either)


def is_noun(text: Sequence[Token], at: int, language: str, *, many: bool) -> bool:
    """Whether the word at `at` surely is a noun, or begins a phrase that is one, in the plural where it is `many`."""
    rows = _rows(language)
    mark, start = _word_before(text, at)
    if not mark:
        return False
    if mark in rows.starts and begins(text, start):
        return not many
    marks = rows.either | (rows.plural if many else rows.singular)
    if mark in marks:
        return not (mark in rows.objects and _word_before(text, start)[0] in rows.verbal)
    before = _word_before(text, start)[0]
    if mark in rows.adjectives:
        return before in marks
    # "a valid account", but "the prices account" and "the man accounts".
    return before in rows.described and not many and mark.isalpha() and not _may_be_plural(mark)


def begins(text: Sequence[Token], at: int) -> bool:
    """Whether a sentence begins with the word at `at`."""
    while at > 0 and text[at - 1].key in _OPENING:
        at -= 1
    return at == 0 or text[at - 1].key in SENTENCE_ENDS


def articles(language: str) -> frozenset[str]:
    """Articles of a language (ISO 639-1) without apostrophes."""
    return _ARTICLES.get(language, frozenset())


def bare(phrase: str, language: str) -> str:
    """A phrase without an article before it, and without punctuation around it."""
    found = tokens(phrase)
    while found and found[0].key in PUNCTUATION:
        found = found[1:]
    while found and found[-1].key in PUNCTUATION:
        found = found[:-1]
    if len(found) > 1 and found[0].key in articles(language):
        found = found[1 + (found[1].key == "'") :]
    return phrase[found[0].start : found[-1].end] if found else ""


def with_article(text: str, start: int, language: str) -> int:
    """Where a phrase begins that begins at `start`, with the article before it if it has one."""
    match = _BEFORE.search(text, 0, start)
    if match is not None and match[1].casefold() in articles(language):
        return match.start()
    return start


def _word_before(text: Sequence[Token], at: int) -> tuple[str, int]:
    """The word before `at`, with its apostrophe if it is elided, and where it stands; "" for none or a sign."""
    if at > 1 and text[at].touches and text[at - 1].key == "'" and text[at - 1].touches and not text[at - 2].sign:
        return text[at - 2].key + "'", at - 2
    if at == 0 or text[at - 1].sign or text[at].joined:
        return "", at
    return text[at - 1].key, at - 1


def _may_be_plural(word: str) -> bool:
    return (word.endswith("s") and not word.endswith("ss")) or word in irregulars("en")
