"""Which utterance an engine's answer belongs to: legs do not say, so that its time has to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vivavoce.telemetry.observer import Passage
from vivavoce.telemetry.trace import Asked

SLACK_NS: Final = 5_000_000
"""Between an engine's answer and what its leg makes of it."""


@dataclass(slots=True)
class Placed:
    """An utterance with the answers within it: by the stage that they were, or else in `others`."""

    passage: Passage
    within: dict[str, list[Asked]] = field(default_factory=dict)
    others: list[Asked] = field(default_factory=list)


def place(passages: Sequence[Passage], asked: Sequence[Asked]) -> tuple[list[Placed], list[Asked]]:
    """Put answers where they belong; what belongs to none of these utterances is the rest.

    An answer of a leg within the stage of its name was that stage. Another one belongs to the latest utterance that
    was still spoken, or waited for its end, when the engine was asked: what is asked later is for the next.
    """
    placed = [Placed(passage) for passage in sorted(passages, key=lambda passage: passage.start_ns)]
    rest = []
    for one in asked:
        for each in reversed(placed):
            if _is_stage(one, each.passage):
                each.within.setdefault(one.leg, []).append(one)
                break
        else:
            for each in reversed(placed):
                if _is_of(one, each.passage):
                    each.others.append(one)
                    break
            else:
                rest.append(one)
    return placed, rest


def _is_stage(one: Asked, passage: Passage) -> bool:
    if one.leg not in passage.stages:
        return False
    start_ns, end_ns = passage.stages[one.leg]
    return start_ns - SLACK_NS <= one.start_ns and one.end_ns <= end_ns + SLACK_NS


def _is_of(one: Asked, passage: Passage) -> bool:
    decided_ns = passage.stages.get("endpoint", (0, passage.end_ns))[1]
    return passage.start_ns <= one.end_ns and one.start_ns <= decided_ns
