"""Recognition goes on with somebody else, on virtual time: which words come out, how often, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.audio.pcm import Pcm
from vivavoce.clock import run_virtual
from vivavoce.errors import LegCapped, LegError, LegLost, LegRefused
from vivavoce.routing.stt import RoutedStt

TEXT = "no no no I said that the the train is late and I am not not amused at all today"


def test_a_healthy_primary_is_heard_alone(kit: Any) -> None:
    words = kit.said(TEXT)

    async def main() -> None:
        one, two = kit.Recogniser(words, "one"), kit.Recogniser(words, "two")
        drive = kit.Drive(one, two)
        take = await drive.run(words[-1].end_ms + 100)
        assert take.text == TEXT
        assert not take.switches
        assert two.pushes == 0
        assert two.opened == 1  # the standby's stream is open before it is needed

    run_virtual(main())


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_word_is_lost_or_doubled_whenever_and_however_the_primary_fails(kit: Any, data: st.DataObject) -> None:
    words = kit.said(TEXT, word_ms=data.draw(st.sampled_from([140.0, 250.0, 400.0])))
    at_ms = data.draw(st.floats(0, words[-1].end_ms))
    fault = data.draw(st.sampled_from(["dead", "stall", "deaf"]))

    async def main() -> None:
        drive = kit.Drive(kit.Recogniser(words, "one"), kit.Recogniser(words, "two", cadence_ms=None))
        take = await drive.run(words[-1].end_ms + 100, faults=[(at_ms, "one", fault)])
        assert take.text == TEXT
        assert not take.errors

    run_virtual(main())


@pytest.mark.parametrize(("fault", "longest_ms"), [("dead", 400), ("stall", 800)])
def test_new_words_come_soon_from_the_standby(kit: Any, fault: str, longest_ms: float) -> None:
    words = kit.said(TEXT)
    fault_ms = 2510.0

    async def main() -> None:
        drive = kit.Drive(kit.Recogniser(words, "one"), kit.Recogniser(words, "two"))
        take = await drive.run(words[-1].end_ms + 100, faults=[(fault_ms, "one", fault)])
        switch = take.switches[0]
        assert (switch.from_engine, switch.to_engine) == ("one", "two")
        after = [at_ms for at_ms in take.at_ms if at_ms > fault_ms + 20]
        assert after[0] < fault_ms + longest_ms

    run_virtual(main())


def test_silence_is_no_stall(kit: Any) -> None:
    words = [*kit.said("one two"), *kit.said("three four", start_ms=4000.0)]

    async def main() -> None:
        one = kit.Recogniser(words, "one")
        drive = kit.Drive(one, kit.Recogniser(words, "two"))
        # The recogniser says nothing from 1 s to 4 s, and nobody speaks then.
        faults = [(1000.0, "one", "stall"), (4000.0, "one", "")]
        take = await drive.run(4700, faults=faults, voiced=lambda at_ms: not 900 <= at_ms < 4000)
        assert take.text == "one two three four"
        assert not take.switches

    run_virtual(main())


def test_a_burst_of_sound_is_no_stall(kit: Any) -> None:
    async def main() -> None:
        drive = kit.Drive(kit.Recogniser([], "one", cadence_ms=100_000.0), kit.Recogniser([], "two"), stall_ms=1.0)
        stream = await drive.routed.open(language="en")
        for number in range(200):
            await stream.push(kit.frame(number * kit.FRAME_MS))
        assert not drive.take.switches
        await stream.aclose()

    run_virtual(main())


def test_a_final_that_is_late_is_asked_of_the_standby(kit: Any) -> None:
    words = kit.said("what is the time")

    async def main() -> None:
        drive = kit.Drive(kit.Recogniser(words, "one", cadence_ms=None), kit.Recogniser(words, "two"))
        take = await drive.run(1300, faults=[(0.0, "one", "deaf")])
        assert take.text == "what is the time"
        assert take.at_ms[-1] == pytest.approx(1300 + 400 + 80, abs=30)
        assert "within 400 ms" in take.switches[0].reason
        # The time that was lost before is not the standby's.
        assert drive.route.status()[1].p50_ms == pytest.approx(80, abs=5)

    run_virtual(main())


def test_failure_21_settings_survive_a_failover(kit: Any) -> None:
    words = kit.said(TEXT)

    async def main() -> None:
        two = kit.Recogniser(words, "two")
        drive = kit.Drive(kit.Recogniser(words, "one"), two, language="pt", keyterms=("Vivavoce",))
        await drive.run(2000, faults=[(1000.0, "one", "dead")])
        assert two.options == {"language": "pt", "keyterms": ("Vivavoce",), "rate_hz": 16000}

    run_virtual(main())


def test_the_second_standby_follows_when_the_first_fails_too(kit: Any) -> None:
    words = kit.said(TEXT)

    async def main() -> None:
        engines = [kit.Recogniser(words, name) for name in ("one", "two", "three")]
        drive = kit.Drive(*engines)
        take = await drive.run(
            words[-1].end_ms + 100, faults=[(1000.0, "one", "dead"), (1500.0, "two", "dead"), (1500.0, "one", "refuse")]
        )
        assert take.text == TEXT
        assert [switch.to_engine for switch in take.switches] == ["two", "three"]

    run_virtual(main())


def test_where_nobody_is_left_it_is_raised_and_the_next_utterance_is_tried(kit: Any) -> None:
    words = kit.said("hello there")

    async def main() -> None:
        one, two = kit.Recogniser(words, "one"), kit.Recogniser(words, "two")
        drive = kit.Drive(one, two)
        stream = await drive.routed.open(language="en")
        one.fault = two.fault = "dead"
        await stream.push(kit.frame(0.0))
        with pytest.raises(LegError, match="one broke off"):
            async for _ in stream:
                pass
        assert drive.take.switches[-1].to_engine is None
        assert stream.serving == ""

        one.fault = two.fault = ""
        stream.reset()
        for number in range(40):
            await stream.push(kit.frame(number * kit.FRAME_MS))
        await stream.finalise(7)
        async for hypothesis in stream:
            if hypothesis.final:
                assert hypothesis.text == "hello there"
                break
        await stream.aclose()

    run_virtual(main())


def test_failure_21_a_provider_that_is_well_again_is_used_again(kit: Any) -> None:
    words = kit.said(TEXT)

    async def main() -> None:
        one, two = kit.Recogniser(words, "one"), kit.Recogniser(words, "two")
        drive = kit.Drive(one, two)
        stream = await drive.routed.open(language="en")
        await asyncio.sleep(0)
        one.fault = "dead"
        await stream.push(kit.frame(0.0))
        await stream.settle()
        assert stream.serving == "two"
        one.fault = ""
        stream.reset()
        await asyncio.sleep(1)
        assert stream.serving == "two"
        await asyncio.sleep(5)
        stream.reset()  # its breaker lets one try now: it is opened beside the one that serves
        await asyncio.sleep(0.1)
        stream.reset()
        assert stream.serving == "one"
        await stream.aclose()

    run_virtual(main())


def test_an_engine_that_is_alone_is_waited_for(kit: Any) -> None:
    words = kit.said("only me")

    async def main() -> None:
        drive = kit.Drive(kit.Recogniser(words, "one", final_ms=1900.0))
        take = await drive.run(800)
        assert take.text == "only me"
        assert not take.errors
        drive = kit.Drive(kit.Recogniser(words, "one", fault="deaf", cadence_ms=None))
        assert (await drive.run(800)).errors == ["one did not finish within 2000 ms"]

    run_virtual(main())


def on_push(engine: Any, after: Callable[[Pcm], Awaitable[None]], *, streams: int = 1) -> None:
    """Have something happen after each piece of sound that the first streams of an engine take."""
    opening = engine.open

    async def open_(**options: Any) -> Any:
        stream = await opening(**options)
        if engine.opened <= streams:
            taking = stream.push

            async def push(pcm: Pcm, *, voiced: bool = True) -> None:
                await taking(pcm, voiced=voiced)
                await after(pcm)

            stream.push = push
        return stream

    engine.open = open_


async def slowly(pcm: Pcm) -> None:
    await asyncio.sleep(0.005)


def breaks_at(ms: float) -> Callable[[Pcm], Awaitable[None]]:
    async def after(pcm: Pcm) -> None:
        if pcm.end_ms > ms:
            raise LegLost("the connection broke off")

    return after


def test_a_connection_that_breaks_is_opened_again_where_nobody_else_is(kit: Any) -> None:
    words = kit.said(TEXT)

    async def main() -> None:
        one = kit.Recogniser(words, "one")
        on_push(one, breaks_at(2500))
        take = await kit.Drive(one).run(words[-1].end_ms + 100)
        assert (take.text, take.errors, one.opened) == (TEXT, [], 2)
        one = kit.Recogniser(words, "one")
        on_push(one, breaks_at(0), streams=99)
        take = await kit.Drive(one).run(1000)
        assert take.errors == ["the connection broke off"]
        assert one.opened == 1  # nothing ever came of it

    run_virtual(main())


def test_a_standby_that_died_unnoticed_is_opened_anew(kit: Any) -> None:
    words = kit.said(TEXT)

    async def main() -> None:
        one, two = kit.Recogniser(words, "one"), kit.Recogniser(words, "two")
        on_push(two, breaks_at(0))
        drive = kit.Drive(one, two)
        take = await drive.run(words[-1].end_ms + 100, faults=[(2000.0, "one", "dead")])
        assert take.text == TEXT
        assert [switch.to_engine for switch in take.switches] == ["two"]
        assert two.opened == 2
        assert drive.route.status()[1].failed == 0

    run_virtual(main())


def test_an_utterance_that_ends_during_a_take_over_is_not_heard_in_the_next(kit: Any) -> None:
    words = [*kit.said("old words"), *kit.said("new", start_ms=5000.0)]

    async def main() -> None:
        one, two = kit.Recogniser(words, "one"), kit.Recogniser(words, "two")
        on_push(two, slowly)
        stream = await kit.Drive(one, two).routed.open(language="en")
        for number in range(40):
            await stream.push(kit.frame(number * kit.FRAME_MS))
        one.fault = "dead"
        await stream.push(kit.frame(800.0))
        await asyncio.sleep(0.05)
        stream.reset()
        for number in range(15):
            await stream.push(kit.frame(5000.0 + number * kit.FRAME_MS))
        await stream.finalise(3)
        async for hypothesis in stream:
            if hypothesis.final:
                assert (hypothesis.text, hypothesis.epoch) == ("new", 3)
                break
        await stream.aclose()

    run_virtual(main())


def test_closing_during_a_take_over_leaves_no_task_and_no_stream(kit: Any) -> None:
    async def main() -> None:
        one, two = kit.Recogniser([], "one"), kit.Recogniser([], "two")
        on_push(two, slowly)
        stream = await kit.Drive(one, two).routed.open(language="en")
        for number in range(40):
            await stream.push(kit.frame(number * kit.FRAME_MS))
        one.fault = "dead"
        await stream.push(kit.frame(800.0))
        await asyncio.sleep(0.05)
        await stream.aclose()
        assert (one.closed, two.closed) == (one.opened, two.opened) == (1, 1)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_a_guard_is_asked_before_each_interval_and_ends_recognition(kit: Any) -> None:
    class Guard:
        reason = "today's cap"

        def __init__(self) -> None:
            self.asked: list[Interval] = []

        def ask(self, interval: Interval) -> Verdict:
            self.asked.append(interval)
            return Verdict.DEGRADE if len(self.asked) > 2 else Verdict.GO

        def done(self, interval: Interval) -> None:
            pass

    async def main() -> None:
        guard, one = Guard(), kit.Recogniser([], "one")
        drive = kit.Drive(one)
        stream = await RoutedStt(drive.route, drive.engines.__getitem__, guard=guard).open(language="en")
        for number in range(20_000 // kit.FRAME_MS):
            await stream.push(kit.frame(number * kit.FRAME_MS))
        assert guard.asked == [Interval("stt", "one", 10.0, "seconds")] * 2
        assert stream.serving == "one"
        await stream.push(kit.frame(20_000.0))
        assert stream.serving == ""
        with pytest.raises(LegCapped, match="cap"):
            async for _ in stream:
                pass
        assert drive.take.switches[-1].to_engine is None
        assert drive.route.status()[0].failed == 0
        await stream.aclose()
        assert one.closed == one.opened

    run_virtual(main())


class Purse:
    """A guard: `granted` intervals for each engine that is named, and no end of them for others."""

    reason = "today's cap"

    def __init__(self, **granted: int) -> None:
        self.granted, self.asked = granted, list[str]()

    def ask(self, interval: Interval) -> Verdict:
        self.asked.append(interval.engine)
        left = self.granted.get(interval.engine, 1)
        if interval.engine in self.granted:
            self.granted[interval.engine] = max(0, left - 1)
        return Verdict.GO if left else Verdict.DEGRADE

    def done(self, interval: Interval) -> None:
        pass


def guarded(kit: Any, guard: Purse, *engines: Any) -> Any:
    drive = kit.Drive(*engines)
    drive.routed = RoutedStt(drive.route, drive.engines.__getitem__, guard=guard)
    return drive


@pytest.mark.parametrize("cadence_ms", [100.0, None])
def test_who_is_over_the_cap_is_followed_in_mid_word_and_has_not_failed(kit: Any, cadence_ms: float | None) -> None:
    words = kit.said(TEXT, word_ms=700.0)
    assert words[-1].end_ms > 12_000

    async def main() -> None:
        purse = Purse(one=1)
        drive = guarded(kit, purse, kit.Recogniser(words, "one"), kit.Recogniser(words, "two", cadence_ms=cadence_ms))
        take = await drive.run(words[-1].end_ms + 100)
        assert take.text == TEXT
        assert [(switch.from_engine, switch.to_engine) for switch in take.switches] == [("one", "two")]
        assert "cap" in take.switches[0].reason
        assert not take.errors
        assert purse.asked == ["one", "one", "two"]
        assert [status.failed for status in drive.route.status()] == [0, 0]

    run_virtual(main())


async def speak(kit: Any, stream: Any, seconds: float, *, from_s: float, utterance_s: float = 5.0) -> list[str]:
    """Speech in utterances, at its own pace; who served each frame."""
    served = []
    for number in range(round(1000 * seconds / kit.FRAME_MS)):
        at_ms = 1000 * from_s + number * kit.FRAME_MS
        await asyncio.sleep(kit.FRAME_MS / 1000)
        await stream.push(kit.frame(at_ms))
        served.append(stream.serving)
        if number * kit.FRAME_MS % (1000 * utterance_s) == 0:
            stream.reset()
    return served


async def listen(stream: Any, errors: list[LegError]) -> None:
    while True:
        try:
            async for _ in stream:
                pass
            return
        except LegError as error:
            errors.append(error)
            stream.reset()


def changes(served: list[str]) -> list[str]:
    return [name for before, name in pairwise(["?", *served]) if name != before]


def test_a_leg_does_not_go_to_and_fro_between_two_at_their_caps(kit: Any) -> None:
    async def main() -> None:
        purse = Purse(one=1, two=2)
        engines = [kit.Recogniser([], name) for name in ("one", "two", "free")]
        drive = guarded(kit, purse, *engines)
        stream = await drive.routed.open(language="en")
        errors: list[LegError] = []
        listening = asyncio.create_task(listen(stream, errors))
        served = await speak(kit, stream, 55, from_s=0)
        assert [name for name in changes(served) if name] == ["one", "two", "free"]
        # A minute later each is asked again, without a stream leaving who may.
        served = await speak(kit, stream, 90, from_s=55)
        assert set(served) == {"free"}
        purse.granted["one"] = 10**6
        served = await speak(kit, stream, 90, from_s=145)
        assert changes(served) == ["free", "one"]
        assert purse.asked.count("one") < 20
        await stream.aclose()
        await listening
        assert not errors
        assert [engine.opened - engine.closed for engine in engines] == [0, 0, 0]

    run_virtual(main())


def test_recognition_is_given_up_where_everybody_is_over_the_cap_and_comes_back(kit: Any) -> None:
    async def main() -> None:
        purse = Purse(one=0, two=0)
        drive = guarded(kit, purse, kit.Recogniser([], "one"), kit.Recogniser([], "two"))
        stream = await drive.routed.open(language="en")
        errors: list[LegError] = []
        listening = asyncio.create_task(listen(stream, errors))
        served = await speak(kit, stream, 50, from_s=0)
        assert set(served[50:]) == {""}
        assert {type(error) for error in errors} == {LegCapped}
        assert purse.asked == ["one", "two"]  # once a minute, not with every sound
        purse.granted["two"] = 10**6
        served = await speak(kit, stream, 30, from_s=50)
        assert changes(served) == ["", "two"]
        assert drive.take.switches[-1].to_engine == "two"
        await stream.aclose()
        await listening

    run_virtual(main())


def test_who_refuses_at_the_start_is_passed_over(kit: Any) -> None:
    words = kit.said("hello")

    async def main() -> None:
        one = kit.Recogniser(words, "one", fault="refuse")
        drive = kit.Drive(one, kit.Recogniser(words, "two"))
        take = await drive.run(600)
        assert take.text == "hello"
        assert [(s.from_engine, s.to_engine, s.reason) for s in take.switches] == [("one", "two", "one refuses")]
        one.fault = "refuse"
        with pytest.raises(LegRefused):
            await kit.Drive(one).routed.open(language="en")

    run_virtual(main())


def test_a_thousand_failovers_leave_no_task_and_no_stream(kit: Any) -> None:
    async def main() -> None:
        engines = {name: kit.Recogniser([], name) for name in ("one", "two")}
        drive = kit.Drive(*engines.values(), retry_s=0.001, longest_retry_s=0.001)
        stream = await drive.routed.open(language="en")
        for number in range(1000):
            await asyncio.sleep(0.01)
            serving = engines[stream.serving]
            serving.fault = "dead"
            await stream.push(kit.frame(number * kit.FRAME_MS))
            await stream.settle()
            serving.fault = ""
            stream.reset()
        await stream.aclose()
        await asyncio.sleep(0.1)
        assert len(drive.take.switches) >= 1000
        assert all(engine.opened == engine.closed for engine in engines.values())
        assert len(asyncio.all_tasks()) == 1
        assert sum(status.serving for status in drive.route.status()) == 0

    run_virtual(main())
