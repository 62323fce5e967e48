"""Recognition at its caps, on virtual time: who may not go on is followed by who may, and has not failed."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.clock import run_virtual
from vivavoce.errors import LegCapped, LegError
from vivavoce.routing.stt import RoutedStt

TEXT = "no no no I said that the the train is late and I am not not amused at all today"


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
