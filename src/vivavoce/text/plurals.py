"""Plurals of nouns and noun phrases, by the rules of `plurals.toml`; a language without rules has none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

_INVARIABLE: Final = re.compile(r"\d|[&/+_@]|^[^a-z]{2,}$|^.$")
"""No plural by rules: what has figures or signs, acronyms, and single letters."""


@dataclass(frozen=True, slots=True)
class _Rules:
    links: tuple[str, ...] = ()
    endings: Mapping[str, list[str]] = field(default_factory=dict)

    def of(self, word: str) -> list[str]:
        ending = next((word[at:] for at in range(len(word) + 1) if word[at:].casefold() in self.endings), None)
        if ending is None:
            return [word]
        return [word[: len(word) - len(ending)] + plural for plural in self.endings[ending.casefold()]]

    def links_on(self, word: str) -> bool:
        bare = word.casefold()
        return bare in self.links or (bare[:2] in self.links and bare[1:2] in ("'", "’"))


@cache
def _rules(language: str) -> _Rules:
    table = tomllib.loads((files("vivavoce.text") / "plurals.toml").read_text(encoding="utf-8"))
    return _Rules(**table[language]) if language in table else _Rules()


def plurals(phrase: str, language: str) -> tuple[str, ...]:
    """What the plural of a noun phrase may be, likeliest first. Empty where the language has no rules."""
    rules, words = _rules(language), phrase.split()
    if not rules.endings or not words:
        return ()
    if rules.links:
        until = next((at for at, word in enumerate(words) if rules.links_on(word)), len(words))
        agreeing = range(until)
    else:
        agreeing = range(len(words) - 1, len(words))
    if not agreeing or any(_INVARIABLE.search(words[at]) for at in agreeing):
        return ()
    ways = {at: rules.of(words[at]) for at in agreeing}
    return tuple(
        " ".join(ways[at][min(which, len(ways[at]) - 1)] if at in ways else word for at, word in enumerate(words))
        for which in range(max(map(len, ways.values())))
    )


def plural(phrase: str, language: str, known: Collection[str] = ()) -> str | None:
    """The likeliest plural of a noun phrase; where forms of it are `known`, besides itself, it is one of these."""
    found = plurals(phrase, language)
    if len(known) > 1:
        return next((form for form in found if form.casefold() in known), None)
    return found[0] if found else None
