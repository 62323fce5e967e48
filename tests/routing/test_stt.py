"""Recognition goes on with somebody else, on virtual time: which words come out, how often, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import run_virtual
from vivavoce.errors import LegError, LegLost, LegRefused

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
