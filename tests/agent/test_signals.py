from __future__ import annotations

from typing import Any

import pytest

from vivavoce.agent.signals import CallSignals
from vivavoce.agent.turns import Turn
from vivavoce.clock import NS_PER_MS
from vivavoce.media import Arrivals, Closed, Confirmed, Ducked, Refuted, SpeechPause, SpeechResume, SpeechStart, Started
from vivavoce.telemetry.signals import SessionSignals


class At:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.ms = 0.0

    def now_ns(self) -> int:
        return round(self.ms * NS_PER_MS)

    async def sleep_until(self, deadline_ns: int) -> None:
        self.ms = deadline_ns / NS_PER_MS


def row_of(signals: SessionSignals) -> dict[str, Any]:
    return signals.row(session_id="s", user_id="u", app_id="a", codec="ulaw", at_ms=0, duration_ms=60_000.0)


def told(*happened: Any) -> dict[str, Any]:
    """The row after a call's events; a text is what is recognised, a number the time by now, None a turn's end."""
    signals, clock = SessionSignals(), At()
    call = CallSignals(signals, clock=clock)
    for what in (Started(8000, "MZ1", "CA1", {}), *happened):
        match what:
            case str():
                call.recognised(what.split())
            case float():
                clock.ms = what
            case None:
                call.turn_over()
            case _:
                call.take(what)
    return row_of(signals)


@pytest.mark.parametrize(
    ("happened", "counts"),
    [
        ([SpeechStart(0), "yes", SpeechStart(1), "no", Closed("")], (2, 0)),
        ([SpeechStart(0), "", SpeechStart(1), "no", Closed("")], (2, 1)),
        ([SpeechStart(0), "", Closed("")], (1, 1)),
        ([SpeechStart(0), "", "well", Closed("")], (1, 0)),
        ([SpeechStart(0), "well", "", Closed("")], (1, 0)),
        ([SpeechStart(0), SpeechStart(1), Closed("")], (2, 0)),
    ],
    ids=["speech", "noise and speech", "noise", "speech after a pause", "speech and noise", "nobody asked"],
)
def test_a_start_of_which_nothing_was_recognised_is_false(happened: list[Any], counts: tuple[int, int]) -> None:
    row = told(*happened)
    assert (row["triggers"], row["false_triggers"]) == counts


def test_an_end_that_was_none() -> None:
    assert told(SpeechStart(0), SpeechPause(1), SpeechResume(2), Closed(""))["resumed"] == 1


def test_our_voice_is_lowered_until_it_is_known_what_the_caller_wants() -> None:
    interrupts = Confirmed(0.0, 0.0)
    row = told(1000.0, Ducked(), 1300.0, Refuted(), 5000.0, Ducked(), 5100.0, interrupts, 6000.0, interrupts)
    assert (row["mutes"], row["mutes_refuted"], row["muted_ms"]) == (2, 1, 400)
    assert told(1000.0, Ducked(), 1250.0, Closed(""))["muted_ms"] == 250


def test_words_of_a_turn_are_compared_while_it_lasts() -> None:
    row = told(SpeechStart(0), "I want to", "I went two days", None, SpeechStart(1), "yes", None, Closed(""))
    assert (row["words"], row["words_revised"]) == (5, 2)


def test_packets_come_with_the_end() -> None:
    arrivals = Arrivals(1000, 1, 4.0, 12.0)
    row = told(SpeechStart(0), Closed("hung up", arrivals))
    assert (row["network"], row["gaps"], row["jitter_p50_ms"], row["jitter_p95_ms"]) == ("uneven", 1, 4.0, 12.0)


SCRIPT = """
name: one
start: hello
person: desk
silence: {after_s: 5, times: 2, say: "Hello?", to: bye}
unclear: {times: 2, say: "Sorry?", to: desk}
states:
  hello:
    say: What can I do for you today?
    go: [{to: bye, said: [nothing]}]
  desk: {say: I connect you., transfer: "+15550100"}
  bye: {say: Goodbye then., hang_up: true}
"""


def test_a_conversation_tells_of_noise_and_of_a_turn(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)
        await stage.after(1500)
        await telephone.speaks(800)

    row = row_of(stage.play(SCRIPT, ["", "nothing"], caller).signals)
    assert (row["triggers"], row["false_triggers"], row["words"]) == (2, 1, 1)


def test_what_stood_of_the_turns_is_how_soon_callers_were_answered() -> None:
    signals = SessionSignals()
    turns = [Turn("", "", 0, heard_ms * NS_PER_MS, True, 0.0) for heard_ms in (300, 700, 500)]
    CallSignals(signals, clock=At()).answered(turns)
    row = row_of(signals)
    assert (row["utterances"], row["heard_p50_ms"]) == (3, 500.0)
