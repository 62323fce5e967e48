"""Where long speech may be cut, so that a part of it is translated while the speaker goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vivavoce.legs.values import Word
from vivavoce.text.phrases import CLAUSE_ENDS, SENTENCE_ENDS, Phrases, phrases, spoken_form
from vivavoce.translate.dub import MS_PER_CHARACTER

_NAME_PARTICLES = frozenset(
    {"of", "de", "da", "do", "dos", "das", "di", "del", "della", "du", "van", "von", "la", "le"}
)
_ABBREVIATIONS = frozenset({"mr", "mrs", "ms", "dr", "st", "no", "vs", "sr", "sra", "etc", "e.g", "i.e"})


@dataclass(frozen=True, slots=True)
class CutSettings:
    """How much dub a cut may set off.

    Nothing is cut while more than `hungry_ms` of dub is still to be heard: waiting costs the listener nothing then, and
    a longer clause is translated better. Nothing is cut that would keep the dub busy for more than `longest_ms`, or the
    `share` of the pending speech where that is more: should the speaker end now, the last words would wait behind it.
    After `anywhere_ms` of pending speech a cut needs no proof.
    """

    hungry_ms: float = 300.0
    longest_ms: float = 1100.0
    share: float = 0.3
    anywhere_ms: float = 8000.0
    min_words: int = 1

    def towards(self, other: CutSettings, share: float) -> CutSettings:
        """Settings between these (share 0) and others (1)."""

        def between(name: str) -> float:
            mine, theirs = float(getattr(self, name)), float(getattr(other, name))
            return mine + share * (theirs - mine)

        return CutSettings(
            hungry_ms=between("hungry_ms"),
            longest_ms=between("longest_ms"),
            share=between("share"),
            anywhere_ms=between("anywhere_ms"),
            min_words=round(between("min_words")),
        )


FLOW = CutSettings(hungry_ms=900.0, longest_ms=2500.0, share=1.0, anywhere_ms=1800.0, min_words=2)
"""For speech without end: to stay close behind the speaker matters more than a dub that could end at once."""


@dataclass(frozen=True, slots=True)
class Cut:
    """After how many settled words to cut. A `doubtful` one is good only where the translation of what stands before
    it is not changed by what follows."""

    count: int
    doubtful: bool


def cuts(
    settled: Sequence[Word], following: Sequence[Word], *, language: str, backlog_ms: float, settings: CutSettings
) -> list[Cut]:
    """Where the settled words may be cut now, best first; empty to wait.

    `settled` are the words since the last cut, `following` those after them that may still change, `backlog_ms` how
    much dub is still to be heard. The end of a sentence comes before other places, a later place before an earlier one;
    a number, a name or a negation is never cut apart.
    """
    if not settled or not following or backlog_ms > settings.hungry_ms:
        return []
    pending_ms = following[-1].end_ms - settled[0].start_ms
    longest_ms = max(settings.longest_ms, settings.share * pending_ms)
    table = phrases(language)
    words = [*settled, following[0]]
    sentences: list[Cut] = []
    others: list[Cut] = []
    voiced_ms = backlog_ms
    for count, (word, after) in enumerate(pairwise(words), start=1):
        voiced_ms += (len(word.text) + 1) * MS_PER_CHARACTER
        if voiced_ms > longest_ms:
            break
        if count < settings.min_words or not _separable(word.text, after.text, table):
            continue
        if _ends_sentence(word.text):
            sentences.insert(0, Cut(count, doubtful=False))
        else:
            others.insert(0, Cut(count, doubtful=pending_ms < settings.anywhere_ms))
    return [*sentences, *others]


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
