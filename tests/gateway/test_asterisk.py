"""What a dialplan asks, and a channel that follows from it: JSON events and binary sound over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.errors import ModelMissing
from vivavoce.media import Dtmf, Engine, EngineSettings, SpeechEnd, SpeechStart, Started
from vivavoce.models import ModelStore

FRAME = 320


@asynccontextmanager
async def channel(engine: Engine, token: str) -> AsyncIterator[ClientConnection]:
    """`chan_websocket` of Asterisk 22.10, as it begins a channel; variables as it sent them."""
    url = f"ws://127.0.0.1:{engine.port}/asterisk"
    async with connect(url, subprotocols=[Subprotocol("media")], compression=None) as socket:
        start = {"event": "MEDIA_START", "connection_id": "vivavoce", "channel": "WebSocket/vivavoce/0x7f6c3c00ac30"}
        start |= {"channel_id": "1795292204.7", "format": "slin16", "optimal_frame_size": 640, "ptime": 20}
        options = {"DIALEDPEERNUMBER": "vivavoce/c(slin16)f(json)", "MEDIA_WEBSOCKET_CONNECTION_ID": "vivavoce"}
        variables = options | {"MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE": "640", "TOKEN": token}
        await socket.send(json.dumps(start | {"channel_variables": variables}))
        yield socket


async def press(socket: ClientConnection, digit: str) -> None:
    await socket.send(json.dumps({"event": "DTMF_END", "channel_id": "1795292204.7", "digit": digit}))


async def speak(socket: ClientConnection, samples: Samples) -> None:
    for at in range(0, len(samples), FRAME):
        await socket.send(samples[at : at + FRAME].tobytes())


def test_a_dialplan_gets_a_token_that_lets_one_channel_in(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            answer = await exchange.dialplan("/asterisk/call?id=1795292204.6")
            assert (answer.status_code, len(answer.text)) == (200, 32)
            assert answer.headers["content-type"].startswith("text/plain")
            async with channel(exchange.engine, answer.text) as socket:
                started = await exchange.agent.until(Started)
                assert "TOKEN" not in started.parameters
                async with channel(exchange.engine, answer.text) as second:
                    with pytest.raises(ConnectionClosed, match="1008"):
                        await second.recv()
                await press(socket, "9")
                assert json.loads(await socket.recv()) == {"command": "HANGUP"}
            answer = await exchange.dialplan("/asterisk/after?id=1795292204.6")
            assert (answer.status_code, answer.text) == (200, "+15550199")
            assert (await exchange.dialplan("/asterisk/after?id=1795292204.6")).text == ""

    gateway.run(main())


@pytest.mark.parametrize("path", ["/asterisk/call", "/asterisk/after"])
def test_who_does_not_show_the_secret_gets_nothing(gateway: Any, path: str) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            url = f"{path}?id=1"
            answers = [await exchange.dialplan(url, secret=secret) for secret in ("", "wrong", gateway.ASTERISK + "s")]
            for headers in ({}, {"Authorization": gateway.ASTERISK}, {"Authorization": f"Basic {gateway.ASTERISK}"}):
                answers.append(await exchange.client.post(url, headers=headers))
            assert {(answer.status_code, answer.text) for answer in answers} == {(403, "")}
            for name in ("", "?id=", "?id=a%0Ab", f"?id={'1' * 151}"):
                answer = await exchange.dialplan(path + name)
                assert (answer.status_code, answer.text) == (400, "")
            assert len(exchange.calls) == 0

    gateway.run(main())


def test_a_dialplan_that_is_refused_gets_no_token(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened(calls=1) as exchange:
            await exchange.dialplan("/asterisk/call?id=1")
            answer = await exchange.dialplan("/asterisk/call?id=2")
            assert (answer.status_code, answer.text) == (503, "")

    gateway.run(main())


@pytest.fixture(scope="module")
def speech() -> Samples:
    try:
        path = ModelStore().path("demo-en", "two_cities.wav")
        ModelStore().path("silero-vad", "silero_vad.onnx")
    except ModelMissing as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    blocks = open_audio(path).blocks(rate_hz=16_000)
    return np.concatenate([block.samples for block in blocks])[: 16_000 * 3]


@pytest.mark.parametrize("gap_ms", [260, 740])
def test_silence_while_keys_are_pressed_is_neither_a_stall_nor_the_end_of_speech(
    gateway: Any, speech: Samples, gap_ms: int
) -> None:
    """What is played meanwhile is the clock: nothing of the caller's comes until `gap_ms` of it were heard."""

    async def main() -> None:
        async with Engine(EngineSettings(scheduling="default")) as engine:
            call = engine.expect("t", ttl_ms=60_000, policy="off")
            async with channel(engine, "t") as socket:
                await call.started()
                # Cut in the middle of a word: the last window is a voice.
                at = loudest(speech)
                await speak(socket, speech[:at])
                events = call.events()
                while not isinstance(event := await anext(events), SpeechStart):
                    assert not isinstance(event, SpeechEnd)
                # What was sent is heard up to 60 ms later.
                samples = 16 * (gap_ms + 60)
                await call.play(Pcm(np.full(samples, 100, np.int16), 16_000), 1, last=True)
                heard = 0
                while heard < samples:
                    heard += len(await socket.recv()) // 2
                for digit in "123":
                    await press(socket, digit)
                seen = []
                while Dtmf("3") not in seen:
                    seen.append(await anext(events))
                assert [event.digit for event in seen if isinstance(event, Dtmf)] == ["1", "2", "3"]
                assert not any(isinstance(event, SpeechEnd) for event in seen)
                await speak(socket, speech[at:])
                await speak(socket, np.zeros(16_000, np.int16))
                async for event in events:
                    if isinstance(event, SpeechEnd):
                        break
                assert event.at_ms > 1000.0 * at / 16_000
                assert call.end is None

    gateway.run(main())


def loudest(samples: Samples) -> int:
    """The sample in whose surroundings of 100 ms most is heard, after the first second."""
    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(1600), "same")
    return (16_000 + int(power[16_000 : 16_000 * 2].argmax())) // FRAME * FRAME
