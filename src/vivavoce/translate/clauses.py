"""Where long speech may be cut, so that a part of it is translated while the speaker goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vivavoce.legs.values import Word
from vivavoce.text.phrases import CLAUSE_ENDS, SENTENCE_ENDS, Phrases, phrases, spoken_form

_MS_PER_CHARACTER = 58.0
_NAME_PARTICLES = frozenset(
    {"of", "de", "da", "do", "dos", "das", "di", "del", "della", "du", "van", "von", "la", "le"}
)
_ABBREVIATIONS = frozenset({"mr", "mrs", "ms", "dr", "st", "no", "vs", "sr", "sra", "etc", "e.g", "i.e"})


@dataclass(frozen=True, slots=True)
class CutSettings:
    """How much speech must be pending, in ms, before each kind of boundary is good enough to cut at.

    Nothing is cut while more than `hungry_ms` of dub is still to be heard: waiting costs the listener nothing then,
    and a longer clause is translated better. `patience_ms` of pending speech ends that wait. What would keep the dub
    busy for more than `longest_ms` is cut only after `overlong_ms`: should the speaker end now, the last words would
    wait behind it.
    """

    sentence_ms: float = 900.0
    clause_ms: float = 1400.0
    phrase_ms: float = 1800.0
    anywhere_ms: float = 6500.0
    hungry_ms: float = 700.0
    longest_ms: float = 2000.0
    overlong_ms: float = 9000.0
    patience_ms: float = 9500.0
    min_words: int = 4


FLOW = CutSettings(
    sentence_ms=400.0,
    clause_ms=700.0,
    phrase_ms=1000.0,
    anywhere_ms=2000.0,
    hungry_ms=2000.0,
    longest_ms=3500.0,
    overlong_ms=1800.0,
    patience_ms=9500.0,
    min_words=3,
)
"""For speech without end: to stay close behind the speaker matters more than whole clauses."""


def cut(
    settled: Sequence[Word], following: Sequence[Word], *, language: str, backlog_ms: float, settings: CutSettings
) -> int:
    """How many of the settled words to send off now; 0 to wait.

    `settled` are the words since the last cut, `following` those after them that may still change, `backlog_ms` how
    much dub is still to be heard. The strongest boundary wins, among equals the latest; a number, a name or a negation
    is never cut apart.
    """
    if not settled or not following:
        return 0
    pending_ms = following[-1].end_ms - settled[0].start_ms
    if backlog_ms > settings.hungry_ms and pending_ms < settings.patience_ms:
        return 0
    table = phrases(language)
    words = [*settled, following[0]]
    best, best_needed_ms = 0, float("inf")
    for count in range(settings.min_words, len(settled) + 1):
        needed_ms = _needed_ms(words[count - 1].text, words[count].text, table, settings)
        if backlog_ms + _voiced_ms(words[:count]) > settings.longest_ms:
            needed_ms = max(needed_ms, settings.overlong_ms)
        if pending_ms >= needed_ms and needed_ms <= best_needed_ms:
            best, best_needed_ms = count, needed_ms
    return best


def _voiced_ms(words: Sequence[Word]) -> float:
    return sum(len(word.text) + 1 for word in words) * _MS_PER_CHARACTER


def _needed_ms(last: str, after: str, table: Phrases, settings: CutSettings) -> float:
    if not _separable(last, after, table):
        return float("inf")
    if _ends_sentence(last):
        return settings.sentence_ms
    if last.endswith(CLAUSE_ENDS):
        return settings.clause_ms
    return settings.phrase_ms if spoken_form(after) in table.openers else settings.anywhere_ms


def _separable(last: str, after: str, table: Phrases) -> bool:
    bare, following = spoken_form(last), spoken_form(after)
    if _ends_sentence(last) and not bare[-1:].isdigit():
        return True
    if bare in table.holds or bare in table.negations or bare.endswith("n't"):
        return False
    if last.endswith(CLAUSE_ENDS):
        return not (_numeric(bare, table) and _numeric(following, table))
    # A number belongs to what it counts, a verb to its negation ("ne sait pas"), a capital to the name it begins.
    names = [word[:1].isupper() or bare in _NAME_PARTICLES for word, bare in ((last, bare), (after, following))]
    named = all(names) and (last[:1].isupper() or after[:1].isupper())
    return not _numeric(bare, table) and following not in table.negations and not named


def _ends_sentence(word: str) -> bool:
    """Whether its full stop is one: not that of an abbreviation ("Dr.", "p.m.") or an initial."""
    bare = spoken_form(word)
    return word.endswith(SENTENCE_ENDS) and bare not in _ABBREVIATIONS and "." not in bare and len(bare) != 1


def _numeric(word: str, table: Phrases) -> bool:
    parts = (word, *word.split("-"))
    return any(c.isdigit() for c in word) or not table.numbers.isdisjoint(parts) or word in {"%", "×", "="}
