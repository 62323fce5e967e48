"""The turns of a call as stages."""

from __future__ import annotations

from vivavoce.agent.observed import ObservedCall
from vivavoce.agent.turns import Turn
from vivavoce.clock import SteppedClock
from vivavoce.media import Confirmed, Refuted, SpeechStart
from vivavoce.telemetry.observer import Passage, Unobserved


class Told(Unobserved):
    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.interruptions: list[bool] = []

    def passed(self, passage: Passage) -> None:
        self.passages.append(passage)

    def interrupted(self, *, confirmed: bool) -> None:
        self.interruptions.append(confirmed)


def test_a_turn_lasts_from_its_speech_to_the_answer() -> None:
    told, clock = Told(), SteppedClock()
    call = ObservedCall(told, clock=clock)
    for start_ns in (100, 250, 900):
        clock._now_ns = start_ns
        call.take(SpeechStart(0))
    call.take(Confirmed(0.0, 0.0))
    call.take(Refuted())
    turns = [Turn("canary", "a", 300, 400, True, 1.0), Turn("canary", "b", 1000, 1100, False, 1.0)]
    # The greeting, an answer, and none to the second.
    call.answered(turns, [10, 450])
    assert told.interruptions == [True, False]
    first, second = told.passages
    assert (first.number, first.start_ns, first.end_ns) == (1, 100, 450)
    assert first.stages == {"endpoint": (300, 400), "reply": (400, 450), "heard": (300, 450)}
    assert (second.start_ns, second.stages) == (900, {"endpoint": (1000, 1100)})
    assert "canary" not in str(told.passages)


def test_a_reply_to_the_next_turn_is_none_to_this() -> None:
    told = Told()
    turns = [Turn("", "a", 300, 400, True, 1.0), Turn("", "b", 1000, 1100, False, 1.0)]
    ObservedCall(told, clock=SteppedClock()).answered(turns, [1150])
    assert [("reply" in passage.stages, passage.start_ns) for passage in told.passages] == [(False, 300), (True, 1000)]
