"""A whole session on virtual time as it is told to traces and metrics."""

from __future__ import annotations

from typing import Any

from vivavoce.clock import NS_PER_MS, SteppedClock
from vivavoce.legs.values import Clause
from vivavoce.telemetry.observer import Passage, Unobserved
from vivavoce.translate.events import Notice, NoticeKind, Translated, UtteranceDone
from vivavoce.translate.observed import LESS, ObservedEvents

GREETING = "Canary morning everybody and welcome to the house of many doors"


class Told(Unobserved):
    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.clauses: list[bool] = []
        self.kinds: list[str] = []
        self.fates: list[tuple[int, int, int]] = []

    def passed(self, passage: Passage) -> None:
        self.passages.append(passage)

    def clause(self, *, spoken: bool) -> None:
        self.clauses.append(spoken)

    def terms(self, *, kept: int, rescued: int, missed: int) -> None:
        self.fates.append((kept, rescued, missed))

    def noticed(self, kind: str) -> None:
        self.kinds.append(kind)


def test_stages_are_told_on_the_sessions_clock(theatre: Any) -> None:
    stage = theatre.run(lambda: theatre.Stage(theatre.say(GREETING, 500)))
    told, clock = Told(), SteppedClock()
    origin_ms = 123.0
    clock._now_ns = round((origin_ms + 9000.0) * NS_PER_MS)
    observed = ObservedEvents(told, clock=clock, now_ms=lambda: 9000.0)
    for event in stage.events:
        observed.take(event)
    (passage,), (done,) = told.passages, stage.told(UtteranceDone)
    assert passage.stages.keys() == done.stages.keys()
    for name, (start_ms, end_ms) in done.stages.items():
        expected = [round((origin_ms + ms) * NS_PER_MS) for ms in (start_ms, end_ms)]
        assert all(abs(a - b) <= 2 for a, b in zip(passage.stages[name], expected, strict=True))
    assert passage.start_ns < passage.stages["endpoint"][0] < passage.end_ns
    assert passage.told["spoken"] is True
    assert told.clauses == [True] * len(stage.told(Translated))
    assert "canary" not in str(passage).casefold()


def test_only_what_is_less_than_asked_for_is_counted() -> None:
    told = Told()
    observed = ObservedEvents(told, clock=SteppedClock(), now_ms=lambda: 0.0)
    for kind in NoticeKind:
        observed.take(Notice(kind, GREETING, 0.0))
    observed.take(Translated(1, 1, Clause(GREETING, 0.0, 1.0), GREETING, "en", False, 0.0))
    assert set(told.kinds) == LESS
    assert told.clauses == [False]


def test_what_became_of_locked_terms_is_told() -> None:
    told = Told()
    observed = ObservedEvents(told, clock=SteppedClock(), now_ms=lambda: 0.0)
    clause = Clause(GREETING, 0.0, 1.0)
    for counts in ({}, {"terms": 5, "rescued": 2, "missed": 1}):
        observed.take(Translated(1, 1, clause, GREETING, "en", True, 0.0, **counts))
    assert told.fates == [(2, 2, 1)]
