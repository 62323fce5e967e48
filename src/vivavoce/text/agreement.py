"""What a noun asks of the word before it: "a" or "an", "le" or "l'", "del" or "de la", by `agreement.toml`.

A word is changed only to what the noun surely asks for.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+")
_MASCULINE, _FEMININE, _VOWEL, _IMPURE = 0, 1, 2, 4
"""Columns of a row of words; before a vowel the feminine has the next one."""


@dataclass(frozen=True, slots=True)
class _Rules:
    rows: tuple[tuple[str, ...], ...]
    genders: tuple[tuple[re.Pattern[str], bool], ...]
    known: dict[str, bool | None]
    vowel: re.Pattern[str] | None
    impure: re.Pattern[str] | None
    unsure: re.Pattern[str] | None
    prepositions: frozenset[str]

    def starts(self, noun: str) -> int | None:
        """The column of how a noun begins; None where that is not sure."""
        for pattern, column in ((self.unsure, None), (self.impure, _IMPURE), (self.vowel, _VOWEL)):
            if pattern is not None and pattern.match(noun):
                return column
        return _MASCULINE


@cache
def _rules(language: str) -> _Rules | None:
    table = tomllib.loads((files("vivavoce.text") / "agreement.toml").read_text(encoding="utf-8"))
    if (row := table.get(language)) is None:
        return None
    starts = {
        name: re.compile(row[name], re.IGNORECASE) if name in row else None for name in ("vowel", "impure", "unsure")
    }
    lists = (("feminine_words", True), ("masculine_words", False), ("unknown", None))
    return _Rules(
        rows=tuple(_whole(words) for words in row["words"]),
        genders=tuple(
            (re.compile(f"{row[name]}$"), feminine)
            for name, feminine in (("feminine", True), ("masculine", False))
            if name in row
        ),
        known={word: gender for name, gender in lists for word in row.get(name, "").split()},
        vowel=starts["vowel"],
        impure=starts["impure"],
        unsure=starts["unsure"],
        prepositions=frozenset(row.get("prepositions", ())),
    )


def _whole(words: list[str]) -> tuple[str, ...]:
    """Masculine and feminine, both before a vowel, and both before an impure beginning."""
    plain = words[:2]
    vowel = words[2:4] or plain
    return (*plain, *vowel, *(words[4:5] or plain[:1]), plain[1])


def is_feminine(noun: str, language: str) -> bool | None:
    """By a noun phrase's first word; None where that does not tell almost surely, as with names and compounds."""
    rules, match = _rules(language), _WORD.match(noun)
    if rules is None or match is None or not match[0].islower() or noun[match.end() :].startswith("-"):
        return None
    word = match[0]
    for key in (word, word.removesuffix("s")):
        if key in rules.known:
            return rules.known[key]
    return next((feminine for pattern, feminine in rules.genders if pattern.search(word)), None)


def agreeing(before: str, noun: str, language: str, *, article: bool = False) -> str | None:
    """`before`, which ends where `noun` begins, with its last word as it is written before that noun.

    None where that word cannot be left as it is and nobody knows what it becomes. `article` says that it is one for
    sure, where it might be a preposition.
    """
    rules = _rules(language)
    if rules is None or not noun:
        return before
    said, rows = _last_of(before, rules)
    if not said:
        return before
    feminine, start = is_feminine(noun, language), rules.starts(noun)
    if feminine is False and said in rules.prepositions and not article:
        return None
    if start is None:
        return before
    wanted = set()
    for row in rows:
        told = {column % 2 for column, form in enumerate(row) if form == said}
        wanted |= {row[start + gender] for gender in (told if feminine is None else {int(feminine)})}
    if said in wanted and (feminine is None or len(wanted) == 1):
        return before
    return _with_last(before, said, wanted.pop()) if len(wanted) == 1 else None


def _last_of(before: str, rules: _Rules) -> tuple[str, list[tuple[str, ...]]]:
    """The longest form that `before` ends with, and the rows that have it."""
    plain = before.replace("’", "'").casefold()
    found = ""
    for row in rules.rows:
        for form in row:
            ending = form if form.endswith("'") else f"{form} "
            alone = not plain[: len(plain) - len(ending)][-1:].isalpha()
            if len(form) > len(found) and plain.endswith(ending) and alone:
                found = form
    return found, [row for row in rules.rows if found in row]


def _with_last(before: str, said: str, other: str) -> str:
    start = len(before) - len(said) - (not said.endswith("'"))
    written = other[0].upper() + other[1:] if before[start].isupper() else other
    return before[:start] + written + ("" if other.endswith("'") else " ")
