"""Words that decide where a phrase may end, by language: rows of `phrases.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SENTENCE_ENDS = (".", "!", "?", "…")
CLAUSE_ENDS = (",", ";", ":")


@dataclass(frozen=True, slots=True)
class Phrases:
    """`openers` may begin a phrase, `holds` never end one, `negations` and `numbers` stay with what follows."""

    openers: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()
    negations: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()


@cache
def phrases(language: str) -> Phrases:
    """The rows of a language (ISO 639-1); empty ones where it has none."""
    table = tomllib.loads((files("vivavoce.text") / "phrases.toml").read_text(encoding="utf-8"))
    return Phrases(**{name: frozenset(words) for name, words in table.get(language, {}).items()})


def spoken_form(text: str) -> str:
    """A word without case and surrounding punctuation, for comparing."""
    return text.casefold().strip(" .,;:!?…\"'“”‘’«»()[]-–—¿¡")


def spoken_words(text: str) -> list[str]:
    """The spoken forms of a text's words."""
    return [spoken_form(word) for word in text.split()]
