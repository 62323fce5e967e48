from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.errors import LegError
from vivavoce.legs.values import SpeechChunk, Word
from vivavoce.providers.espeak import Espeak
from vivavoce.providers.speech_queue import SpeechQueue, Utterance
from vivavoce.providers.synthesis_cache import CachedSpeech, SynthesisCache
from vivavoce.providers.synthesis_store import Sound, SynthesisStore, has_no_slot

LONG = "Bom dia a todos, hoje vamos falar de muitas coisas diferentes e interessantes. " * 20


class Counted:
    """espeak that notes what it is asked to say; a text in `fails` is refused."""

    def __init__(self) -> None:
        try:
            ctypes.CDLL("libespeak-ng.so.1")
        except OSError:
            pytest.skip("espeak-ng is not installed")
        self._espeak = Espeak()
        self.asked: list[str] = []
        self.leads_ms: list[float] = []
        self.fails: set[str] = set()
        self.breaks: set[str] = set()

    async def open(self, *, voice: str, language: str, rate_hz: int) -> SpeechQueue:
        queue = await self._espeak.open(voice=voice, language=language, rate_hz=rate_hz)
        speak = queue._speak

        async def counted(utterance: Utterance) -> AsyncGenerator[SpeechChunk, None]:
            self.asked.append(utterance.text)
            self.leads_ms.append(utterance.lead_ms)
            if utterance.text in self.fails:
                raise LegError("refused")
            if utterance.text in self.breaks:
                raise OSError("no such engine")
            async for chunk in speak(utterance):
                yield chunk

        queue._speak = counted
        return queue

    async def warm_up(self) -> None:
        await self._espeak.warm_up()

    async def aclose(self) -> None:
        await self._espeak.aclose()


@asynccontextmanager
async def caching(
    *, memory_bytes: int = 1 << 24, folder: Path | None = None, persist: Callable[[str], bool] = lambda _: True
) -> AsyncIterator[tuple[CachedSpeech, Counted]]:
    inner = Counted()
    leg = SynthesisCache(inner, provider="espeak", memory_bytes=memory_bytes, folder=folder, persist=persist)
    try:
        stream = await leg.open(voice="", language="pt", rate_hz=24_000)
        try:
            yield stream, inner
        finally:
            await stream.aclose()
            assert [chunk async for chunk in stream if chunk.last] == []
    finally:
        await leg.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not any("espeak_worker" in word for child in psutil.Process().children() for word in child.cmdline())


async def until_last(stream: CachedSpeech, epoch: int) -> list[SpeechChunk]:
    chunks = []
    async for chunk in stream:
        chunks.append(chunk)
        if chunk.last and chunk.epoch == epoch:
            break
    return chunks


async def say(stream: CachedSpeech, epoch: int, *texts: str, speed: float = 1.0) -> list[SpeechChunk]:
    for text in texts:
        await stream.push(text, epoch, speed=speed)
    await stream.flush(epoch)
    return await until_last(stream, epoch)


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def samples_of(chunks: list[SpeechChunk]) -> Samples:
    return np.concatenate([chunk.pcm.samples for chunk in chunks])


def test_a_hit_is_the_miss_sample_by_sample() -> None:
    async def main() -> None:
        async with caching() as (stream, inner):
            miss, hit = await say(stream, 1, "bom dia"), await say(stream, 2, "bom dia")
            assert inner.asked == ["bom dia"]
            assert len(samples_of(miss)) > 5_000
            np.testing.assert_array_equal(samples_of(miss), samples_of(hit))
            assert [chunk.text for chunk in hit] == ["bom dia", ""]
            assert [chunk.last for chunk in hit] == [False, True]
            assert {chunk.epoch for chunk in hit} == {2}

    asyncio.run(main())


def test_the_time_there_is_for_a_text_is_passed_on_and_does_not_tell_sounds_apart() -> None:
    async def main() -> None:
        async with caching() as (stream, inner):
            for epoch, lead_ms in ((1, 700.0), (2, 0.0)):
                await stream.push("bom dia", epoch, lead_ms=lead_ms)
                await stream.flush(epoch)
                await until_last(stream, epoch)
            assert inner.leads_ms == [700.0]

    asyncio.run(main())


def test_another_speed_is_another_sound() -> None:
    async def main() -> None:
        async with caching() as (stream, inner):
            usual, faster = await say(stream, 1, "bom dia"), await say(stream, 2, "bom dia", speed=1.25)
            assert len(inner.asked) == 2
            assert len(samples_of(faster)) < len(samples_of(usual))

    asyncio.run(main())


def test_hits_keep_their_place_among_misses_under_way() -> None:
    async def main() -> None:
        async with caching() as (stream, inner):
            await say(stream, 0, "sim")
            for epoch, text in enumerate(["um momento", "sim", "muito bem", "sim"], start=1):
                await stream.push(text, epoch)
                await stream.flush(epoch)
            chunks = await until_last(stream, 4)
            assert [chunk.text for chunk in chunks if chunk.text] == ["um momento", "sim", "muito bem", "sim"]
            assert [chunk.epoch for chunk in chunks if chunk.last] == [1, 2, 3, 4]
            assert inner.asked == ["sim", "um momento", "muito bem"]

    asyncio.run(main())


def test_a_hit_first_in_line_does_not_wait_for_the_engine() -> None:
    async def main() -> None:
        async with caching() as (stream, _):
            await say(stream, 0, "sim")
            await stream.push("sim", 1)
            chunks = aiter(stream)
            first = asyncio.ensure_future(anext(chunks))
            await asyncio.sleep(0)  # one turn of the loop: no process can have answered in it
            assert first.done()
            assert first.result().text == "sim"

    asyncio.run(main())


def test_what_was_cancelled_is_not_kept_and_what_follows_comes() -> None:
    async def main() -> None:
        async with caching() as (stream, inner):
            await say(stream, 0, "sim")
            await stream.push(LONG, 1)
            chunks = aiter(stream)
            assert (await anext(chunks)).epoch == 1
            stream.cancel(1)
            rest = await say(stream, 2, "sim", "muito bem")
            assert {chunk.epoch for chunk in rest} == {2}
            whole = await say(stream, 3, LONG)
            assert inner.asked == ["sim", LONG, "muito bem", LONG]
            assert len(samples_of(whole)) > 24_000 * 30

    asyncio.run(main())


def test_settle_waits_until_all_was_taken() -> None:
    async def main() -> None:
        async with caching() as (stream, _):
            await stream.push("bom dia", 1)
            await stream.flush(1)
            settled = asyncio.create_task(stream.settle())
            taken = []
            async for chunk in stream:
                assert not settled.done()
                taken.append(chunk)
                if chunk.last:
                    break
            taker = asyncio.ensure_future(anext(aiter(stream)))
            await settled
            taker.cancel()
            assert taken[-1].last

    asyncio.run(main())


def test_a_text_that_fails_is_raised_in_its_place_and_asked_again() -> None:
    async def main() -> None:
        async with caching() as (stream, inner):
            inner.fails.add("muito bem")
            with pytest.raises(LegError, match="refused"):
                await say(stream, 1, "sim", "muito bem", "bom dia")
            rest = await until_last(stream, 1)
            assert [chunk.text for chunk in rest if chunk.text] == ["bom dia"]
            inner.fails.clear()
            assert len(samples_of(await say(stream, 2, "muito bem"))) > 5_000

    asyncio.run(main())


def test_an_engine_that_breaks_is_not_taken_for_one_that_is_done() -> None:
    async def main() -> None:
        inner = Counted()
        inner.breaks.add("Bom dia.")
        leg = SynthesisCache(inner, provider="espeak")
        stream = await leg.open(voice="", language="pt", rate_hz=24_000)
        with pytest.raises(OSError, match="no such engine"):
            await say(stream, 1, "Bom dia.")
        with pytest.raises(LegError, match="broke"):
            await stream.push("Boa noite.", 2)
        await stream.aclose()
        await leg.aclose()

    asyncio.run(main())


def test_memory_stays_within_its_bound() -> None:
    async def main() -> None:
        async with caching(memory_bytes=60_000) as (stream, inner):
            for epoch, text in enumerate(["sim", "não", "bom dia", "muito bem", "sim", "sim"]):
                await say(stream, epoch, text)
                assert stream._store.bytes_held <= 60_000
            assert inner.asked == ["sim", "não", "bom dia", "muito bem", "sim"]

    asyncio.run(main())


def test_a_sound_on_disk_is_found_by_the_next_run(tmp_path: Path) -> None:
    async def main() -> None:
        async with caching(folder=tmp_path) as (stream, _):
            made = await say(stream, 1, "bom dia")
        assert [path.suffix for path in files(tmp_path)] == [".speech"]
        async with caching(folder=tmp_path) as (stream, inner):
            found = await say(stream, 1, "bom dia")
            assert inner.asked == []
        np.testing.assert_array_equal(samples_of(made), samples_of(found))

    asyncio.run(main())


@pytest.mark.parametrize("damage", [lambda data: data[:-2], lambda data: b"", lambda data: data[:-1] + b"\x7f"])
def test_a_damaged_file_is_dropped_and_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    async def main() -> None:
        async with caching(folder=tmp_path) as (stream, _):
            await say(stream, 1, "bom dia")
        (path,) = files(tmp_path)
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        async with caching(folder=tmp_path) as (stream, inner):
            await say(stream, 1, "bom dia")
            assert inner.asked == ["bom dia"]
        assert len(path.read_bytes()) == pytest.approx(len(whole), abs=200)

    asyncio.run(main())


def test_without_leave_nothing_is_written(tmp_path: Path) -> None:
    async def main() -> None:
        async with caching(folder=tmp_path, persist=lambda _: False) as (stream, _):
            await say(stream, 1, "bom dia")
        async with caching(folder=tmp_path) as (stream, _):
            await say(stream, 1, "são 3 euros", "fala a Maria")
        assert files(tmp_path) == []

    asyncio.run(main())


def test_a_folder_that_refuses_leaves_memory(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("not a folder")

    async def main() -> None:
        async with caching(folder=folder) as (stream, inner):
            for epoch in range(2):
                assert len(samples_of(await say(stream, epoch, "bom dia"))) > 5_000
            assert inner.asked == ["bom dia"]

    asyncio.run(main())


def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = SynthesisStore(memory_bytes=0, folder=tmp_path, persist=lambda _: True)
    sound = Sound(np.ones(10, np.int16), "sim", None)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        store.save("a", sound)
    store.save("b", sound)
    assert list(tmp_path.iterdir()) == []


def test_word_times_are_counted_from_the_first_sample_and_survive_the_disk(tmp_path: Path) -> None:
    first = SpeechChunk(Pcm(np.ones(240, np.int16), 24_000), 1, "bom", (Word("bom", 1.0, 9.0),))
    second = replace(first, text="dia", words=(Word("dia", 0.0, 5.0, 0.5),))
    store = SynthesisStore(memory_bytes=0, folder=tmp_path)
    store.save("a", Sound.joined([first, second]))
    found = store.load("a")
    assert found is not None
    assert found.text == "bom dia"
    assert found.words == (Word("bom", 1.0, 9.0), Word("dia", 10.0, 15.0, 0.5))
    assert len(found.samples) == 480


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("um momento, por favor", True),
        ("Um momento. Já volto!", True),
        ("Sim. Já volto!", False),
        ("Pode falar agora. Estou a ouvir! Muito bem?", True),
        ("One moment, I'm here", True),
        ("fala a Maria", False),
        ("Sr. Silva, bom dia", False),
        ("é o sr. Silva", False),
        ("são 3 euros", False),
        ("capítulo Ⅳ", False),
        ("你好", False),
        ("...", False),
    ],
)
def test_names_and_numbers_stay_off_the_disk(text: str, kept: bool) -> None:
    assert has_no_slot(text) is kept
