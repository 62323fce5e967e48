"""Failures seen in the field with Deepgram, by their number in the list: what our side makes of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import VirtualTimeLoop, run_virtual
from vivavoce.emulators.deepgram import served
from vivavoce.emulators.deepgram_listen import NET_0000, NET_0001
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.recognition import Scripted
from vivavoce.emulators.websocket import WebSocketEmulator
from vivavoce.errors import LegError, LegLost, LegRefused, LegTimeout
from vivavoce.legs.values import Hypothesis
from vivavoce.providers.continuous import ContinuousStream
from vivavoce.providers.deepgram import Deepgram

CANARY = "canary-faults-0123456789"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", CANARY)


@asynccontextmanager
async def session(script: Path, **options: Any) -> AsyncIterator[tuple[WebSocketEmulator, ContinuousStream]]:
    emulated = served(Scripted(script), **options)
    async with emulated.serving() as address, asyncio.timeout(10_000):
        deepgram = Deepgram(url=f"ws://{address}", spare=0, cadence_ms=100)
        stream = await deepgram.open(language="en")
        try:
            yield emulated, stream
        finally:
            await stream.aclose()
            await deepgram.aclose()


async def push(stream: ContinuousStream, script: Path, end_ms: float = 2000, start_ms: float = 0) -> None:
    sound, _ = soundfile.read(script.parent / "clip.wav", dtype="int16")
    for at in range(round(start_ms * 16), round(end_ms * 16), 320):
        await stream.push(Pcm(sound[at : at + 320], 16000, at / 16))


async def heard(stream: ContinuousStream) -> Hypothesis:
    return await anext(hypothesis async for hypothesis in stream if hypothesis.final)


async def gather(stream: ContinuousStream, hypotheses: list[Hypothesis]) -> None:
    async for hypothesis in stream:
        hypotheses.append(hypothesis)


async def lost(stream: ContinuousStream) -> str:
    """What the loss is said to be; nothing may come before it but partials."""
    with pytest.raises(LegLost) as error:
        await heard(stream)
    with pytest.raises(LegLost):
        await stream.finalise(99)
    return error.value.message


def test_failure_1_net0001_comes_after_ten_silent_seconds_and_not_to_us(script: Path) -> None:
    async def main() -> None:
        async with session(script) as (_, stream):
            await push(stream, script)
            await asyncio.sleep(300)
            await stream.finalise(1)
            assert (await heard(stream)).text == "one two three,"

    run_virtual(main())


def test_failure_1_net0001_is_told_with_its_reason(script: Path) -> None:
    async def main() -> None:
        async with session(script, idle_s=3.0) as (_, stream):
            assert NET_0001 in await lost(stream)

    run_virtual(main())


def test_failure_1_net0000_comes_although_keep_alive_went_out(script: Path) -> None:
    async def main() -> None:
        async with session(script) as (emulated, stream):
            await push(stream, script)
            await stream.finalise(1)
            assert (await heard(stream)).text == "one two three,"
            await emulated.inject(Fault("net0000"))
            # Nothing is sent any more but a KeepAlive.
            assert NET_0000 in await lost(stream)

    run_virtual(main())


def test_failure_2_no_empty_binary_frame_is_ever_sent(script: Path) -> None:
    async def main() -> None:
        async with session(script) as (emulated, stream):
            for start_ms in range(0, 2000, 500):
                await stream.push(
                    Pcm(soundfile.read(script.parent / "clip.wav", dtype="int16")[0][:0], 16000, start_ms)
                )
                await push(stream, script, start_ms=start_ms, end_ms=start_ms + 500)
            await stream.finalise(1)
            assert (await heard(stream)).text == "one two three,"
            assert len(emulated.lines) == 1

    asyncio.run(main())


@pytest.mark.parametrize("code", ["1008", "1002"])
def test_failure_3_bad_audio_is_told_by_its_reason(script: Path, code: str) -> None:
    async def main() -> None:
        async with session(script) as (emulated, stream):
            await emulated.inject(Fault("data0000", code))
            await push(stream, script, end_ms=20)
            message = await lost(stream)
            assert code in message
            assert "DATA-0000" in message

    asyncio.run(main())


@pytest.mark.parametrize("status", [401, 402, 429, 500, 503])
def test_failure_4_a_refused_handshake_is_told_with_its_status(script: Path, status: int) -> None:
    async def main() -> None:
        emulated = served(Scripted(script), faults=[Fault("refuse", str(status), times=1)])
        async with emulated.serving() as address:
            deepgram = Deepgram(url=f"ws://{address}")
            with pytest.raises(LegRefused) as refused:
                await deepgram.open(language="en")
            assert refused.value.status == status
            assert CANARY not in str(refused.value)
            await (await deepgram.open(language="en")).aclose()
            await deepgram.aclose()

    asyncio.run(main())


def test_failure_4_nobody_there_is_a_loss() -> None:
    async def main() -> None:
        async with served(Scripted(None)).serving() as address:
            pass
        deepgram = Deepgram(url=f"ws://{address}")
        with pytest.raises((LegLost, LegTimeout)):
            await deepgram.open(language="en")
        await deepgram.aclose()

    asyncio.run(main())


def test_failure_5_metadata_with_duration_0_and_an_abrupt_end_is_a_loss(script: Path) -> None:
    async def main() -> None:
        async with session(script) as (emulated, stream):
            await push(stream, script)
            await emulated.inject(Fault("metadata-0"))
            await stream.finalise(1)
            assert "broke off" in await lost(stream)

    asyncio.run(main())


def test_failure_5_an_abrupt_end_is_a_loss_and_what_was_said_stays(script: Path) -> None:
    async def main() -> None:
        async with session(script, faults=[Fault("abort", at_s=0.5)]) as (_, stream):
            await push(stream, script)
            hypotheses: list[Hypothesis] = []
            with pytest.raises(LegLost, match="broke off"):
                await gather(stream, hypotheses)
            assert hypotheses[-1].text == "one two three,"
            with pytest.raises(LegLost):
                await push(stream, script, start_ms=2000, end_ms=2020)

    run_virtual(main())


def test_failure_6_a_stall_of_our_own_loop_closes_nothing(script: Path) -> None:
    """Pings are due several times over while nothing here runs; a socket that is well must not be given up for it."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        async with session(script, idle_s=10_000) as (_, stream):
            await push(stream, script)
            for _ in range(20):
                loop._jumping.elapsed_ns += 30 * 10**9
                await asyncio.sleep(0)
            await stream.finalise(1)
            assert (await heard(stream)).text == "one two three,"

    run_virtual(main())


def test_a_stall_says_nothing_and_what_comes_late_is_still_right(script: Path) -> None:
    async def main() -> None:
        async with session(script) as (emulated, stream):
            await push(stream, script, end_ms=1000)
            async with asyncio.timeout(10):
                await anext(aiter(stream))
            await emulated.inject(Fault("stall"))
            await push(stream, script, start_ms=1000)
            await stream.finalise(1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(20):
                    await heard(stream)
            emulated.heal()
            assert (await heard(stream)).text == "one two three,"

    run_virtual(main())


def test_garbage_is_an_error_of_the_leg(script: Path) -> None:
    async def main() -> None:
        async with session(script, faults=[Fault("garbage")]) as (_, stream):
            await push(stream, script)
            with pytest.raises(LegError, match="deepgram"):
                await heard(stream)

    asyncio.run(main())


def test_a_random_moment_is_the_same_for_a_seed(script: Path) -> None:
    async def moment(seed: int) -> float:
        async with session(script, faults=[Fault("abort", at_s=None)], seed=seed) as (_, stream):
            begun_s = asyncio.get_running_loop().time()
            await push(stream, script, end_ms=20)
            await lost(stream)
            return asyncio.get_running_loop().time() - begun_s

    first, again, other = (run_virtual(moment(seed)) for seed in (7, 7, 8))
    assert first == pytest.approx(again, abs=0.01)
    assert first != pytest.approx(other, abs=0.01)
