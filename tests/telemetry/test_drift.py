"""Drift on a clock that is moved by hand: raised once, cleared once, and in words."""

from __future__ import annotations

import pytest

from vivavoce.clock import NS_PER_MS
from vivavoce.telemetry.drift import EVALUATED_LEAST, Drift, DriftWatch, limit_ms
from vivavoce.telemetry.observer import Passage, SessionLabels

STT = "translate", "stt"


class Hand:
    def __init__(self) -> None:
        self.ns = 0
        self.told: list[Drift] = []

    def watch(self, *, cap_ms: float = 1000.0, evaluated_ms: float = 200.0) -> DriftWatch:
        return DriftWatch(
            caps_ms={"translate": {"stt": cap_ms}},
            evaluated_ms={"translate": {"stt": evaluated_ms}},
            tolerance=0.25,
            clock_ns=lambda: self.ns,
            tell=self.told.append,
        )


def test_what_is_slower_than_evaluated_makes_the_clips_stale_once() -> None:
    hand = Hand()
    watch = hand.watch()
    for _ in range(EVALUATED_LEAST - 1):
        watch.observe("translate", {"stt": 300.0})
    assert hand.told == []
    for _ in range(50):
        watch.observe("translate", {"stt": 300.0})
    (drift,) = hand.told
    assert (drift.against, drift.alarm.raised) == ("evaluation", True)
    assert str(drift) == "stt: p95 of 300 ms has drifted from the evaluation's 200: the clip set is stale"
    assert watch.states()[*STT, "evaluation"].raised
    assert not watch.states()[*STT, "cap"].raised
    # An hour later nothing of that counts any more.
    hand.ns += 3_700_000 * NS_PER_MS
    for _ in range(2 * EVALUATED_LEAST):
        watch.observe("translate", {"stt": 190.0})
    assert [str(each) for each in hand.told[1:]] == ["stt: p95 of 190 ms is near the evaluation's 200 again"]


def test_a_cap_is_told_as_before() -> None:
    hand = Hand()
    watch = hand.watch(cap_ms=210.0, evaluated_ms=1000.0)
    for _ in range(40):
        watch.observe("translate", {"stt": 250.0})
    hand.ns += 301_000 * NS_PER_MS
    for _ in range(40):
        watch.observe("translate", {"stt": 100.0})
    assert [str(each) for each in hand.told] == [
        "stt: p95 of 250 ms is over its cap of 210",
        "stt: p95 of 100 ms is within its cap again of 210",
    ]


@pytest.mark.parametrize(("paced", "seen"), [(True, True), (False, False)])
def test_only_real_time_counts(paced: bool, seen: bool) -> None:
    watch = Hand().watch()
    session = watch.session(SessionLabels(session_id="s", product="translate", paced=paced))
    for number in range(20):
        stages = {"stt": (0, 100 * NS_PER_MS), "queue": (0, 1)}
        session.passed(Passage(number=number, start_ns=0, end_ns=1, stages=stages))
    assert (watch.states()[*STT, "cap"].p95_ms is not None) is seen


def test_a_short_stage_has_some_slack() -> None:
    assert limit_ms(8.0, tolerance=0.25) == 33.0
    assert limit_ms(400.0, tolerance=0.25) == 500.0
