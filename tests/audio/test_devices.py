from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vivavoce.audio import devices
from vivavoce.audio.devices import MicSource, SpeakerSink
from vivavoce.clock import SystemClock, run_virtual
from vivavoce.errors import DeviceLost


class Bench:
    """A sound card on virtual time: it calls back each 20 ms from when it is started until it is unplugged."""

    def __init__(
        self, *, rate_hz: int = 16000, lives_ms: float = 1e9, tells: bool = False, first_ms: float = 20
    ) -> None:
        self.samplerate = float(rate_hz)
        self.lives_ms = lives_ms
        self.tells = tells
        self.first_ms = first_ms
        self.played = bytearray()
        self.log: list[str] = []
        self.on_block: Callable[[Any], None] = print
        self.on_finished: Callable[[], None] = print

    def open(
        self, device: Any, rate_hz: int, on_block: Callable[[Any], None], on_finished: Callable[[], None]
    ) -> Bench:
        self.on_block, self.on_finished = on_block, on_finished
        self.log.append("open")
        return self

    def start(self) -> None:
        self.log.append("start")
        asyncio.get_running_loop().call_later(self.first_ms / 1000, self.tick, 0)

    def tick(self, count: int) -> None:
        if "close" in self.log or count * 20 >= self.lives_ms:
            if self.tells:
                self.on_finished()
            return
        size = round(self.samplerate) // 50
        block = bytearray(np.full(size, count, dtype=np.int16).tobytes())
        self.on_block(block)
        self.played += block
        asyncio.get_running_loop().call_later(0.02, self.tick, count + 1)

    def abort(self) -> None:
        self.log.append("abort")

    def close(self) -> None:
        self.log.append("close")


def test_a_microphone_gives_frames_in_sample_time() -> None:
    async def run() -> None:
        bench = Bench()
        mic = MicSource(clock=SystemClock(), open_stream=bench.open)
        frames = [await anext(mic) for _ in range(5)]
        assert [frame.start_ms for frame in frames] == [0, 20, 40, 60, 80]
        assert [set(frame.samples.tolist()) for frame in frames] == [{0}, {1}, {2}, {3}, {4}]
        await mic.aclose()
        await mic.aclose()
        assert bench.log == ["open", "start", "abort", "close"]
        assert [frame async for frame in mic] == []

    run_virtual(run())


def test_a_microphone_of_another_rate_is_resampled() -> None:
    async def run() -> None:
        mic = MicSource(clock=SystemClock(), open_stream=Bench(rate_hz=48000).open)
        frames = [await anext(mic) for _ in range(20)]
        assert {len(frame.samples) for frame in frames} == {320}
        assert frames[-1].rate_hz == 16000
        assert frames[-1].samples.mean() == pytest.approx(19, abs=1)
        await mic.aclose()

    run_virtual(run())


@pytest.mark.parametrize(("tells", "lost_ms"), [(False, 1100.0), (True, 120.0)])
def test_a_microphone_that_vanishes_is_told(tells: bool, lost_ms: float) -> None:
    async def run() -> None:
        clock = SystemClock()
        mic = MicSource(clock=clock, open_stream=Bench(lives_ms=100, tells=tells).open)
        frames = [await anext(mic) for _ in range(5)]
        with pytest.raises(DeviceLost, match="default microphone") as caught:
            await anext(mic)
        assert len(frames) == 5
        assert caught.value.hint
        assert clock.now_ns() / 1e6 == pytest.approx(lost_ms)
        await mic.aclose()

    run_virtual(run())


@pytest.mark.parametrize(("first_ms", "comes"), [(2500, True), (3500, False)])
def test_a_slow_device_may_take_three_seconds_to_start(first_ms: float, comes: bool) -> None:
    async def run() -> None:
        mic = MicSource(device=3, clock=SystemClock(), open_stream=Bench(first_ms=first_ms).open)
        if comes:
            assert (await anext(mic)).start_ms == 0
        else:
            with pytest.raises(DeviceLost, match=r"microphone 3 .* stopped answering"):
                await anext(mic)
        await mic.aclose()

    run_virtual(run())


def test_what_nobody_took_becomes_silence_of_the_same_length() -> None:
    async def run() -> None:
        clock = SystemClock()
        mic = MicSource(clock=clock, open_stream=Bench().open)
        await anext(mic)
        await clock.sleep_until(clock.now_ns() + 12_000_000_000)
        assert mic.dropped_ms == pytest.approx(2000, abs=40)
        frames = [await anext(mic) for _ in range(620)]
        starts = [frame.start_ms for frame in frames]
        assert starts == [20.0 * (k + 1) for k in range(620)]
        heard = [int(frame.samples[0]) for frame in frames]
        silent = heard.count(0) * 20
        assert silent == pytest.approx(mic.dropped_ms)
        assert all(value in (0, k + 1) for k, value in enumerate(heard))
        await mic.aclose()

    run_virtual(run())


def test_closing_wakes_a_waiting_reader() -> None:
    async def run() -> None:
        mic = MicSource(clock=SystemClock(), open_stream=Bench(first_ms=2000).open)
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(collect(mic))
            await asyncio.sleep(1)
            await mic.aclose()
        assert reader.result() == 0

    run_virtual(run())


async def collect(mic: MicSource) -> int:
    return len([frame async for frame in mic])


def test_cancelling_a_reader_keeps_the_sound() -> None:
    async def run() -> None:
        mic = MicSource(clock=SystemClock(), open_stream=Bench().open)
        starts = []
        for _ in range(10):
            try:
                async with asyncio.timeout(0.013):
                    starts.append((await anext(mic)).start_ms)
            except TimeoutError:
                continue
        assert starts == [20.0 * k for k in range(len(starts))]
        assert len(starts) >= 4
        await mic.aclose()

    run_virtual(run())


def test_a_speaker_plays_what_is_written_and_then_silence() -> None:
    async def run() -> None:
        clock = SystemClock()
        bench = Bench(rate_hz=24000)
        speaker = SpeakerSink(clock=clock, open_stream=bench.open, queue_ms=100)
        samples = np.arange(24000, dtype=np.int16)
        await speaker.write(samples)
        assert speaker.queued_ms <= 100
        assert clock.now_ns() / 1e6 == pytest.approx(900)
        await speaker.drain()
        assert clock.now_ns() / 1e6 == pytest.approx(1000)
        await clock.sleep_until(clock.now_ns() + 45_000_000)
        await speaker.aclose()
        played = np.frombuffer(bytes(bench.played), dtype=np.int16)
        assert np.array_equal(played[:24000], samples)
        assert len(played) > 24000
        assert not played[24000:].any()

    run_virtual(run())


def test_a_speaker_that_vanishes_is_told() -> None:
    async def run() -> None:
        clock = SystemClock()
        speaker = SpeakerSink(clock=clock, open_stream=Bench(rate_hz=24000, lives_ms=60).open)
        with pytest.raises(DeviceLost, match="default speaker"):
            await speaker.write(np.ones(24000, dtype=np.int16))
        assert clock.now_ns() / 1e6 == pytest.approx(1060)
        await speaker.aclose()

    run_virtual(run())


def test_a_pause_in_writing_does_not_make_a_speaker_look_lost() -> None:
    async def run() -> None:
        clock = SystemClock()
        speaker = SpeakerSink(clock=clock, open_stream=Bench(rate_hz=48000).open, rate_hz=24000)
        for _ in range(3):
            await speaker.write(np.ones(2400, dtype=np.int16))
            await clock.sleep_until(clock.now_ns() + 5_000_000_000)
        await speaker.drain()
        assert speaker.queued_ms == 0
        await speaker.aclose()

    run_virtual(run())


def test_without_the_library_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceLost, match="not installed") as caught:
        devices.open_input(None, 16000, print, print)
    assert "vivavoce[devices]" in caught.value.hint


def test_a_device_that_does_not_exist_is_told() -> None:
    with pytest.raises(DeviceLost) as caught:
        devices.open_output("no such device of this name", 16000, print, print)
    assert caught.value.hint
