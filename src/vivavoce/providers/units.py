"""A clause in units, for engines that give no sound before a text is finished.

The first unit is short, so that something can be heard soon; the next ones grow, each spoken while the one before it
is heard, because long units sound better and cost less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BREAKS = (".", "!", "?", "…", ";", ":", ",")
_HOLDS = frozenset(
    "a o as os um uma de do da dos das em no na nos nas para por com e ou que se ao à seu sua "
    "the an of to in on at by for with and or but that is are your my his her its our their "
    "el la los las un una del al en y le lo su "
    "les des du au aux et ou une dans sur pour par avec ne "
    "il gli i di della dei nel nella per con "
    "els dels als amb".split()
)


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """Words of the first unit, and how many times as long each next one may be."""

    first_words: int = 2
    growth: float = 2.0
    most_words: int = 16


def units(text: str, plan: UnitPlan) -> list[str]:
    """Cut a text into units; joined by spaces they are the text again.

    A unit ends at punctuation where one is near, not after an article or preposition, never inside a number, and none
    is a lone word unless the text is.
    """
    words = text.split()
    found: list[str] = []
    wanted = float(plan.first_words)
    at = 0
    while at < len(words):
        count = _length(words[at:], round(wanted), plan.most_words)
        found.append(" ".join(words[at : at + count]))
        at += count
        wanted = min(plan.most_words, max(wanted, count) * plan.growth)
    return found


def _length(words: list[str], wanted: int, most: int) -> int:
    if len(words) <= wanted + 1:
        return len(words)
    for count in range(wanted, max(1, wanted // 2) - 1, -1):
        if words[count - 1].endswith(_BREAKS) and count > 1:
            return count
    for count in range(wanted + 1, min(most, wanted + wanted // 2) + 1):
        if count < len(words) and words[count - 1].endswith(_BREAKS):
            return count
    count = wanted
    while count < min(len(words) - 1, most) and not _may_end(words[count - 1], words[count]):
        count += 1
    return len(words) if count == len(words) - 1 else count


def _may_end(last: str, after: str) -> bool:
    bare = last.casefold().strip("\"'«»“”¿¡(")
    joined = bool(re.search(r"\d$", last)) and bool(re.match(r"[\d%€$]", after))
    return bare not in _HOLDS and not joined
