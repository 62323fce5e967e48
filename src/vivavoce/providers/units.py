"""A clause in units, for engines that give no sound before a text is finished.

The first unit is short, so that something can be heard soon; the next ones grow, each spoken while the one before it
is heard, because long units sound better and cost less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from vivavoce.text.phrases import CLAUSE_ENDS, SENTENCE_ENDS, phrases, spoken_form

_ENOUGH_CHARACTERS = 5
_MS_PER_WORD = 300.0
"""About how long a word takes to be made while recognition has the cores too: 100 to 150 ms in quiet."""
_ENDS = (*SENTENCE_ENDS, *CLAUSE_ENDS)


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """Words of the first unit, and how many times as long each next one may be.

    Each unit costs 0.2 s of sound over the 54 ms of each of its characters, because its ends are spoken out.
    A first unit has no more than `first_characters` where that can be, even if it ends at an article: its length is
    what the listener waits for.
    """

    first_words: int = 2
    first_characters: int = 14
    growth: float = 2.5
    most_words: int = 16

    def after(self, lead_ms: float) -> UnitPlan:
        """The plan for a text whose first unit has `lead_ms` more time to be made than one that is waited for."""
        words = min(self.most_words, self.first_words + int(lead_ms / _MS_PER_WORD))
        return replace(self, first_words=words, first_characters=self.first_characters * words // self.first_words)


def units(text: str, plan: UnitPlan, *, language: str) -> list[str]:
    """Cut a text into units; joined by spaces they are the text again.

    A unit ends at punctuation where one is near, not inside digits, none after the first is a lone word, and only the
    first may end after an article or preposition. One of more than `most_words` is cut all the same.
    """
    words = text.split()
    found: list[str] = []
    wanted = float(plan.first_words)
    holds = phrases(language).holds
    at = 0
    while at < len(words):
        first = None if at else _first(words, plan, holds)
        count = first or _length(words[at:], round(wanted), plan.most_words, holds)
        found.append(" ".join(words[at : at + count]))
        at += count
        wanted = min(plan.most_words, max(wanted, count) * plan.growth)
    return found


def _first(words: list[str], plan: UnitPlan, holds: frozenset[str]) -> int | None:
    """The most words that make a short first unit, one that ends well where there is such; None where none is short."""
    if len(words) <= 2:
        return len(words)
    whole = len(" ".join(words))
    if whole <= plan.first_characters or (
        len(words) <= plan.first_words + 1 and whole <= plan.first_characters * 3 // 2
    ):
        return len(words)
    for well in (True, False):
        for count in range(min(plan.first_words, len(words) - 2), 0, -1):
            last, after = words[count - 1], words[count]
            if len(" ".join(words[:count])) > plan.first_characters or _within_number(last, after):
                continue
            alone = count == 1 and len(last) < _ENOUGH_CHARACTERS and not last.endswith(_ENDS)
            if not well or (_may_end(last, after, holds) and not alone):
                return count
    return 1 if len(words[0]) >= _ENOUGH_CHARACTERS and _may_end(words[0], words[1], holds) else None


def _length(words: list[str], wanted: int, most: int, holds: frozenset[str]) -> int:
    if len(words) <= wanted + 1:
        return len(words)
    for count in range(wanted, max(1, wanted // 2) - 1, -1):
        if words[count - 1].endswith(_ENDS) and count > 1:
            return count
    for count in range(wanted + 1, min(most, wanted + wanted // 2) + 1):
        if count < len(words) - 1 and words[count - 1].endswith(_ENDS):
            return count
    count = wanted
    while count < min(len(words) - 1, most) and not _may_end(words[count - 1], words[count], holds):
        count += 1
    return len(words) if count == len(words) - 1 else count


def _may_end(last: str, after: str, holds: frozenset[str]) -> bool:
    return spoken_form(last) not in holds and not _within_number(last, after)


def _within_number(last: str, after: str) -> bool:
    return bool(re.search(r"\d$", last)) and bool(re.match(r"[\d%€$]", after))
