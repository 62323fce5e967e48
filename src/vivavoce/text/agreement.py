"""What a noun asks of the word before it: "a" or "an", "le" or "l'", "del" or "de la", by `agreement.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_VOWELS: Final = frozenset("aeiouàáâãäèéêëìíîïòóôõöùúûüœæ")
_SOUNDS_OF_YOU: Final = re.compile(r"(?:eu|uni(?!m|nt|nf|nv)|us[aeu]|ut[ei]|one\b|once\b)", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class _Rules:
    feminine: re.Pattern[str] | None = None
    masculine: re.Pattern[str] | None = None
    genders: tuple[tuple[str, str], ...] = ()
    vowels: tuple[tuple[str, str], ...] = ()


@cache
def _rules(language: str) -> _Rules:
    table = tomllib.loads((files("vivavoce.text") / "agreement.toml").read_text(encoding="utf-8")).get(language, {})
    ends = {name: re.compile(f"{table[name]}$") if name in table else None for name in ("feminine", "masculine")}
    pairs = {name: tuple((first, second) for first, second in table.get(name, ())) for name in ("genders", "vowels")}
    return _Rules(**ends, **pairs)  # type: ignore[arg-type]


def is_feminine(noun: str, language: str) -> bool | None:
    """By the end of a noun phrase's first word; None where that does not tell."""
    rules, word = _rules(language), _WORD.match(noun)
    if word is None or not word[0].islower():
        return None
    for pattern, feminine in ((rules.feminine, True), (rules.masculine, False)):
        if pattern is not None and pattern.search(word[0]):
            return feminine
    return None


def agreeing(before: str, noun: str, language: str) -> str:
    """`before`, which ends where `noun` begins, with its last word as it is written before that noun."""
    rules = _rules(language)
    feminine = is_feminine(noun, language)
    if feminine is not None:
        # An elided article comes back in full, to be elided again below where the noun asks for it.
        whole = (
            _exchanged(before, ((vowel, plain) for plain, vowel in _first_of(rules.vowels)))
            if "'" in before[-2:]
            else before
        )
        before = _exchanged(whole, rules.genders if feminine else ((f, m) for m, f in _first_of(rules.genders)))
    if noun and rules.vowels:
        pairs = rules.vowels if _begins_with_vowel(noun, language) else [(v, p) for p, v in _first_of(rules.vowels)]
        before = _exchanged(before, pairs)
    return before


def _first_of(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without pairs whose second is another's: the way back goes to the first."""
    seen: dict[str, tuple[str, str]] = {}
    for first, second in pairs:
        seen.setdefault(second, (first, second))
    return list(seen.values())


def _exchanged(before: str, pairs: Iterable[tuple[str, str]]) -> str:
    """`before` with its last word, the first of a pair, become the second; the longest that fits."""
    plain = before.replace("’", "'")
    for said, other in sorted(pairs, key=lambda pair: -len(pair[0])):
        ending = said if said.endswith("'") else f"{said} "
        if plain.casefold().endswith(ending) and not plain[: len(plain) - len(ending)][-1:].isalpha():
            start = len(before) - len(ending)
            written = other[0].upper() + other[1:] if before[start].isupper() else other
            return before[:start] + written + ("" if other.endswith("'") else " ")
    return before


def _begins_with_vowel(word: str, language: str) -> bool:
    return word[0].casefold() in _VOWELS and not (language == "en" and _SOUNDS_OF_YOU.match(word))
