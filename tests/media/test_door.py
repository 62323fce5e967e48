from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import CallOver, ConfigError, MediaError
from vivavoce.media import Closed, Dtmf, Engine, EngineSettings, Mark, Started

QUIET = EngineSettings(scheduling="default", voices=False)


def test_a_caller_is_heard_in_pieces_at_the_doors_rate(line: Any) -> None:
    async def main() -> None:
        async with line.connected(piece_ms=100) as (_, call, caller):
            await caller.speak(line.tone(1000))
            heard = call.audio()
            pieces = [await anext(heard) for _ in range(9)]
        assert {(piece.rate_hz, piece.duration_ms) for piece in pieces} == {(16_000, 100.0)}
        assert [piece.start_ms for piece in pieces] == [100.0 * n for n in range(9)]
        sound = np.concatenate([piece.samples for piece in pieces]).astype(float)
        assert np.abs(np.fft.rfft(sound[:8000])).argmax() == 220

    line.run(main())


def test_the_rest_of_the_sound_comes_when_the_call_is_over(line: Any) -> None:
    async def main() -> None:
        async with line.connected(settings=EngineSettings(rate_hz=8000, scheduling="default", voices=False)) as (
            _,
            call,
            caller,
        ):
            await caller.speak(line.tone(250))
            await caller.stop()
            pieces = [piece async for piece in call.audio()]
            assert [piece.duration_ms for piece in pieces] == [100.0, 100.0, 50.0]
            assert call.end == Closed("peer closed")
            assert call.format is not None
            assert call.format.codec == "ulaw"
            assert call.end.arrivals is not None
            # Sent faster than it sounds, each packet is up to 20 ms early against the one before.
            assert call.end.arrivals.packets == 13
            assert 0.0 < call.end.arrivals.jitter_p50_ms < call.end.arrivals.jitter_p95_ms < 20.0

    line.run(main())


def test_events_come_in_order_and_the_last_is_closed(line: Any) -> None:
    async def main() -> None:
        async with line.connected(token="secret") as (_, call, caller):
            await caller.press("7")
            await caller.press("#")
            await caller.stop()
            events = [event async for event in call.events()]
        assert events == [
            Started(8000, "MZ1", "CA1", {}),
            Dtmf("7"),
            Dtmf("#"),
            Closed("peer closed"),
        ]

    line.run(main())


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
def test_what_is_played_is_heard_whole(line: Any, rate_hz: int) -> None:
    async def main() -> None:
        async with line.connected() as (_, call, caller):
            await call.play(Pcm(line.tone(300, rate_hz=rate_hz), rate_hz), 1, last=True)
            call.mark("said")
            heard: list[Any] = []
            while sum(map(len, heard)) < 2400:
                event, sound = await caller.hear()
                assert event == "media"
                heard.append(sound)
            assert await line.until(call, Mark) == Mark("said", played=True)
        wanted = line.tone(300).astype(float)
        error = np.concatenate(heard)[:2400].astype(float) - wanted
        assert np.sqrt(np.mean(error[80:-80] ** 2)) < 0.03 * np.sqrt(np.mean(wanted**2))

    line.run(main())


def test_clear_tells_what_it_dropped_and_the_next_epoch_is_heard(line: Any) -> None:
    async def main() -> None:
        async with line.connected() as (_, call, caller):
            await call.play(Pcm(line.tone(5000), 8000), 1)
            call.mark("end")
            await caller.hear()
            dropped_ms = await call.clear()
            assert 4000 < dropped_ms < 5000
            assert await line.until(call, Mark) == Mark("end", played=False)
            while (event := (await caller.hear())[0]) == "media":
                pass
            assert event == "clear"
            await call.play(Pcm(line.tone(100), 8000), 1, last=True)
            await call.play(Pcm(line.tone(100, amplitude=500), 8000), 2, last=True)
            _, sound = await caller.hear()
            assert np.abs(sound).max() < 600

    line.run(main())


def test_play_waits_while_the_queue_is_full(line: Any) -> None:
    async def main() -> None:
        async with line.connected() as (_, call, caller):
            long = Pcm(np.zeros(8000 * 40, np.int16), 8000)
            playing = asyncio.create_task(call.play(long, 1))
            for _ in range(3):
                await caller.hear()
            assert not playing.done()
            assert await call.clear() > 25_000
            # The rest is of an epoch that was cleared: it is dropped, and nobody waits for it.
            await playing

    line.run(main())


def test_play_that_is_cancelled_leaves_the_call_as_it_is(line: Any) -> None:
    async def main() -> None:
        async with line.connected() as (_, call, caller):
            playing = asyncio.create_task(call.play(Pcm(np.zeros(8000 * 40, np.int16), 8000), 1))
            await caller.hear()
            playing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await playing
            await call.clear()
            await call.play(Pcm(line.tone(100), 8000), 2, last=True)
            call.mark("after")
            assert await line.until(call, Mark) == Mark("after", played=True)

    line.run(main())


def test_a_call_that_is_over_says_so(line: Any) -> None:
    async def main() -> None:
        async with line.connected() as (engine, call, _):
            call.hang_up()
            await line.until(call, Closed)
            for refused in (call.mark, call.policy):
                with pytest.raises(CallOver, match="hung up"):
                    refused("strict")
            with pytest.raises(CallOver, match="hung up"):
                await call.play(Pcm(line.tone(20), 8000), 1)
            call.hang_up()
            assert engine.stats()["calls"] == 0

    line.run(main())


def test_a_call_that_never_comes(line: Any) -> None:
    async def main() -> None:
        async with Engine(QUIET) as engine:
            call = engine.expect("t", ttl_ms=0)
            with pytest.raises(CallOver, match="never came"):
                await call.started()
            assert [event async for event in call.events()] == [Closed("never came")]
            with pytest.raises(CallOver):
                await call.play(Pcm(line.tone(20), 8000), 1)

    line.run(main())


def test_a_call_that_is_hung_up_before_it_comes_is_expected_no_longer(line: Any) -> None:
    async def main() -> None:
        async with Engine(QUIET) as engine:
            call = engine.expect("t", ttl_ms=60_000)
            call.hang_up()
            assert [event async for event in call.events()] == [Closed("hung up")]
            async with line.calling(engine) as caller:
                await caller.begin("t")
                with pytest.raises(ConnectionClosed, match="1008"):
                    await caller.hear()

    line.run(main())


def test_marks_that_wait_have_a_bound(line: Any) -> None:
    async def main() -> None:
        async with line.connected() as (_, call, _caller):
            await call.play(Pcm(line.tone(20_000), 8000), 1)
            for n in range(64):
                call.mark(str(n))
            with pytest.raises(MediaError, match="too many marks"):
                call.mark("64")
            await call.clear()
            assert await line.until(call, Mark) == Mark("0", played=False)

    line.run(main())


def test_the_end_of_the_engine_is_the_end_of_its_calls(line: Any) -> None:
    async def main() -> None:
        async with Engine(QUIET) as engine:
            never = engine.expect("never", ttl_ms=60_000)
            call = engine.expect("t", ttl_ms=60_000)
            async with line.calling(engine) as caller:
                await caller.begin("t")
                await call.started()
                listening = asyncio.create_task(anext(call.audio(), None))
                await asyncio.sleep(0)
                await engine.__aexit__(None, None, None)
                assert await listening is None
        assert (call.end, never.end) == (Closed("hung up"), Closed("engine stopped"))

    line.run(main())


def test_what_cannot_be_is_refused(line: Any) -> None:
    async def main() -> None:
        async with Engine(EngineSettings(scheduling="default", voices=False, calls=2)) as engine:
            engine.expect("t", ttl_ms=1000)
            with pytest.raises(ConfigError, match="expected already"):
                engine.expect("t", ttl_ms=1000)
            with pytest.raises(ConfigError, match="1 to 128 bytes"):
                engine.expect("t" * 129, ttl_ms=1000)
            with pytest.raises(ConfigError, match="letters, digits"):
                engine.expect("t/u", ttl_ms=1000)
            with pytest.raises(ConfigError, match="pieces of 10 ms"):
                engine.expect("u", ttl_ms=1000, piece_ms=10)
            engine.expect("u", ttl_ms=1000)
            with pytest.raises(MediaError, match="as there is room for"):
                engine.expect("v", ttl_ms=1000)
            with pytest.raises(MediaError, match="cannot listen"):
                async with Engine(EngineSettings(port=engine.port, scheduling="default", voices=False)):
                    pass
        with pytest.raises(MediaError, match="not running"):
            engine.expect("v", ttl_ms=1000)
        with pytest.raises(ConfigError, match="lead of 200 ms"):
            EngineSettings(lead_ms=200)
        with pytest.raises(ConfigError, match="no address"):
            async with Engine(EngineSettings(host="nowhere", voices=False)):
                pass
        with pytest.raises(MediaError, match="not running"):
            Engine(QUIET).expect("t", ttl_ms=1)

    line.run(main())
