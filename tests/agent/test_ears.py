from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from vivavoce.agent.backlog import Backlog
from vivavoce.agent.ears import Ears
from vivavoce.audio.pcm import Pcm
from vivavoce.clock import SystemClock, run_virtual
from vivavoce.errors import LegError

RATE_HZ, PIECE_MS = 16_000, 40


class Stream:
    """Notes what was pushed since the last reset, by the ms at which it ends."""

    def __init__(self) -> None:
        self.ends_ms: list[float] = []

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        self.ends_ms.append(pcm.end_ms)

    def reset(self) -> None:
        self.ends_ms.clear()


class Detector:
    """Says how much it was given, in s."""

    rate_hz, heard_ms = RATE_HZ, 800.0

    def __init__(self) -> None:
        self.fails = False

    async def complete(self, pcm: Pcm) -> float:
        if self.fails:
            raise LegError("no ear for it")
        return pcm.duration_ms / 1000


def heard(test: Any) -> None:
    async def main() -> None:
        stream, detector = Stream(), Detector()
        ears = Ears(stream, detector=detector)  # type: ignore[arg-type]
        await test(ears, stream, detector)

    run_virtual(main())


async def hears(ears: Ears, from_ms: int, until_ms: int, level: int = 10) -> None:
    for at_ms in range(from_ms, until_ms, PIECE_MS):
        await ears.push(Pcm(np.full(RATE_HZ * PIECE_MS // 1000, level, np.int16), RATE_HZ, at_ms))


def test_a_turn_begins_a_little_before_it_was_noticed() -> None:
    async def test(ears: Ears, stream: Stream, _: Detector) -> None:
        await hears(ears, 0, 2000)
        assert stream.ends_ms == []
        await ears.open()
        await hears(ears, 2000, 2080)
        assert (stream.ends_ms[0], stream.ends_ms[-1], len(stream.ends_ms)) == (1640, 2080, 12)

    heard(test)


def test_a_turn_that_was_held_goes_on_with_all_that_came_meanwhile() -> None:
    async def test(ears: Ears, stream: Stream, _: Detector) -> None:
        await ears.open()
        await hears(ears, 0, 400)
        ears.hold()
        await hears(ears, 400, 1400)
        assert not ears.listening
        await ears.open(again=True)
        assert stream.ends_ms == list(range(40, 1401, 40))

    heard(test)


def test_another_turn_forgets_the_one_that_was_held() -> None:
    async def test(ears: Ears, stream: Stream, _: Detector) -> None:
        await ears.open()
        await hears(ears, 0, 400)
        ears.hold()
        await hears(ears, 400, 1400)
        await ears.open()
        assert (stream.ends_ms[0], stream.ends_ms[-1]) == (1040, 1400)

    heard(test)


def test_a_turn_that_was_closed_leaves_nothing() -> None:
    async def test(ears: Ears, stream: Stream, _: Detector) -> None:
        await ears.open()
        await hears(ears, 0, 400)
        ears.close()
        assert stream.ends_ms == []
        assert await ears.complete() is None
        await ears.open()
        assert stream.ends_ms == []

    heard(test)


def test_the_detector_hears_the_newest_of_a_turn_and_is_done_without_where_it_fails() -> None:
    async def test(ears: Ears, _: Stream, detector: Detector) -> None:
        assert await ears.complete() is None
        await ears.open()
        await hears(ears, 0, 400)
        assert await ears.complete() == 0.4
        await hears(ears, 400, 4000)
        assert await ears.complete() == 0.8
        detector.fails = True
        assert await ears.complete() is None

    heard(test)


def test_sound_stirs_that_is_much_louder_than_it_just_was() -> None:
    async def test(ears: Ears, _: Stream, __: Detector) -> None:
        assert not ears.stirred
        await hears(ears, 0, 400, level=50)
        await hears(ears, 400, 440, level=150)
        assert not ears.stirred, "three times is not much"
        await hears(ears, 440, 480, level=600)
        assert ears.stirred
        await hears(ears, 480, 1600, level=600)
        assert not ears.stirred, "it has become what is usual"
        await hears(ears, 1600, 1640, level=1)
        await hears(ears, 1640, 1680, level=50)
        assert not ears.stirred, "too soft for a voice"

    heard(test)


def test_who_waits_for_a_final_is_counted() -> None:
    async def main() -> None:
        backlog = Backlog(SystemClock(), at_once=1)

        class Silent(Stream):
            async def finalise(self, epoch: int) -> None:
                assert backlog.crowded

        ears = Ears(Silent(), backlog=backlog)  # type: ignore[arg-type]
        waiting = asyncio.get_running_loop().create_task(ears.final())
        await asyncio.sleep(0)
        assert ears.crowded
        waiting.cancel()
        await asyncio.wait([waiting])
        assert not ears.crowded

    run_virtual(main())
