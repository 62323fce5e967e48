"""How many translated clauses show signs of something that nobody said, by each sign and by a judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vivavoce.evals.hallucination import Sign, signs
from vivavoce.gate.estimates import Count, rate
from vivavoce.gate.metric import Metric, Owner
from vivavoce.gate.run import ClauseRun, ClipRun, MtAlone

_OF_RECOGNITION = frozenset({Sign.SILENCE, Sign.RATE})
_CLAUSES = "clauses"


@dataclass(frozen=True, slots=True)
class Flagged:
    """A clause of a clip, or text that was recognised where nobody speaks and not translated, with its signs."""

    clip: str
    found: tuple[Sign, ...]


def flagged_path(clips: Iterable[ClipRun]) -> list[Flagged]:
    """Every translated clause of the whole path, and every text in silence that was not translated."""
    found = []
    for clip in clips:
        found += [Flagged(clip.id, _signs(each, clip.pair)) for each in _translated(clip.clauses)]
        found += [Flagged(clip.id, (Sign.SILENCE,)) for _ in clip.silent_text]
    return found


def flagged_alone(clips: Iterable[MtAlone]) -> list[Flagged]:
    """Every sentence that was translated by itself."""
    return [Flagged(clip.id, _signs(each, clip.pair)) for clip in clips for each in _translated(clip.sentences)]


def _translated(clauses: Iterable[ClauseRun]) -> list[ClauseRun]:
    return [clause for clause in clauses if clause.translation.strip()]


def _signs(clause: ClauseRun, pair: str) -> tuple[Sign, ...]:
    source, _, target = pair.partition("-")
    return signs(
        clause.text,
        clause.translation,
        source=source,
        target=target,
        start_ms=clause.start_ms,
        end_ms=clause.end_ms,
        silent=clause.silent,
    )


def invented_metrics(flagged: list[Flagged], *, owner: Owner, prefix: str = "") -> list[Metric]:
    """The share of clauses with any sign, and with each."""
    any_sign = [Count(each.clip, bool(each.found), 1) for each in flagged]
    metrics = [rate(f"{prefix}hallucination", any_sign, what=_CLAUSES, owner=owner)]
    for sign in Sign:
        if prefix and sign in _OF_RECOGNITION:
            continue
        counts = [Count(each.clip, sign in each.found, 1) for each in flagged]
        of: Owner = "stt" if sign in _OF_RECOGNITION else "mt"
        metrics.append(rate(f"{prefix}hallucination.{sign}", counts, what=_CLAUSES, owner=of))
    return metrics


def judged_metrics(invented: Mapping[str, bool]) -> list[Metric]:
    """What the judge says; nothing where none was asked."""
    if not invented:
        return []
    counts = [Count(case.rpartition("/")[0], found, 1) for case, found in invented.items()]
    return [rate("hallucination.judged", counts, what=_CLAUSES, owner="mt")]
