"""Drift on a clock that is moved by hand: raised once, cleared once, and in words."""

from __future__ import annotations

from random import Random

import pytest

from vivavoce.clock import NS_PER_MS
from vivavoce.contract.stats import quantile
from vivavoce.ledger.usage import Work
from vivavoce.telemetry.drift import EVALUATED_LEAST, Drift, DriftWatch, limit_ms
from vivavoce.telemetry.observer import Passage, SessionLabels

STT = "translate", "stt"


class Hand:
    def __init__(self) -> None:
        self.ns = 0
        self.told: list[Drift] = []

    def watch(self, *, cap_ms: float = 1000.0, evaluated_ms: float = 200.0, engines: bool = False) -> DriftWatch:
        return DriftWatch(
            caps_ms={"translate": {"stt": cap_ms}},
            evaluated_ms={"translate": {"stt": evaluated_ms}},
            engines={"stt": "whisper", "tts": "kokoro"} if engines else None,
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


@pytest.mark.parametrize(("engine", "told"), [("whisper", 1), ("deepgram", 0)])
def test_only_engines_that_were_evaluated_are_held_against_it(engine: str, told: int) -> None:
    hand = Hand()
    session = hand.watch(engines=True).session(SessionLabels(session_id="s", product="translate"))
    session.moved("stt", engine, place=1, why="")
    session.used("tts", "espeak", Work(characters=3))
    for number in range(EVALUATED_LEAST):
        session.passed(Passage(number=number, start_ns=0, end_ns=1, stages={"stt": (0, 300 * NS_PER_MS)}))
    assert len(hand.told) == told


def test_without_sessions_nothing_is_drifting_and_the_end_is_told_when_they_come_again() -> None:
    hand = Hand()
    watch = hand.watch()
    for _ in range(EVALUATED_LEAST):
        watch.observe("translate", {"stt": 300.0})
        hand.ns += 30_000 * NS_PER_MS
    assert watch.states()[*STT, "evaluation"].raised
    hand.ns += 24 * 3_600_000 * NS_PER_MS
    state = watch.states()[*STT, "evaluation"]
    assert (state.raised, state.p95_ms) == (False, None)
    for _ in range(EVALUATED_LEAST):
        watch.observe("translate", {"stt": 190.0})
    assert [each.alarm.raised for each in hand.told] == [True, False]


def test_an_alarm_whose_cause_has_left_the_window_is_over_when_it_is_read() -> None:
    """The slow half is older than an hour: it is seen at once, and told with the next utterance."""
    hand = Hand()
    watch = hand.watch()
    for ms in [300.0] * EVALUATED_LEAST + [190.0] * EVALUATED_LEAST:
        watch.observe("translate", {"stt": ms})
        hand.ns += 20_000 * NS_PER_MS
    hand.ns += 2_400_000 * NS_PER_MS
    assert not watch.states()[*STT, "evaluation"].raised
    assert len(hand.told) == 1
    watch.observe("translate", {"stt": 190.0})
    assert [each.alarm.raised for each in hand.told] == [True, False]


@pytest.mark.parametrize("sigma", [0.2, 0.4])
def test_production_as_it_was_evaluated_does_not_ring_and_what_is_half_as_slow_again_does(sigma: float) -> None:
    rang = {1.0: 0, 1.5: 0}
    for seed in range(40):
        random = Random(seed)
        evaluated = sorted(350 * random.lognormvariate(0, sigma) for _ in range(150))
        for factor in rang:
            hand = Hand()
            watch = hand.watch(cap_ms=1e9, evaluated_ms=quantile(evaluated, 0.95))
            for _ in range(500):
                hand.ns += 4_000 * NS_PER_MS
                watch.observe("translate", {"stt": factor * 350 * random.lognormvariate(0, sigma)})
            rang[factor] += bool(hand.told)
    assert rang[1.0] == 0
    assert rang[1.5] >= 34


def test_a_short_stage_has_some_slack() -> None:
    assert limit_ms(8.0, tolerance=0.25) == 33.0
    assert limit_ms(400.0, tolerance=0.25) == 500.0
