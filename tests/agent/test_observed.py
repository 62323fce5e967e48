"""The turns of a call as stages."""

from __future__ import annotations

from typing import Any

from vivavoce.agent.conversation import Conversation
from vivavoce.agent.observed import ObservedCall
from vivavoce.agent.turns import Turn
from vivavoce.clock import SteppedClock, SystemClock
from vivavoce.media import Confirmed, Refuted, SpeechStart
from vivavoce.telemetry.observer import Passage, Unobserved

SCRIPT = """
name: one
start: hello
silence: {after_s: 5, times: 2, say: "Hello?", to: bye}
states:
  hello: {say: What can I do for you today?, go: [{to: ask, said: [book]}]}
  ask: {say: "For when?", go: [{to: bye, said: [nothing]}]}
  bye: {say: Goodbye then., hang_up: true}
"""


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
    call.answered(turns[:1], [10])
    assert not told.passages
    call.answered(turns[:1], [10, 450])
    assert len(told.passages) == 1
    call.answered(turns, [10, 450])
    assert len(told.passages) == 1
    call.answered(turns, [10, 450], over=True)
    assert told.interruptions == [True, False]
    first, second = told.passages
    assert (first.number, first.start_ns, first.end_ns) == (1, 100, 450)
    assert first.stages == {"endpoint": (300, 400), "reply": (400, 450), "heard": (300, 450)}
    assert (second.start_ns, second.stages) == (900, {"endpoint": (1000, 1100)})
    assert "canary" not in str(told.passages)


def test_turns_are_told_while_the_call_goes_on_and_not_what_is_taken_back(stage: Any) -> None:
    told, passed_ms = Told(), []
    call = ObservedCall(told, clock=SystemClock())

    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(500)
        await stage.after(700)
        await telephone.speaks(600, interrupts=True)  # the answer to the first half is taken back

    def keep(conversation: Conversation) -> None:
        call.answered(conversation.turns[: conversation.stood], conversation.replies_ns)
        passed_ms.extend([SystemClock().now_ns() / 1e6] * (len(told.passages) - len(passed_ms)))

    played = stage.play(SCRIPT, ["book"], caller, told=keep)
    assert len(played.conversation.turns) == len(told.passages) == 1
    assert "heard" in told.passages[0].stages
    # Heard to its end, long before the silence that ends the call.
    assert passed_ms[0] < played.telephone.played[-1][0] - 5000


def test_a_reply_to_the_next_turn_is_none_to_this() -> None:
    told = Told()
    turns = [Turn("", "a", 300, 400, True, 1.0), Turn("", "b", 1000, 1100, False, 1.0)]
    ObservedCall(told, clock=SteppedClock()).answered(turns, [1150])
    assert [("reply" in passage.stages, passage.start_ns) for passage in told.passages] == [(False, 300), (True, 1000)]
