"""What a judge says of a run's clauses."""

from __future__ import annotations

from dataclasses import replace

from vivavoce.evals.judge import Case, Judge
from vivavoce.gate.run import ClauseRun, ClipRun, Run


def clause_id(clip: ClipRun, number: int) -> str:
    """As `Run.invented` names a clause; `number` counts from 0."""
    return f"{clip.id}/{number}"


def cases_of(run: Run) -> list[Case]:
    """Every clause that was translated, of clips that came to their end."""

    def case(clip: ClipRun, number: int, clause: ClauseRun) -> Case:
        return Case(
            id=clause_id(clip, number),
            text=clause.text,
            translation=clause.translation,
            source=clip.source,
            target=clip.target,
        )

    return [
        case(clip, number, clause)
        for clip in run.clips
        if not clip.problem
        for number, clause in enumerate(clip.clauses)
    ]


async def judged(run: Run, judge: Judge) -> Run:
    """The run with the judge's word on each of its clauses. Raises LegError where it cannot be had."""
    opinions = await judge.opinions(cases_of(run))
    return replace(run, invented={case: opinion.invented for case, opinion in opinions.items()})
