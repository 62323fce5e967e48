from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.clock import run_virtual
from vivavoce.errors import LegError, LegLost, LegRefused, LegTimeout
from vivavoce.legs.values import Word
from vivavoce.providers.contexts import ContextStream, Ended, Failed, Sink, Sound, Times

RATE_HZ = 8000
BURST = np.full(RATE_HZ // 10, 9000, "<i2").tobytes()


class Provider:
    """Speaks 100 ms of sound a word, in 100 ms; or in 3 s where it is "slow"."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.sinks: dict[str, Sink] = {}
        self.texts: dict[str, asyncio.Queue[str | None]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.names: dict[str, int] = {}
        self.most = 0
        self.under_way = 0
        self.late = False
        self.deaf = False

    def name(self, context: str) -> int:
        return self.names.setdefault(context, len(self.names) + 1)

    async def speak(self, context: str, text: str, sink: Sink, *, speed: float, begins: bool) -> None:
        self.asked.append((f"speak{self.name(context)}", text))
        if "refused" in text:
            raise LegRefused("too many", status=429)
        if begins:
            self.sinks[context], self.texts[context] = sink, asyncio.Queue()
            task = asyncio.create_task(self._say(context))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        self.texts[context].put_nowait(text)

    async def finish(self, context: str) -> None:
        self.asked.append((f"finish{self.name(context)}", ""))
        self.texts[context].put_nowait(None)

    async def cancel(self, context: str, *, overdue: bool = False) -> None:
        self.asked.append((f"cancel{self.name(context)}", "overdue" if overdue else ""))

    async def aclose(self) -> None:
        self.asked.append(("close", ""))

    async def _say(self, context: str) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        sink, at_ms = self.sinks[context], 0.0
        while (text := await self.texts[context].get()) is not None:
            for word in text.split():
                if self.deaf:
                    await asyncio.sleep(3600)
                if word == "fail":
                    sink(Failed(context, LegLost("it broke off")))
                    return
                await asyncio.sleep(3.0 if word == "slow" else 0.1)
                sink(Times(context, (Word(word, at_ms, at_ms + 100),)))
                sink(Sound(context, BURST))
                at_ms += 100
        sink(Ended(context))
        self.under_way -= 1


@asynccontextmanager
async def speaking(**options: Any) -> AsyncIterator[tuple[ContextStream, Provider]]:
    provider = Provider()
    stream = ContextStream(provider, rate_hz=RATE_HZ, made_hz=RATE_HZ, **options)
    try:
        yield stream, provider
    finally:
        await stream.aclose()
        for task in provider.tasks:
            task.cancel()
        await asyncio.gather(*provider.tasks, return_exceptions=True)


async def until_last(stream: ContextStream, epoch: int) -> list[tuple[str, int, bool]]:
    """(words, epoch, last) of each chunk, up to the last of that epoch."""
    heard = []
    async for chunk in stream:
        heard.append((" ".join(word.text for word in chunk.words or ()), chunk.epoch, chunk.last))
        if chunk.last and chunk.epoch == epoch:
            break
    return heard


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it, and see that it leaves no task."""

    async def watched() -> None:
        await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(watched())


def test_an_earlier_epoch_comes_first_however_long_its_sound_takes() -> None:
    async def main() -> None:
        async with speaking() as (stream, provider):
            await stream.push("slow one", 1)
            await stream.flush(1)
            await stream.push("two", 2)
            await stream.flush(2)
            assert await until_last(stream, 2) == [
                ("slow", 1, False), ("one", 1, False), ("", 1, True), ("two", 2, False), ("", 2, True),
            ]  # fmt: skip
            assert provider.most == 2

    run(main())


def test_texts_of_an_epoch_are_one_context_which_flush_ends() -> None:
    async def main() -> None:
        async with speaking() as (stream, provider):
            await stream.push("one two", 1)
            await stream.push("three", 1)
            await stream.flush(1)
            heard = await until_last(stream, 1)
            assert [words for words, _, _ in heard] == ["one", "two", "three", ""]
            assert provider.asked == [("speak1", "one two"), ("speak1", "three"), ("finish1", "")]

    run(main())


def test_failure_9_sound_of_a_cancelled_context_that_still_comes_is_dropped() -> None:
    async def main() -> None:
        async with speaking() as (stream, provider):
            await stream.push("one two three", 1)
            await stream.flush(1)
            chunks = aiter(stream)
            assert (await anext(chunks)).epoch == 1
            stream.cancel(1)
            await stream.push("next", 2)
            await stream.flush(2)
            assert await until_last(stream, 2) == [("next", 2, False), ("", 2, True)]
            await asyncio.sleep(1)
            assert ("cancel1", "") in provider.asked
            assert not provider.tasks  # it had said all of it nevertheless

    run(main())


def test_sound_that_waits_to_be_taken_is_dropped_with_its_epoch() -> None:
    async def main() -> None:
        async with speaking() as (stream, _):
            await stream.push("one two", 1)
            await stream.flush(1)
            await stream.push("three", 2)
            await stream.flush(2)
            await asyncio.sleep(1)
            stream.cancel(1)
            assert await until_last(stream, 2) == [("three", 2, False), ("", 2, True)]

    run(main())


def test_a_provider_that_speaks_one_context_at_once_gets_the_next_when_it_has_ended() -> None:
    async def main() -> None:
        async with speaking(at_once=1) as (stream, provider):
            for epoch in (1, 2, 3):
                await stream.push("one", epoch)
                await stream.flush(epoch)
            await until_last(stream, 3)
            assert provider.most == 1
            assert [asked for asked, _ in provider.asked] == [
                "speak1", "finish1", "speak2", "finish2", "speak3", "finish3",
            ]  # fmt: skip

    run(main())


def test_text_that_comes_too_late_for_its_context_gets_another_one() -> None:
    async def main() -> None:
        async with speaking(expires_s=0.9) as (stream, provider):
            await stream.push("one", 1)
            await asyncio.sleep(2)
            await stream.push("two", 1)
            await stream.flush(1)
            heard = await until_last(stream, 1)
            assert heard == [("one", 1, False), ("two", 1, False), ("", 1, True)]
            assert [asked for asked, _ in provider.asked] == ["speak1", "finish1", "speak2", "finish2"]

    run(main())


def test_text_of_another_epoch_ends_the_one_before_it() -> None:
    async def main() -> None:
        async with speaking() as (stream, _):
            await stream.push("one", 1)
            await stream.push("two", 2)
            await stream.push("three", 1)
            await stream.flush(1)
            assert await until_last(stream, 1) == [
                ("one", 1, False), ("two", 2, False), ("three", 1, False), ("", 1, True),
            ]  # fmt: skip

    run(main())


@pytest.mark.parametrize(("text", "kind"), [("one fail", LegLost), ("refused", LegRefused)])
def test_what_fails_is_raised_in_its_place_and_iteration_goes_on(text: str, kind: type[LegError]) -> None:
    async def main() -> None:
        async with speaking() as (stream, _):
            await stream.push("before", 1)
            await stream.flush(1)
            await stream.push(text, 2)
            await stream.flush(2)
            await stream.push("after", 3)
            await stream.flush(3)
            await until_last(stream, 1)
            with pytest.raises(kind):
                await until_last(stream, 2)
            assert await until_last(stream, 3) == [("", 2, True), ("after", 3, False), ("", 3, True)]

    run(main())


def test_text_after_a_failure_of_its_epoch_is_spoken() -> None:
    async def main() -> None:
        async with speaking() as (stream, _):
            await stream.push("fail", 1)
            with pytest.raises(LegLost):
                await until_last(stream, 1)
            await stream.push("again", 1)
            await stream.flush(1)
            assert await until_last(stream, 1) == [("again", 1, False), ("", 1, True)]

    run(main())


def test_failure_20_a_provider_that_says_nothing_is_noticed_when_its_sound_is_due() -> None:
    async def main() -> None:
        async with speaking(due_s=3.0) as (stream, provider):
            provider.deaf = True
            await stream.push("one", 1)
            await stream.flush(1)
            begun_s = asyncio.get_running_loop().time()
            with pytest.raises(LegTimeout, match="3 s"):
                await until_last(stream, 1)
            assert asyncio.get_running_loop().time() - begun_s == pytest.approx(3.0)
            assert await until_last(stream, 1) == [("", 1, True)]
            await asyncio.sleep(0.1)
            assert provider.asked[-1] == ("cancel1", "overdue")

    run(main())


def test_sound_that_keeps_coming_is_never_overdue() -> None:
    async def main() -> None:
        async with speaking(due_s=0.5) as (stream, _):
            await stream.push("word " * 50, 1)
            await stream.flush(1)
            assert len(await until_last(stream, 1)) == 51

    run(main())


def test_push_waits_while_a_minute_of_sound_was_not_taken() -> None:
    async def main() -> None:
        async with speaking() as (stream, _):
            await stream.push("word " * 700, 1)
            await asyncio.sleep(80)
            pushing = asyncio.create_task(stream.push("more", 1))
            await asyncio.sleep(10)
            assert not pushing.done()
            chunks = aiter(stream)
            for _ in range(101):
                await anext(chunks)
            await asyncio.wait([pushing], timeout=1)
            assert pushing.done()

    run(main())


def test_settle_waits_until_all_that_was_flushed_is_taken() -> None:
    async def main() -> None:
        async with speaking() as (stream, _):
            await stream.push("one", 1)
            await stream.flush(1)
            settled = asyncio.create_task(stream.settle())
            await asyncio.sleep(1)
            assert not settled.done()
            await until_last(stream, 1)
            await settled

    run(main())


def test_an_epoch_may_be_used_again_once_all_is_quiet() -> None:
    async def main() -> None:
        async with speaking() as (stream, _):
            await stream.push("slow", 1)
            stream.cancel(1)
            await stream.push("dropped too", 1)
            await stream.settle()
            await stream.push("again", 1)
            await stream.flush(1)
            assert await until_last(stream, 1) == [("again", 1, False), ("", 1, True)]

    run(main())


def test_an_epoch_without_text_ends_at_once() -> None:
    async def main() -> None:
        async with speaking() as (stream, provider):
            await stream.push("  ", 1)
            await stream.flush(1)
            assert await until_last(stream, 1) == [("", 1, True)]
            assert provider.asked == []

    run(main())


def test_closing_ends_who_waits_and_cancels_what_is_under_way() -> None:
    async def main() -> None:
        async with speaking() as (stream, provider):
            await stream.push("slow", 1)
            await stream.flush(1)
            listening = asyncio.create_task(anext(aiter(stream), None))
            settling = asyncio.create_task(stream.settle())
            await asyncio.sleep(1)
            await stream.aclose()
            await stream.aclose()
            assert await listening is None
            await settling
            assert provider.asked[-2:] == [("cancel1", ""), ("close", "")]
            with pytest.raises(LegError, match="closed"):
                await stream.push("two", 2)

    run(main())


_EPOCHS = st.lists(
    st.tuples(
        st.lists(st.integers(1, 3), max_size=3),  # words of each text
        st.floats(0, 0.5),  # before each text
        st.none() | st.floats(0, 1.5),  # from the flush to the cancellation
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(epochs=_EPOCHS, at_once=st.integers(1, 3))
def test_every_epoch_is_heard_whole_and_in_order_or_cancelled_for_good(
    epochs: list[tuple[list[int], float, float | None]], at_once: int
) -> None:
    async def main() -> None:
        async with speaking(at_once=at_once, expires_s=0.4) as (stream, _):
            heard: dict[int, list[str]] = {}
            order: list[int] = []
            cancelled: set[int] = set()

            async def listen() -> None:
                async for chunk in stream:
                    assert chunk.epoch not in cancelled
                    order.append(chunk.epoch)
                    heard.setdefault(chunk.epoch, []).extend(word.text for word in chunk.words or ())
                    if chunk.last:
                        heard[chunk.epoch].append("last")

            async def cancel(epoch: int, after_s: float) -> None:
                await asyncio.sleep(after_s)
                cancelled.add(epoch)
                stream.cancel(epoch)

            async with asyncio.TaskGroup() as group:
                listening = group.create_task(listen())
                cancelling = []
                for epoch, (texts, pause_s, cancel_s) in enumerate(epochs):
                    for number, words in enumerate(texts):
                        await asyncio.sleep(pause_s)
                        await stream.push(" ".join(f"{number}.{word}" for word in range(words)), epoch)
                    await stream.flush(epoch)
                    if cancel_s is not None:
                        cancelling.append(group.create_task(cancel(epoch, cancel_s)))
                await asyncio.gather(*cancelling)
                await stream.settle()
                listening.cancel()
            for epoch, (texts, _, _) in enumerate(epochs):
                whole = [f"{number}.{word}" for number, words in enumerate(texts) for word in range(words)]
                if epoch in cancelled:
                    assert [*whole, "last"][: len(heard.get(epoch, []))] == heard.get(epoch, [])
                else:
                    assert heard[epoch] == [*whole, "last"]
            assert order == sorted(order)

    run(main())


def test_cancelling_who_listens_loses_nothing() -> None:
    async def main() -> None:
        async with speaking() as (stream, _):
            await stream.push("one two", 1)
            await stream.flush(1)
            listening = asyncio.create_task(until_last(stream, 1))
            await asyncio.sleep(0.05)
            listening.cancel()
            await asyncio.wait([listening])
            assert [words for words, _, _ in await until_last(stream, 1)] == ["one", "two", ""]

    run(main())
