"""How many locked terms are rendered as they were to be, beside words that were drawn at random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vivavoce.contract.stats import Floats, sums_interval
from vivavoce.evals.glossary_score import TermScore, same_way, term_score
from vivavoce.gate.estimates import Count, Rendered, chrf_cost, rate
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import ClauseRun, ClipRun, MtAlone
from vivavoce.text.lemmas import forms_of
from vivavoce.text.terms import tokens

_OCCURRENCES = "occurrences"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A glossary of a clip and the clauses in which it is to hold."""

    clip: str
    pair: str
    glossary: Mapping[str, str]
    clauses: Sequence[ClauseRun]


def glossary_metrics(clips: Sequence[ClipRun]) -> list[Metric]:
    """Of the whole path: the terms that were recognised; control words were not locked there."""
    locked = [_Asked(clip.id, clip.pair, clip.terms, clip.clauses) for clip in clips]
    control = [_Asked(clip.id, clip.pair, clip.control, clip.clauses) for clip in clips]
    return _metrics("", locked, control)


def glossary_metrics_alone(clips: Sequence[MtAlone]) -> list[Metric]:
    """Of translation alone: control words were locked as well, in a translation of their own."""
    locked = [_Asked(clip.id, clip.pair, clip.terms, clip.locked) for clip in clips]
    control = [_Asked(clip.id, clip.pair, clip.control, clip.controlled) for clip in clips]
    unaided = [
        Count(clip.id, clause.terms - clause.rescued - clause.missed, clause.terms)
        for clip in clips
        for clause in clip.locked
    ]
    cost = [
        (
            Rendered(clip.id, clip.reference_translation, _text(clip.sentences)),
            Rendered(clip.id, clip.reference_translation, _text(clip.locked)),
        )
        for clip in clips
        if clip.terms and clip.locked
    ]
    return [
        *_metrics("mt.", locked, control),
        rate("mt.glossary.unaided", unaided, what=_OCCURRENCES, owner="mt", better="higher"),
        chrf_cost("mt.glossary.chrf_cost", cost, owner="mt"),
    ]


def _metrics(prefix: str, locked: Sequence[_Asked], control: Sequence[_Asked]) -> list[Metric]:
    _read_forms([*locked, *control])
    scores = [(asked, _score(asked)) for asked in locked]
    at_random = [(asked, _score(asked)) for asked in control]

    def success(name: str, scored: Iterable[tuple[_Asked, TermScore]]) -> Metric:
        counts = [Count(asked.clip, score.hits, score.occurrences) for asked, score in scored]
        return rate(f"{prefix}glossary.{name}", counts, what=_OCCURRENCES, owner="mt", better="higher")

    return [success("success", scores), success("control", at_random), _consistency(prefix, scores)]


def _score(asked: _Asked) -> TermScore:
    source, _, target = asked.pair.partition("-")
    clauses = [(clause.text, clause.translation) for clause in asked.clauses]
    return term_score(clauses, asked.glossary, source=source, target=target)


def _read_forms(asked: Iterable[_Asked]) -> None:
    """Look up all words of a language at once: its dictionary is read again for every word that is new."""
    words: dict[str, set[str]] = {}
    for each in asked:
        source, _, target = each.pair.partition("-")
        for language, phrases in ((source, each.glossary.keys()), (target, each.glossary.values())):
            words.setdefault(language, set()).update(token.key for phrase in phrases for token in tokens(phrase))
    for language, wanted in words.items():
        if wanted:
            forms_of(wanted, language)


def _consistency(prefix: str, scored: Sequence[tuple[_Asked, TermScore]]) -> Metric:
    """Over the terms of each pair; its bootstrap draws clips and counts the terms anew."""
    names = sorted({(asked.pair, term) for asked, score in scored for term in score.by_term})
    column = {name: at for at, name in enumerate(names)}
    rows = np.zeros((len(scored), 2, len(names)))
    for row, (asked, score) in zip(rows, scored, strict=True):
        for term, (hits, occurrences) in score.by_term.items():
            row[:, column[asked.pair, term]] += hits, occurrences
    sums = dict(zip(names, (tuple(int(value) for value in pair) for pair in rows.sum(axis=0).T), strict=True))
    same, several = same_way({f"{pair} {term}": (hits, of) for (pair, term), (hits, of) in sums.items()})

    def share(drawn: Floats) -> Floats:
        hits, of = drawn[:, : len(names)], drawn[:, len(names) :]
        counted = of > 1
        total = np.where(counted, of, 0).sum(axis=1)
        alike = np.where(counted, np.maximum(hits, 1), 0).sum(axis=1)
        return np.asarray(100 * alike / np.where(total > 0, total, np.nan))

    return Metric(
        name=f"{prefix}glossary.consistency",
        value=100 * same / several if several else None,
        unit="%",
        n=several,
        what=_OCCURRENCES,
        owner="mt",
        better="higher",
        interval=sums_interval(rows.reshape(len(rows), -1).tolist(), share) if several else None,
        parts={f"{pair} {term}": 100 * max(hits, 1) / of for (pair, term), (hits, of) in sums.items() if of > 1},
    )


def _text(clauses: Iterable[ClauseRun]) -> str:
    return " ".join(clause.translation for clause in clauses)
