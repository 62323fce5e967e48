"""The stream over a blocking engine: real threads, and an engine that says how much sound it was given."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegError
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.providers.utterance import KEPT_WORDS, Stretch, Transcript, UtteranceStream, spread_words

RATE_HZ = 1000
WORD_MS = 100.0


def decode(stretch: Stretch) -> Transcript:
    """One word for each 100 ms of sound, named after its place in the session, after the prefix."""
    end_ms = stretch.start_ms + 1000.0 * len(stretch.samples) / stretch.rate_hz
    after_ms = stretch.prefix[-1].end_ms if stretch.prefix else stretch.start_ms
    places = range(round(after_ms / WORD_MS), int(end_ms / WORD_MS))
    return Transcript(tuple(Word(f"w{n}", n * WORD_MS, (n + 1) * WORD_MS) for n in places), stretch.language)


class Held:
    """Decodes when it is let: each request waits for its turn, so that a test decides the order of answers."""

    def __init__(self, inner: Callable[[Stretch], Transcript] = decode) -> None:
        self._inner = inner
        self.partial, self.final = threading.Event(), threading.Event()
        self.begun: list[bool] = []

    def __call__(self, stretch: Stretch) -> Transcript:
        self.begun.append(stretch.final)
        assert (self.final if stretch.final else self.partial).wait(20)
        return self._inner(stretch)


@pytest.fixture
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def sound(start_ms: float, duration_ms: float) -> Pcm:
    return Pcm(np.ones(round(duration_ms * RATE_HZ / 1000), np.int16), RATE_HZ, start_ms)


def stream_over(engine: Callable[[Stretch], Transcript], executor: Executor) -> UtteranceStream:
    return UtteranceStream(engine, executor=executor, language="en", rate_hz=RATE_HZ)


async def following(stream: UtteranceStream) -> AsyncIterator[Hypothesis]:
    async with asyncio.timeout(20):
        async for hypothesis in stream:
            yield hypothesis


def test_a_partial_and_a_final_are_answered(executor: Executor) -> None:
    async def main() -> None:
        stream = stream_over(decode, executor)
        answers = following(stream)
        await stream.push(sound(500, 300))
        stream.partial()
        partial = await anext(answers)
        assert (partial.text, partial.final, partial.language) == ("w5 w6 w7", False, "en")
        await stream.finalise(7)
        final = await anext(answers)
        assert (final.text, final.final, final.epoch) == ("w5 w6 w7", True, 7)
        await stream.aclose()
        assert [answer async for answer in answers] == []

    asyncio.run(main())


def test_only_one_partial_is_under_way(executor: Executor) -> None:
    async def main() -> None:
        engine = Held()
        stream = stream_over(engine, executor)
        stream.partial()  # nothing was pushed yet
        await stream.push(sound(0, 300))
        stream.partial()
        stream.partial()
        engine.partial.set()
        await stream.settle()
        assert engine.begun == [False]
        stream.partial()
        await stream.settle()
        assert engine.begun == [False, False]
        await stream.aclose()

    asyncio.run(main())


def test_a_final_does_not_wait_for_a_partial(executor: Executor) -> None:
    async def main() -> None:
        engine = Held()
        stream = stream_over(engine, executor)
        answers = following(stream)
        await stream.push(sound(0, 300))
        stream.partial()
        await stream.finalise(3)
        engine.final.set()
        assert (await anext(answers)).epoch == 3
        engine.partial.set()
        assert not (await anext(answers)).final
        await stream.aclose()

    asyncio.run(main())


def test_answers_that_come_after_a_reset_are_dropped(executor: Executor) -> None:
    async def main() -> None:
        engine = Held()
        stream = stream_over(engine, executor)
        answers = following(stream)
        await stream.push(sound(0, 300))
        stream.partial()
        await stream.finalise(1)
        stream.reset()
        engine.partial.set()
        engine.final.set()
        await stream.settle()
        await stream.push(sound(1000, 200))
        await stream.finalise(2)
        answer = await anext(answers)
        assert (answer.text, answer.epoch) == ("w10 w11", 2)
        await stream.aclose()

    asyncio.run(main())


def test_committed_words_are_missing_from_later_hypotheses(executor: Executor) -> None:
    async def main() -> None:
        stream = stream_over(decode, executor)
        answers = following(stream)
        await stream.push(sound(0, 400))
        stream.partial()
        first = await anext(answers)
        stream.commit(first.words[:2])
        await stream.push(sound(400, 100))
        stream.partial()
        second = await anext(answers)
        assert (second.text, second.committed_until_ms) == ("w2 w3 w4", 200)
        await stream.aclose()

    asyncio.run(main())


def test_words_committed_while_it_was_decoded_are_taken_off_an_answer(executor: Executor) -> None:
    async def main() -> None:
        engine = Held()
        stream = stream_over(engine, executor)
        answers = following(stream)
        await stream.push(sound(0, 400))
        await stream.finalise(1)
        stream.commit(decode(Stretch(np.zeros(200, np.float32), RATE_HZ, 0, (), "en", False)).words)
        engine.final.set()
        answer = await anext(answers)
        assert (answer.text, answer.committed_until_ms) == ("w2 w3", 200)
        await stream.aclose()

    asyncio.run(main())


def test_what_was_heard_last_is_the_draft_of_the_next(executor: Executor) -> None:
    drafts: list[str] = []

    def noting(stretch: Stretch) -> Transcript:
        drafts.append(" ".join(word.text for word in stretch.draft))
        return decode(stretch)

    async def main() -> None:
        stream = stream_over(noting, executor)
        answers = following(stream)
        await stream.push(sound(0, 400))
        stream.partial()
        first = await anext(answers)
        stream.commit(first.words[:1])
        await stream.push(sound(400, 100))
        stream.partial()
        await anext(answers)
        stream.reset()
        await stream.push(sound(500, 100))
        await stream.finalise(1)
        await anext(answers)
        await stream.aclose()

    asyncio.run(main())
    assert drafts == ["", "w1 w2 w3", ""]


def test_a_partial_that_disagrees_with_committed_words_is_dropped(executor: Executor) -> None:
    async def main() -> None:
        engine = Held()
        stream = stream_over(engine, executor)
        answers = following(stream)
        await stream.push(sound(0, 400))
        stream.partial()
        stream.commit([Word("other", 0, 100)])
        engine.partial.set()
        await stream.settle()
        engine.final.set()
        await stream.finalise(1)
        assert (await anext(answers)).final
        await stream.aclose()

    asyncio.run(main())


def test_sound_of_words_settled_long_ago_is_forgotten(executor: Executor) -> None:
    async def main() -> None:
        given: list[Stretch] = []

        def engine(stretch: Stretch) -> Transcript:
            given.append(stretch)
            return decode(stretch)

        stream = stream_over(engine, executor)
        answers = following(stream)
        for n in range(30):
            await stream.push(sound(n * 1000, 1000))
            stream.partial()
            stream.commit((await anext(answers)).words[:-1])
        await stream.finalise(1)
        assert (await anext(answers)).text == "w299"
        assert max(len(stretch.prefix) for stretch in given) == KEPT_WORDS
        assert max(len(stretch.samples) for stretch in given) <= (KEPT_WORDS + 11) * WORD_MS
        await stream.aclose()

    asyncio.run(main())


def test_sound_that_gives_no_words_is_forgotten_before_it_is_too_long(executor: Executor) -> None:
    async def main() -> None:
        given: list[Stretch] = []

        def deaf(stretch: Stretch) -> Transcript:
            given.append(stretch)
            return Transcript((), "en")

        stream = stream_over(deaf, executor)
        for n in range(100):
            await stream.push(sound(n * 1000, 1000))
        await stream.finalise(1)
        await stream.settle()
        assert 20_000 <= len(given[0].samples) <= 28_000
        assert given[0].start_ms + len(given[0].samples) == 100_000
        await stream.aclose()

    asyncio.run(main())


def test_an_engine_that_breaks_in_its_own_way_is_told_unless_nobody_waits_for_it(executor: Executor) -> None:
    class Strange(Exception):
        pass

    def broken(stretch: Stretch) -> Transcript:
        raise Strange("node 7")

    async def main() -> None:
        engine = Held(broken)
        stream = stream_over(engine, executor)
        answers = following(stream)
        await stream.push(sound(0, 300))
        await stream.finalise(1)
        stream.reset()
        engine.final.set()
        await stream.settle()
        await stream.push(sound(1000, 300))
        stream.partial()
        engine.partial.set()
        with pytest.raises(LegError, match="node 7"):
            await anext(answers)
        assert engine.begun == [True, False]
        await stream.aclose()
        assert [answer async for answer in following(stream)] == []

    asyncio.run(main())


def test_an_engine_that_fails_is_told_to_whoever_listens(executor: Executor) -> None:
    async def main() -> None:
        def broken(stretch: Stretch) -> Transcript:
            raise LegError("out of memory")

        stream = stream_over(broken, executor)
        answers = following(stream)
        await stream.push(sound(0, 300))
        await stream.finalise(1)
        with pytest.raises(LegError, match="out of memory"):
            await anext(answers)
        await stream.aclose()

    asyncio.run(main())


def test_closing_while_it_decodes_leaves_no_task(executor: Executor) -> None:
    async def main() -> None:
        engine = Held()
        stream = stream_over(engine, executor)
        await stream.push(sound(0, 300))
        stream.partial()
        await stream.finalise(1)
        await asyncio.sleep(0)
        await stream.aclose()
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        engine.partial.set()
        engine.final.set()

    asyncio.run(main())


def test_words_share_a_stretch_by_their_letters() -> None:
    words = spread_words(["a", "bcd"], start_ms=100, end_ms=700, confidence=0.5)
    assert words == (Word("a", 100, 300, 0.5), Word("bcd", 300, 700, 0.5))


def test_a_final_that_nobody_has_begun_gives_way_to_a_newer_one(executor: Executor) -> None:
    async def main() -> None:
        engine = Held()
        with ThreadPoolExecutor(1) as alone:
            stream = stream_over(engine, alone)
            answers = following(stream)
            await stream.push(sound(0, 100))
            for epoch in (1, 2, 3):
                await stream.finalise(epoch)
            engine.final.set()
            assert [(await anext(answers)).epoch for _ in range(2)] == [1, 3]
            await stream.settle()
            assert engine.begun == [True, True]
            await stream.aclose()

    asyncio.run(main())
