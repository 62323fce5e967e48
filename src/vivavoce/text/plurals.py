"""Plurals of nouns and noun phrases, by the rules of `plurals.toml`; a language without rules has none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

_MOST_OF_A_NOUN: Final = 12
"""Forms of a noun, diminutives among them: with more it is a verb, of which the dictionaries have 36 to 62."""
_INVARIABLE: Final = re.compile(r"\d|[&/+_@]|^[^a-z]{2,}$|^.$")
"""No plural by rules: what has figures or signs, acronyms, and single letters."""


@dataclass(frozen=True, slots=True)
class _Rules:
    links: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    irregular: Mapping[str, list[str]] = field(default_factory=dict)
    endings: Mapping[str, list[str]] = field(default_factory=dict)

    def of(self, word: str) -> list[str]:
        if (own := self.irregular.get(word.casefold())) is not None:
            return own
        ending = next((word[at:] for at in range(len(word) + 1) if word[at:].casefold() in self.endings), None)
        if ending is None:
            return [word]
        made = [word[: len(word) - len(ending)] + plural for plural in self.endings[ending.casefold()]]
        return [plural for plural in made if plural.casefold() not in self.others]

    def links_on(self, word: str) -> bool:
        bare = word.casefold()
        return bare in self.links or (bare[:2] in self.links and bare[1:2] in ("'", "’"))


@cache
def _rules(language: str) -> _Rules:
    table = tomllib.loads((files("vivavoce.text") / "plurals.toml").read_text(encoding="utf-8"))
    row = table.get(language, {})
    lists = {name: tuple(row.get(name, ())) for name in ("links", "verbs", "others")}
    return _Rules(**lists, irregular=row.get("irregular", {}), endings=row.get("endings", {}))


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
    if not all(ways.values()):
        return ()
    return tuple(
        " ".join(ways[at][min(which, len(ways[at]) - 1)] if at in ways else word for at, word in enumerate(words))
        for which in range(max(map(len, ways.values())))
    )


def plural(phrase: str, language: str, known: Collection[str] = ()) -> str | None:
    """The likeliest plural of a noun phrase; None for a verb.

    `known` are the forms of its first word, itself among them: where it has others, the plural of a single word is one
    of these.
    """
    found, words = plurals(phrase, language), phrase.split()
    if not found or len(known) > _MOST_OF_A_NOUN:
        return None
    if len(known) <= 1:
        return None if words[0].casefold().endswith(_rules(language).verbs) else found[0]
    return found[0] if len(words) > 1 else next((form for form in found if form.casefold() in known), None)


def looks_plural(phrase: str, language: str) -> bool:
    """Whether a noun phrase ends as plurals of its language do, where these end in s."""
    rules, words = _rules(language), phrase.split()
    word = words[0 if rules.links else -1].casefold() if words else ""
    regular = rules.endings.get("", [])
    return any(ending.endswith("s") for ending in regular) and word.endswith("s") and not word.endswith("ss")


def irregulars(language: str) -> frozenset[str]:
    """The plurals of a language that no ending shows."""
    return frozenset(form for forms in _rules(language).irregular.values() for form in forms)


def has_plurals(language: str) -> bool:
    """Whether there are rules for a language (ISO 639-1)."""
    return bool(_rules(language).endings)
