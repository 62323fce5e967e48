"""Whether terms are rendered as they were to be, and always in the same way.

An occurrence is a hit where its clause's translation has the glossary's rendering, in whatever inflection; each
occurrence needs one of its own. What a miss was rendered as nobody knows without aligning words, so for consistency no
two misses are alike: it says how far a listener hears one word for one term. Of the terminology task of WMT
(https://aclanthology.org/2023.wmt-1.54) are both figures, and the control by words drawn at random: what they gain from
being locked says nothing of terms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vivavoce.text.terms import Locked, terms_of


@dataclass(slots=True)
class TermScore:
    """Occurrences of terms in sources and how many were rendered right; `by_term` has (hits, occurrences)."""

    occurrences: int = 0
    hits: int = 0
    by_term: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, found: Iterable[Locked], missing: Iterable[Locked]) -> None:
        """One clause's occurrences, and those of them whose rendering is not there."""
        there, lost = Counter(each.term for each in found), Counter(each.term for each in missing)
        for term, count in there.items():
            hits, occurrences = self.by_term.get(term, (0, 0))
            self.by_term[term] = hits + count - lost[term], occurrences + count
        self.occurrences += there.total()
        self.hits += there.total() - lost.total()


def term_score(
    clauses: Iterable[tuple[str, str]], glossary: Mapping[str, str], *, source: str, target: str
) -> TermScore:
    """Score (text, translation) of clauses. What is new of a glossary takes seconds at first, for its inflections."""
    score = TermScore()
    if not glossary:
        return score
    terms = terms_of(glossary, source, target)
    for text, translation in clauses:
        found = terms.find(text)
        score.add(found, terms.missing(found, translation))
    return score


def same_way(by_term: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """Of the occurrences of terms that occur more than once: how many have their term's most frequent rendering, and
    how many they are. Hits of a term are one rendering, each miss another."""
    several = [(hits, occurrences) for hits, occurrences in by_term.values() if occurrences > 1]
    return sum(max(hits, 1) for hits, _ in several), sum(occurrences for _, occurrences in several)
