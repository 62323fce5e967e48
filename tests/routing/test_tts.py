"""Speech goes on with another voice, on virtual time: every word is heard once, and soon."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.clock import SystemClock, run_virtual
from vivavoce.errors import LegCapped, LegError
from vivavoce.routing.route import Route, Switch
from vivavoce.routing.tts import RoutedSpeechStream, RoutedSynthesizer

CLAUSES = {1: "and so we go to the house", 2: "where no no no light is", 3: "today"}


class Hall:
    """A routed voice and who listens to it."""

    def __init__(self, kit: Any, *speakers: Any, guard: Any = None, **more: Any) -> None:
        self.switches: list[Switch] = []
        self.speakers = {speaker.name: speaker for speaker in speakers}
        settings_ = kit.settings_of(*self.speakers, **more)
        self.route = Route("tts", settings_, clock=SystemClock(), tell=self.switches.append)
        self.routed = RoutedSynthesizer(self.route, self.speakers.__getitem__, guard=guard)
        self.heard: dict[int, list[str]] = defaultdict(list)
        self.order: list[int] = []
        self.over: list[int] = []
        self.at_ms: list[float] = []
        self.errors: list[str] = []
        self._more = asyncio.Event()

    async def open(self) -> RoutedSpeechStream:
        self.stream = await self.routed.open(voice="", language="pt", rate_hz=16000)
        self.listening = asyncio.create_task(self._listen())
        return self.stream

    async def say(self, clauses: dict[int, str]) -> None:
        for epoch, text in clauses.items():
            await self.stream.push(text, epoch)
            await self.stream.flush(epoch)

    async def close(self, *, after: int = 0) -> None:
        if after:
            await self.heard_out(after)
        await self.stream.aclose()
        await self.listening

    async def heard_out(self, epoch: int) -> None:
        async with asyncio.timeout(60):
            while epoch not in self.over:
                self._more.clear()
                await self._more.wait()

    async def _listen(self) -> None:
        again = True
        while again:
            again = False
            try:
                async for chunk in self.stream:
                    self.order.append(chunk.epoch)
                    if len(chunk.pcm.samples):
                        self.at_ms.append(1000 * asyncio.get_running_loop().time())
                        self.heard[chunk.epoch].append(chunk.words[0].text if chunk.words else chunk.text)
                    if chunk.last:
                        self.over.append(chunk.epoch)
                        self._more.set()
            except LegError as error:
                self.errors.append(str(error))
                again = True


def texts(hall: Hall) -> dict[int, str]:
    return {epoch: " ".join(words) for epoch, words in hall.heard.items()}


@settings(max_examples=60, deadline=None)
@given(at_ms=st.floats(0, 700), fault=st.sampled_from(["dead", "stall"]))
def test_every_word_is_heard_once_whenever_a_timed_voice_fails(kit: Any, at_ms: float, fault: str) -> None:
    async def main() -> None:
        one, two = kit.Speaker("one"), kit.Speaker("two")
        hall = Hall(kit, one, two)
        await hall.open()
        await hall.say(CLAUSES)
        await asyncio.sleep(at_ms / 1000)
        one.fault = fault
        await hall.close(after=3)
        assert texts(hall) == CLAUSES
        assert hall.over == [1, 2, 3]
        assert hall.order == sorted(hall.order)
        assert not hall.errors

    run_virtual(main())


@settings(max_examples=30, deadline=None)
@given(at_ms=st.floats(0, 700), fault=st.sampled_from(["dead", "stall"]))
def test_without_times_the_last_stretch_is_said_again(kit: Any, at_ms: float, fault: str) -> None:
    async def main() -> None:
        one, two = kit.Speaker("one", timed=False), kit.Speaker("two", timed=False)
        hall = Hall(kit, one, two)
        await hall.open()
        await hall.say(CLAUSES)
        await asyncio.sleep(at_ms / 1000)
        heard = list(one.spoken)
        one.fault = fault
        await hall.close(after=3)
        whole = [word for text in CLAUSES.values() for word in text.split()]
        said = [word for words in hall.heard.values() for word in words]
        once = [word for n, word in enumerate(said) if not (n == len(heard) and heard and said[n] == said[n - 1])]
        assert whole in (said, once)

    run_virtual(main())


@pytest.mark.parametrize(("fault", "longest_ms"), [("dead", 60), ("stall", 460)])
def test_the_gap_is_short(kit: Any, fault: str, longest_ms: float) -> None:
    async def main() -> None:
        one = kit.Speaker("one")
        hall = Hall(kit, one, kit.Speaker("two"))
        await hall.open()
        await hall.say(CLAUSES)
        await asyncio.sleep(0.2)
        one.fault = fault
        await hall.close(after=3)
        gaps = [b - a for a, b in zip(hall.at_ms, hall.at_ms[1:], strict=False)]
        assert max(gaps) <= longest_ms + 60
        assert [switch.to_engine for switch in hall.switches] == ["two"]

    run_virtual(main())


def test_what_was_cancelled_is_not_said_by_the_next_voice(kit: Any) -> None:
    async def main() -> None:
        one, two = kit.Speaker("one"), kit.Speaker("two")
        hall = Hall(kit, one, two)
        stream = await hall.open()
        await hall.say(CLAUSES)
        await asyncio.sleep(0.1)
        stream.cancel(2)
        one.fault = "dead"
        await hall.close(after=3)
        assert texts(hall) == {1: CLAUSES[1], 3: CLAUSES[3]}
        assert "light" not in two.spoken

    run_virtual(main())


def test_a_connection_that_breaks_is_opened_again_where_nobody_else_is(kit: Any) -> None:
    async def main() -> None:
        one = kit.Speaker("one")
        hall = Hall(kit, one)
        await hall.open()
        opening = one.open

        async def healed(**options: Any) -> Any:
            one.fault = ""
            return await opening(**options)

        one.open = healed
        await hall.say(CLAUSES)
        await asyncio.sleep(0.2)
        one.fault = "dead"
        await hall.close(after=3)
        assert (texts(hall), hall.errors) == (CLAUSES, [])
        assert one.opened == one.closed == 2

    run_virtual(main())


def test_a_text_that_is_cancelled_before_its_end_is_waited_for_by_nobody(kit: Any) -> None:
    async def main() -> None:
        one, two = kit.Speaker("one"), kit.Speaker("two")
        hall = Hall(kit, one, two)
        stream = await hall.open()
        await stream.push(CLAUSES[1], 1)
        stream.cancel(1)
        await stream.flush(1)
        await stream.push(CLAUSES[1], 1)
        await asyncio.sleep(5)
        assert not hall.switches
        await hall.say({3: CLAUSES[3]})
        await hall.close(after=3)
        assert texts(hall) == {3: CLAUSES[3]}

    run_virtual(main())


def test_where_nobody_can_speak_clauses_end_silent_and_the_next_is_tried(kit: Any) -> None:
    async def main() -> None:
        one, two = kit.Speaker("one"), kit.Speaker("two")
        hall = Hall(kit, one, two)
        await hall.open()
        await hall.say({1: CLAUSES[1]})
        await asyncio.sleep(0.2)
        one.fault = two.fault = "dead"
        await hall.heard_out(1)
        assert hall.errors == ["one broke off"]
        assert hall.switches[-1].to_engine is None
        with pytest.raises(LegError):
            await hall.stream.push("again", 2)
        one.fault = ""
        await asyncio.sleep(6)
        await hall.say({3: CLAUSES[3]})
        await hall.close(after=3)
        assert texts(hall)[3] == CLAUSES[3]

    run_virtual(main())


def test_voices_are_each_engines_own(kit: Any) -> None:
    async def main() -> None:
        one, two = kit.Speaker("one"), kit.Speaker("two")
        hall = Hall(kit, one, two, voices={"warm": {"one": "a-1", "two": "b-2"}})
        stream = await hall.routed.open(voice="warm", language="pt", rate_hz=24000)
        await asyncio.sleep(0.01)
        assert one.options == {"voice": "a-1", "language": "pt", "rate_hz": 24000}
        assert two.options == {"voice": "b-2", "language": "pt", "rate_hz": 24000}
        await stream.aclose()

    run_virtual(main())


def test_the_first_choice_speaks_again_between_clauses(kit: Any) -> None:
    async def main() -> None:
        one, two = kit.Speaker("one"), kit.Speaker("two")
        hall = Hall(kit, one, two)
        stream = await hall.open()
        one.fault = "dead"
        await hall.say({1: CLAUSES[1]})
        await asyncio.sleep(3)
        assert stream.serving == "two"
        one.fault = ""
        await asyncio.sleep(6)
        await hall.say({2: CLAUSES[2]})  # lets its stream be opened beside
        await asyncio.sleep(3)
        await hall.say({3: CLAUSES[3]})
        await hall.close(after=3)
        assert texts(hall) == CLAUSES
        assert one.spoken == CLAUSES[3].split()

    run_virtual(main())


def test_a_guard_turns_the_dub_into_subtitles(kit: Any) -> None:
    class Guard:
        asked: list[Interval]
        reason = "today's cap"

        def __init__(self) -> None:
            self.asked = []

        def ask(self, interval: Interval) -> Verdict:
            self.asked.append(interval)
            return Verdict.DEGRADE if len(self.asked) > 1 else Verdict.GO

        def done(self, interval: Interval) -> None:
            pass

    async def main() -> None:
        guard = Guard()
        hall = Hall(kit, kit.Speaker("one"), guard=guard)
        await hall.open()
        await hall.say({1: CLAUSES[1]})
        with pytest.raises(LegCapped, match="cap"):
            await hall.stream.push(CLAUSES[2], 2)
        await hall.close(after=1)
        assert guard.asked[0] == Interval("tts", "one", len(CLAUSES[1]), "characters")
        assert texts(hall) == {1: CLAUSES[1]}

    run_virtual(main())


def test_a_thousand_failovers_leave_no_task_and_no_stream(kit: Any) -> None:
    async def main() -> None:
        speakers = [kit.Speaker("one"), kit.Speaker("two")]
        hall = Hall(kit, *speakers, retry_s=0.001, longest_retry_s=0.001)
        stream = await hall.open()
        for epoch in range(1000):
            await stream.push("a b", epoch)
            await stream.flush(epoch)
            serving = hall.speakers[stream.serving]
            serving.fault = "dead"
            await hall.heard_out(epoch)
            serving.fault = ""
        await hall.close()
        await asyncio.sleep(0.1)
        assert len(hall.switches) >= 1000
        assert all(speaker.opened == speaker.closed for speaker in speakers)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())
