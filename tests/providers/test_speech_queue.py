from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import run_virtual
from vivavoce.errors import LegError
from vivavoce.legs.values import SpeechChunk
from vivavoce.providers.speech_queue import SpeechQueue, Utterance

RATE_HZ = 8000


class Voice:
    """Speaks one chunk a word, 100 ms of sound in 100 ms of time. The word "fail" is an error, "still" is endless."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.closed = 0
        self.at_word = asyncio.Event()

    async def __call__(self, utterance: Utterance) -> AsyncGenerator[SpeechChunk, None]:
        try:
            for word in utterance.text.split():
                self.at_word.set()
                if word == "fail":
                    raise LegError("it cannot say that")
                await asyncio.sleep(3600 if word == "still" else 0.1 / utterance.speed)
                self.said.append(word)
                yield SpeechChunk(Pcm(np.ones(RATE_HZ // 10, np.int16), RATE_HZ), utterance.epoch, word)
        finally:
            self.closed += 1


@asynccontextmanager
async def speaking() -> AsyncIterator[tuple[SpeechQueue, Voice]]:
    voice = Voice()
    queue = SpeechQueue(voice, rate_hz=RATE_HZ)
    try:
        yield queue, voice
    finally:
        await queue.aclose()


async def until_last(queue: SpeechQueue, epoch: int) -> list[tuple[str, int, bool]]:
    heard = []
    async for chunk in queue:
        heard.append((chunk.text, chunk.epoch, chunk.last))
        if chunk.last and chunk.epoch == epoch:
            break
    return heard


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it, and see that it leaves no task."""

    async def watched() -> None:
        await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(watched())


def test_texts_are_spoken_in_order_and_the_last_chunk_is_marked() -> None:
    async def main() -> None:
        async with speaking() as (queue, _):
            await queue.push("one two", 1)
            await queue.push("three", 1)
            await queue.flush(1)
            await queue.push("four", 2)
            await queue.flush(2)
            assert await until_last(queue, 2) == [
                ("one", 1, False), ("two", 1, False), ("three", 1, False), ("", 1, True),
                ("four", 2, False), ("", 2, True),
            ]  # fmt: skip

    run(main())


def test_a_cancelled_text_stops_and_the_next_one_comes() -> None:
    async def main() -> None:
        async with speaking() as (queue, voice):
            await queue.push("still never", 1)
            await queue.push("nor this", 1)
            await queue.flush(1)
            await queue.push("next", 2)
            await queue.flush(2)
            await voice.at_word.wait()
            queue.cancel(1)
            assert await until_last(queue, 2) == [("next", 2, False), ("", 2, True)]
            assert voice.said == ["next"]
            assert voice.closed == 2

    run(main())


def test_sound_that_waits_to_be_taken_is_dropped_too() -> None:
    async def main() -> None:
        async with speaking() as (queue, voice):
            await queue.push("one two", 1)
            await queue.push("three", 2)
            await queue.flush(2)
            await asyncio.sleep(1)
            assert voice.said == ["one", "two", "three"]
            queue.cancel(1)
            assert await until_last(queue, 2) == [("three", 2, False), ("", 2, True)]

    run(main())


def test_an_epoch_may_be_used_again_once_all_is_quiet() -> None:
    async def main() -> None:
        async with speaking() as (queue, voice):
            await queue.push("still", 1)
            await voice.at_word.wait()
            queue.cancel(1)
            await queue.settle()
            await queue.push("again", 1)
            await queue.flush(1)
            assert await until_last(queue, 1) == [("again", 1, False), ("", 1, True)]

    run(main())


def test_an_error_is_raised_in_its_place_and_iteration_goes_on() -> None:
    async def main() -> None:
        async with speaking() as (queue, _):
            await queue.push("one fail two", 1)
            await queue.push("three", 1)
            await queue.flush(1)
            chunks = aiter(queue)
            assert (await anext(chunks)).text == "one"
            with pytest.raises(LegError, match="it cannot say that"):
                await anext(chunks)
            assert await until_last(queue, 1) == [("three", 1, False), ("", 1, True)]

    run(main())


def test_settle_waits_until_all_was_taken() -> None:
    async def main() -> None:
        async with speaking() as (queue, _):
            await queue.push("one two", 1)
            settled = asyncio.create_task(queue.settle())
            await asyncio.sleep(1)
            assert not settled.done()
            chunks = aiter(queue)
            assert [(await anext(chunks)).text for _ in range(2)] == ["one", "two"]
            await settled

    run(main())


def test_a_closed_voice_takes_nothing_and_lets_nobody_wait() -> None:
    async def main() -> None:
        async with speaking() as (queue, _):
            await queue.push("one", 1)
        for _ in range(100):
            with pytest.raises(LegError, match="closed"):
                await queue.push("two", 2)
        await queue.settle()

    run(main())


def test_sound_is_not_made_far_ahead_of_who_listens() -> None:
    async def main() -> None:
        async with speaking() as (queue, voice):
            await queue.push("word " * 1000, 1)
            await asyncio.sleep(200)
            assert len(voice.said) < 300

    run(main())


@pytest.mark.parametrize(("text", "closed"), [("one", 2), ("still", 1), ("word " * 1000, 1)])
def test_closing_ends_who_waits(text: str, closed: int) -> None:
    async def main() -> None:
        async with speaking() as (queue, voice):
            await queue.push(text, 1)
            await queue.push("more", 1)
            settling = asyncio.create_task(queue.settle())
            await asyncio.sleep(200)
            listening = asyncio.create_task(anext(aiter(queue), None))
            closing = asyncio.create_task(queue.aclose())
            await asyncio.wait([listening, closing])
            if listening.result() is not None:
                assert await anext(aiter(queue), None) is None
            await settling
            assert voice.closed == closed

    run(main())
