from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np
import psutil
import pytest

from vivavoce.audio.pcm import Samples
from vivavoce.errors import LegError, LegUnavailable
from vivavoce.legs.values import SpeechChunk
from vivavoce.providers import espeak_process
from vivavoce.providers.espeak import Espeak
from vivavoce.providers.espeak_process import EspeakProcess, voice_for
from vivavoce.providers.speech_queue import SpeechQueue

try:
    ctypes.CDLL("libespeak-ng.so.1")
except OSError:
    pytest.skip("espeak-ng is not installed", allow_module_level=True)

LONG = "Bom dia a todos, hoje vamos falar de muitas coisas diferentes e interessantes. " * 20


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it, and see that it leaves no process, thread or task."""
    children, threads = set(psutil.Process().children()), set(threading.enumerate())

    async def watched() -> None:
        await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(watched())
    assert set(psutil.Process().children()) <= children
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
        assert not thread.is_alive()


@asynccontextmanager
async def running() -> AsyncIterator[EspeakProcess]:
    process = EspeakProcess()
    try:
        yield process
    finally:
        await process.aclose()


async def sound_of(process: EspeakProcess, text: str, *, speed: float = 1.0) -> Samples:
    return np.concatenate([np.zeros(0, np.int16), *[s async for s in process.speak(text, voice="pt-br", speed=speed)]])


def end_worker() -> None:
    for child in psutil.Process().children():
        if any("espeak_worker" in word for word in child.cmdline()):
            child.kill()


@pytest.mark.parametrize(
    ("text", "language", "phonemes"),
    [
        ("Hello world, yes: OK?", "en", "həlˈoʊ wˈɜːld, jˈɛs: ˌoʊkˈeɪ?"),
        ("¿Qué tal? Bien; gracias", "es", "kˈe tˈal? bjˈen; ɡɾˈaθjas"),
        ("Hola… bon dia", "ca", "ˈolɐ… bˈon dˈiɐ"),
        ("", "pt", ""),
        ("...", "pt", "..."),
    ],
)
def test_phonemes_keep_the_marks_between_clauses(text: str, language: str, phonemes: str) -> None:
    async def main() -> None:
        async with running() as process:
            assert await process.phonemes(text, voice=voice_for(language)) == phonemes

    run(main())


def test_marks_inside_numbers_end_nothing() -> None:
    async def main() -> None:
        async with running() as process:
            said = await process.phonemes("It costs 3.50 at 10:30 today.", voice="en-us")
            assert said.count(".") == 1
            assert ":" not in said.replace("ː", "")
            assert "pɔɪnt" in said

    run(main())


def test_ties_join_the_signs_of_one_sound() -> None:
    async def main() -> None:
        async with running() as process:
            assert await process.phonemes("Why judge?", voice="en-us") == "wˌaɪ dʒˈʌdʒ?"
            assert await process.phonemes("Why judge?", voice="en-us", tie=True) == "wˌa^ɪ d^ʒˈʌd^ʒ?"

    run(main())


def test_language_switches_leave_no_trace() -> None:
    async def main() -> None:
        async with running() as process:
            assert "(" not in await process.phonemes("你好", voice=voice_for("zh"))

    run(main())


def test_speed_multiplies_the_pace() -> None:
    async def main() -> None:
        async with running() as process:
            usual, faster = [len(await sound_of(process, LONG, speed=speed)) for speed in (1.0, 1.25)]
            assert 1.15 < usual / faster < 1.4

    run(main())


def test_a_voice_that_is_not_there_is_refused_and_the_next_request_answered() -> None:
    async def main() -> None:
        async with running() as process:
            with pytest.raises(LegError, match="no voice 'nowhere'"):
                await process.phonemes("x", voice="nowhere")
            assert await process.phonemes("tal", voice="es") == "tˈal"

    run(main())


def test_an_abandoned_speak_stops_and_the_next_request_gets_its_own_answer() -> None:
    async def main() -> None:
        async with running() as process:
            whole = len(await sound_of(process, LONG))
            async with aclosing(process.speak(LONG, voice="pt-br")) as sound:
                await anext(sound)
            late: list[int] = []
            receive = process._receive

            async def counting(worker: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
                kind, payload = await receive(worker)
                late.append(len(payload) // 2)
                return kind, payload

            process._receive = counting  # type: ignore[method-assign]
            assert await process.phonemes("tal", voice="es") == "tˈal"
            # What the pipe and the reader held when the cancellation came, and the buffer under way.
            assert sum(late) < min(whole / 2, 3 * 65_536)

    run(main())


def test_requests_at_once_wait_for_each_other() -> None:
    async def main() -> None:
        async with running() as process:
            texts = ["tal", "bien", "sol", "mar"] * 5
            at_once = await asyncio.gather(*(process.phonemes(text, voice="es") for text in texts))
            assert at_once == [await process.phonemes(text, voice="es") for text in texts]

    run(main())


def test_a_request_cancelled_at_any_moment_leaves_the_process_in_step() -> None:
    async def main() -> None:
        async with running() as process:
            await process.start()
            for turns in range(12):
                task = asyncio.create_task(sound_of(process, LONG))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert await process.phonemes("tal", voice="es") == "tˈal"

    run(main())


def test_a_start_cancelled_leaves_nothing() -> None:
    async def main() -> None:
        async with running() as process:
            task = asyncio.create_task(process.start())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert await process.phonemes("tal", voice="es") == "tˈal"

    run(main())


def test_a_worker_that_died_is_replaced() -> None:
    async def main() -> None:
        async with running() as process:
            await process.start()
            end_worker()
            assert await process.phonemes("tal", voice="es") == "tˈal"

    run(main())


def test_a_worker_that_dies_while_speaking_goes_on_where_it_was() -> None:
    async def main() -> None:
        async with running() as process:
            whole = len(await sound_of(process, LONG))
            heard = 0
            async with aclosing(process.speak(LONG, voice="pt-br")) as sound:
                async for samples in sound:
                    if not heard:
                        end_worker()
                    heard += len(samples)
            assert heard == pytest.approx(whole, rel=0.01)

    run(main())


def test_a_missing_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    worker = tmp_path / "worker.py"
    source = espeak_process._WORKER.read_text("utf-8")
    worker.write_text(source.replace("libespeak-ng.so.1", "libespeak-ng-missing.so"), "utf-8")
    monkeypatch.setattr(espeak_process, "_WORKER", worker)

    async def main() -> None:
        async with running() as process:
            with pytest.raises(LegUnavailable) as refused:
                await process.start()
            assert refused.value.hint == "apt-get install espeak-ng"

    run(main())


def test_closed_it_refuses() -> None:
    async def main() -> None:
        process = EspeakProcess()
        await process.start()
        await process.aclose()
        with pytest.raises(LegUnavailable):
            await process.phonemes("tal", voice="es")

    run(main())


@asynccontextmanager
async def speaking(rate_hz: int = 24_000) -> AsyncIterator[SpeechQueue]:
    leg = Espeak()
    try:
        stream = await leg.open(voice="", language="pt", rate_hz=rate_hz)
        try:
            yield stream
        finally:
            await stream.aclose()
    finally:
        await leg.aclose()


async def until_last(stream: SpeechQueue, epoch: int) -> list[SpeechChunk]:
    chunks = []
    async for chunk in stream:
        chunks.append(chunk)
        if chunk.last and chunk.epoch == epoch:
            break
    return chunks


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_silence_is_cut_and_the_rate_is_the_one_asked_for(rate_hz: int) -> None:
    async def main() -> None:
        async with speaking(rate_hz) as stream:
            await stream.push("Para que serve isto", 1)
            await stream.flush(1)
            chunks = await until_last(stream, 1)
            assert {chunk.pcm.rate_hz for chunk in chunks} == {rate_hz}
            samples = np.concatenate([chunk.pcm.samples for chunk in chunks]).astype(int)
            loud = np.flatnonzero(np.abs(samples) > 100)
            assert loud[0] < 0.006 * rate_hz
            assert len(samples) - loud[-1] < 0.012 * rate_hz
            assert 0.9 < len(samples) / rate_hz < 1.3
            assert " ".join(chunk.text for chunk in chunks).strip() == "Para que serve isto"

    run(main())


def test_texts_come_in_order_and_only_the_last_chunk_is_marked() -> None:
    async def main() -> None:
        async with speaking() as stream:
            for epoch, text in enumerate(["um", "...", "dois", "três"]):
                await stream.push(text, epoch)
                await stream.flush(epoch)
            chunks = await until_last(stream, 3)
            assert [chunk.epoch for chunk in chunks] == sorted(chunk.epoch for chunk in chunks)
            assert [chunk.epoch for chunk in chunks if chunk.last] == [0, 1, 2, 3]
            assert [chunk.text for chunk in chunks if chunk.text] == ["um", "dois", "três"]

    run(main())


def test_cancelled_in_mid_speech_nothing_more_of_it_comes() -> None:
    async def main() -> None:
        async with speaking() as stream:
            await stream.push(LONG, 1)
            await stream.flush(1)
            chunks = aiter(stream)
            assert (await anext(chunks)).epoch == 1
            stream.cancel(1)
            await stream.push("sim", 2)
            await stream.flush(2)
            rest = await until_last(stream, 2)
            assert {chunk.epoch for chunk in rest} == {2}
            await stream.settle()

    run(main())
