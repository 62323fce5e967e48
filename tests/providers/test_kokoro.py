from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import psutil
import pytest

from vivavoce.clock import SystemClock
from vivavoce.errors import LegUnavailable, VivavoceError
from vivavoce.legs.values import SpeechChunk
from vivavoce.models import ModelStore
from vivavoce.providers.kokoro import VOICES, Kokoro, _fitting
from vivavoce.providers.speech_queue import SpeechQueue

try:
    ctypes.CDLL("libespeak-ng.so.1")
    import onnxruntime  # noqa: F401

    ModelStore().folder("kokoro-82m")
except (OSError, ImportError, VivavoceError) as reason:
    pytest.skip(f"Kokoro cannot run: {reason}", allow_module_level=True)

RATE_HZ = 24_000
TEXT = "Good morning, one moment on the line."
LONG = "Bom dia, " + "hoje vamos falar de muitas coisas diferentes e interessantes " * 3


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it, and see that it leaves no process, thread or task."""
    children, threads = set(psutil.Process().children()), set(threading.enumerate())

    async def watched() -> None:
        await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(watched())
    assert set(psutil.Process().children()) <= children
    assert set(threading.enumerate()) <= threads


@asynccontextmanager
async def speaking(language: str, *, rate_hz: int = RATE_HZ) -> AsyncIterator[tuple[SpeechQueue, Kokoro]]:
    leg = Kokoro()
    try:
        stream = await leg.open(voice="", language=language, rate_hz=rate_hz)
        try:
            yield stream, leg
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


def duration_ms(chunks: list[SpeechChunk]) -> float:
    return sum(chunk.pcm.duration_ms for chunk in chunks)


def test_speech_is_audible_in_order_and_faster_where_asked() -> None:
    async def main() -> None:
        async with speaking("en") as (stream, _):
            await stream.push(TEXT, 1)
            await stream.flush(1)
            await stream.push(TEXT, 2, speed=1.25)
            await stream.flush(2)
            chunks = await until_last(stream, 2)
            usual, faster = ([chunk for chunk in chunks if chunk.epoch == epoch] for epoch in (1, 2))
            assert chunks == usual + faster
            for epoch in (usual, faster):
                assert [chunk.text for chunk in epoch] == ["Good morning,", "one moment on the line.", ""]
                assert [chunk.last for chunk in epoch] == [False, False, True]
                for chunk, usual_pause_ms in zip(epoch[:-1], (120, 260), strict=True):
                    pause_ms = usual_pause_ms // 3 if epoch is faster else usual_pause_ms
                    assert chunk.pcm.rate_hz == RATE_HZ
                    sound = np.abs(chunk.pcm.as_float())
                    spoken, pause = np.split(sound, [len(sound) - pause_ms * RATE_HZ // 1000])
                    assert not pause.any()
                    # Within 40 ms of either edge it is heard.
                    assert min(spoken[: RATE_HZ // 25].max(), spoken[-RATE_HZ // 25 :].max()) > 0.002
                    assert 0.1 < spoken.max() < 0.99
            assert 1600 < duration_ms(usual) < 4000
            assert 1.08 < duration_ms(usual) / duration_ms(faster) < 1.4

    run(main())


def test_a_text_that_is_not_waited_for_is_one_unit() -> None:
    async def main() -> None:
        async with speaking("en") as (stream, _):
            await stream.push(TEXT, 1, lead_ms=2000)
            await stream.flush(1)
            assert [chunk.text for chunk in await until_last(stream, 1)] == [TEXT, ""]

    run(main())


def test_a_cancelled_run_ends_at_once_and_the_engine_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        clock = SystemClock()
        async with speaking("pt", rate_hz=16_000) as (stream, leg):
            loop, started, ended = asyncio.get_running_loop(), asyncio.Event(), []
            infer = leg._run

            def noted(ids: list[int], *rest: Any) -> Any:
                loop.call_soon_threadsafe(started.set)
                try:
                    return infer(ids, *rest)
                except Exception as error:
                    ended.append(str(error))
                    raise

            monkeypatch.setattr(leg, "_run", noted)
            await stream.push(LONG, 1)
            await anext(aiter(stream))
            started.clear()
            await started.wait()
            asked_ns = clock.now_ns()
            stream.cancel(1)
            await stream.settle()
            assert clock.now_ns() - asked_ns < 500_000_000
            assert len(ended) == 1
            assert "terminate" in ended[0].lower()
            await stream.push("Bom dia.", 2)
            await stream.flush(2)
            first, last = await until_last(stream, 2)
            assert (first.text, first.epoch, last.last) == ("Bom dia.", 2, True)
            assert first.pcm.rate_hz == 16_000
            assert 500 < first.pcm.duration_ms < 2000

    run(main())


def test_closing_while_it_speaks_leaves_nothing() -> None:
    async def main() -> None:
        async with speaking("pt") as (stream, _):
            await stream.push(LONG, 1)
            assert psutil.Process().children() == []
            assert (await anext(aiter(stream))).epoch == 1
            assert psutil.Process().children() != []

    run(main())


def test_a_loud_voice_is_not_clipped() -> None:
    async def main() -> None:
        async with speaking("it") as (stream, _):
            await stream.push("Buongiorno,", 1)
            sound = (await anext(aiter(stream))).pcm.as_float()
            assert 0.9 < np.abs(sound).max() < 0.99

    run(main())


def test_a_unit_longer_than_the_model_takes_loses_nothing() -> None:
    ids = [*range(1, 400), 16, *range(1, 400), 16, *range(1, 900)]
    pieces = _fitting(ids, 16)
    assert [each for piece in pieces for each in piece] == ids
    assert all(0 < len(piece) <= 510 for piece in pieces)
    assert pieces[1][0] == 16


def test_what_has_no_sound_has_no_samples() -> None:
    async def main() -> None:
        async with speaking("es") as (stream, _):
            await stream.push("", 1)
            await stream.push("…", 1)
            await stream.flush(1)
            assert duration_ms(await until_last(stream, 1)) == 0

    run(main())


@pytest.mark.parametrize(("voice", "language"), [("nobody", "en"), ("", "ca"), ("../model", "en")])
def test_a_voice_that_is_not_there_is_refused_with_those_that_are(voice: str, language: str) -> None:
    async def main() -> None:
        leg = Kokoro()
        try:
            with pytest.raises(LegUnavailable) as raised:
                await leg.open(voice=voice, language=language, rate_hz=RATE_HZ)
            assert {name for name in VOICES.values() if name not in raised.value.hint} == set()
        finally:
            await leg.aclose()

    run(main())
