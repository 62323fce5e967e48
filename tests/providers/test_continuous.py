"""The stream over a recogniser that speaks by itself; the recogniser here says what the test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.clock import run_virtual
from vivavoce.errors import LegError, LegLost
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.providers.continuous import ContinuousStream, Result

RATE_HZ = 1000


class Line:
    """What was asked of it, and a queue of what it says."""

    def __init__(self) -> None:
        self.samples = self.finalised = 0
        self.closed = False
        self.says: asyncio.Queue[Result | Exception | None] = asyncio.Queue()

    async def send(self, samples: Samples) -> None:
        assert len(samples)
        self.samples += len(samples)

    async def finalise(self) -> None:
        self.finalised += 1

    async def __aiter__(self) -> AsyncIterator[Result]:
        while (said := await self.says.get()) is not None:
            if isinstance(said, Exception):
                raise said
            yield said
            self.says.task_done()

    async def aclose(self) -> None:
        self.closed = True

    def say(
        self, text: str, *, until: float, final: bool = False, answer: bool = False, at: float = 0.0, language: str = ""
    ) -> None:
        """Words of 100 ms each from `at` on, all in ms of the stream."""
        words = tuple(Word(each, at + 100 * n, at + 100 * n + 100) for n, each in enumerate(text.split()))
        self.says.put_nowait(Result(words, final or answer, until, from_finalise=answer, language=language))


class Session:
    def __init__(self) -> None:
        self.line = Line()
        self.stream = ContinuousStream(self.line, language="en", rate_hz=RATE_HZ, cadence_ms=250)
        self._answers = aiter(self.stream)

    async def push(self, start_ms: float, duration_ms: float) -> None:
        await self.stream.push(Pcm(np.ones(round(duration_ms), np.int16), RATE_HZ, start_ms))

    async def next(self) -> Hypothesis:
        async with asyncio.timeout(10):
            return await anext(self._answers)

    async def quiet(self) -> None:
        """Let everything that was said arrive; nothing may come of it."""
        await self.line.says.join()
        waiting = asyncio.ensure_future(anext(self._answers))
        done, _ = await asyncio.wait([waiting], timeout=60)
        assert not done
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        self._answers = aiter(self.stream)


def texts(hypothesis: Hypothesis) -> list[str]:
    return [word.text for word in hypothesis.words]


def test_interims_replace_each_other_and_finals_gather() -> None:
    async def main() -> None:
        session = Session()
        await session.push(1000, 600)
        session.line.say("a be", until=200)
        first = await session.next()
        assert (texts(first), first.final, first.language) == (["a", "be"], False, "en")
        assert [(word.start_ms, word.end_ms) for word in first.words] == [(1000, 1100), (1100, 1200)]
        assert (first.committed_until_ms, first.heard_until_ms) == (1000, 1200)
        session.line.say("a b", until=200, final=True)
        assert texts(await session.next()) == ["a", "b"]
        session.line.say("sea", until=300, at=200)
        assert texts(await session.next()) == ["a", "b", "sea"]
        session.line.say("c", until=300, at=200, language="es")
        last = await session.next()
        assert (texts(last), last.language) == (["a", "b", "c"], "es")
        await session.stream.aclose()

    run_virtual(main())


def test_an_unread_interim_gives_way_to_a_newer_one_and_both_to_the_answer() -> None:
    async def main() -> None:
        session = Session()
        await session.push(0, 600)
        session.line.say("a", until=100)
        session.line.say("a b", until=200)
        await session.line.says.join()
        assert texts(await session.next()) == ["a", "b"]
        await session.stream.finalise(4)
        session.line.say("a b c", until=300)
        session.line.say("a b d", until=600, answer=True)
        await session.line.says.join()
        await session.stream.settle()
        answer = await session.next()
        assert (texts(answer), answer.final, answer.epoch) == (["a", "b", "d"], True, 4)
        await session.quiet()
        await session.stream.aclose()

    run_virtual(main())


def test_stretches_that_were_left_out_are_there_again_in_session_time() -> None:
    async def main() -> None:
        session = Session()
        for start_ms, duration_ms in ((500, 20), (520, 180), (5000, 200), (9000, 200)):
            await session.push(start_ms, duration_ms)
        session.line.say("a b c d e f", until=600)
        hypothesis = await session.next()
        assert [(word.start_ms, word.end_ms) for word in hypothesis.words] == [
            (500, 600), (600, 700), (5000, 5100), (5100, 5200), (9000, 9100), (9100, 9200),
        ]  # fmt: skip
        assert hypothesis.heard_until_ms == 9200
        await session.stream.aclose()

    run_virtual(main())


def test_committed_words_are_taken_off_though_they_are_timed_otherwise() -> None:
    async def main() -> None:
        session = Session()
        await session.push(0, 2000)
        session.line.say("the the the cat", until=500)
        first = await session.next()
        session.stream.commit(first.words[:2])
        session.line.say("The the the cat sat", until=600, at=30)
        second = await session.next()
        assert texts(second) == ["the", "cat", "sat"]
        assert second.committed_until_ms == 200
        await session.stream.aclose()

    run_virtual(main())


def test_a_long_utterance_keeps_little_of_what_was_settled() -> None:
    async def main() -> None:
        session = Session()
        for number in range(300):
            await session.push(100 * number, 100)
            session.line.say(f"w{number}", until=100 * number + 100, at=100 * number, final=True)
            hypothesis = await session.next()
            assert texts(hypothesis) == [f"w{number}"]
            session.stream.commit(hypothesis.words)
        assert len(session.stream._finals) < 40
        await session.stream.aclose()

    run_virtual(main())


def test_what_was_before_a_reset_is_dropped_whenever_it_comes() -> None:
    async def main() -> None:
        session = Session()
        await session.push(0, 400)
        session.line.say("old", until=100)
        await session.next()
        await session.stream.finalise(1)
        session.stream.reset()
        await session.stream.settle()
        session.line.say("old older", until=400, answer=True)
        await session.quiet()
        await session.push(7000, 400)
        await session.stream.finalise(2)
        session.line.say("older new", until=800, at=300, answer=True)
        answer = await session.next()
        assert (texts(answer), answer.epoch) == (["new"], 2)
        assert (answer.committed_until_ms, answer.words[0].start_ms) == (7000, 7000)
        await session.stream.aclose()

    run_virtual(main())


def test_the_answer_to_an_overtaken_finalise_does_not_answer_the_next() -> None:
    async def main() -> None:
        session = Session()
        await session.push(0, 400)
        await session.stream.finalise(1)
        session.stream.reset()
        await session.push(400, 400)
        await session.stream.finalise(2)
        session.line.say("a", until=400, answer=True)
        await session.quiet()
        session.line.say("b", until=800, at=500, answer=True)
        answer = await session.next()
        assert (texts(answer), answer.epoch) == (["b"], 2)
        await session.push(800, 400)
        await session.stream.finalise(3)
        await session.push(1200, 400)
        await session.stream.finalise(4)
        session.line.say("c", until=1200, at=900, answer=True)
        assert not (await session.next()).final
        session.line.say("d", until=1600, at=1300, answer=True)
        answer = await session.next()
        assert (texts(answer), answer.epoch) == (["b", "c", "d"], 4)
        await session.stream.aclose()

    run_virtual(main())


def test_a_finalise_with_nothing_worth_an_answer_is_answered_at_once() -> None:
    async def main() -> None:
        session = Session()
        await session.stream.finalise(1)
        answer = await session.next()
        assert (texts(answer), answer.final, answer.epoch, session.line.finalised) == ([], True, 1, 0)
        await session.push(0, 500)
        session.line.say("a b c d", until=420, final=True)
        await session.next()
        await session.stream.finalise(2)
        assert (await session.next()).epoch == 2
        assert session.line.finalised == 0
        session.stream.reset()
        await session.stream.finalise(3)
        answer = await session.next()
        assert (texts(answer), answer.epoch) == ([], 3)
        # A final that came by itself while the question was under way leaves nothing to answer either.
        await session.push(500, 400)
        await session.stream.finalise(4)
        session.line.say("e", until=850, at=500, final=True)
        answer = await session.next()
        assert (texts(answer), answer.epoch, session.line.finalised) == (["e"], 4, 1)
        await session.stream.aclose()

    run_virtual(main())


def test_what_breaks_the_line_is_raised_to_all() -> None:
    async def main() -> None:
        session = Session()
        await session.push(0, 400)
        await session.stream.finalise(1)
        session.line.say("a", until=400)
        session.line.says.put_nowait(LegLost("deepgram: the connection broke off"))
        assert texts(await session.next()) == ["a"]
        with pytest.raises(LegLost, match="broke off"):
            await session.next()
        await session.stream.settle()
        with pytest.raises(LegLost, match="broke off"):
            await session.push(400, 100)
        with pytest.raises(LegLost, match="broke off"):
            await session.stream.finalise(2)
        # Whoever goes on iterating is not told again and again.
        again = asyncio.ensure_future(anext(aiter(session.stream), None))
        assert (await asyncio.wait([again], timeout=60))[1]
        await session.stream.aclose()
        assert await again is None

    run_virtual(main())


@pytest.mark.parametrize(("end", "kind"), [(None, LegLost), (RuntimeError("odd"), LegError)])
def test_an_end_and_a_defect_are_errors_of_the_leg(end: Exception | None, kind: type[LegError]) -> None:
    async def main() -> None:
        session = Session()
        session.line.says.put_nowait(end)
        with pytest.raises(kind):
            await session.next()
        await session.stream.aclose()

    run_virtual(main())


def test_closing_ends_iteration_and_waiting_and_may_be_repeated() -> None:
    async def main() -> None:
        session = Session()
        await session.push(0, 400)
        await session.stream.finalise(1)
        waiting = asyncio.ensure_future(anext(aiter(session.stream), None))
        settling = asyncio.ensure_future(session.stream.settle())
        await asyncio.sleep(0)
        await asyncio.gather(session.stream.aclose(), session.stream.aclose())
        assert await waiting is None
        await settling
        assert session.line.closed
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_no_empty_sound_is_sent_and_partial_asks_for_nothing() -> None:
    async def main() -> None:
        session = Session()
        await session.push(0, 0)
        session.stream.partial()
        assert (session.line.samples, session.line.finalised) == (0, 0)
        assert session.stream.cadence_ms == 250
        await session.stream.aclose()

    run_virtual(main())
