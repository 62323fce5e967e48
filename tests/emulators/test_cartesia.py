"""The emulator against the official client, unchanged, and against requests that break its rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from cartesia import AsyncCartesia
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vivavoce.clock import run_virtual
from vivavoce.emulators.cartesia import served
from vivavoce.emulators.speech import ScriptedSpeech, bursts

FORMAT = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}
VOICE = {"mode": "id", "id": "any"}


def test_the_official_client_completes_a_session() -> None:
    async def main() -> None:
        async with served(ScriptedSpeech()).serving() as address:
            client = AsyncCartesia(api_key="any", base_url=f"http://{address}", websocket_base_url=f"ws://{address}")
            async with client.tts.websocket_connect() as connection:
                context = connection.context(
                    model_id="sonic-3", voice="any", output_format=FORMAT, language="en", add_timestamps=True
                )
                await context.push("Hello ")
                await context.push("world.")
                await context.no_more_inputs()
                sound, words, kinds = b"", [], []
                async for event in context.receive():
                    kinds.append(event.type)
                    if event.type == "chunk":
                        sound += event.audio or b""
                    elif event.type == "timestamps" and event.word_timestamps:
                        words += event.word_timestamps.words
            assert words == ["Hello", "world."]
            assert kinds[-1] == "done"
            assert len(sound) == 2 * len(bursts("Hello world.", rate_hz=16000)[0])
            await client.close()

    asyncio.run(main())


def test_the_official_client_gets_floats_where_it_asks_for_them() -> None:
    async def main() -> None:
        async with served(ScriptedSpeech()).serving() as address:
            client = AsyncCartesia(api_key="any", base_url=f"http://{address}", websocket_base_url=f"ws://{address}")
            async with client.tts.websocket_connect() as connection:
                context = connection.context()
                await context.send(transcript="Hello.", voice="any", continue_=False, max_buffer_delay_ms=0)
                sound = b"".join([event.audio or b"" async for event in context.receive() if event.type == "chunk"])
            assert len(sound) == 4 * len(bursts("Hello.", rate_hz=44100)[0])
            assert 0.2 < float(np.abs(np.frombuffer(sound, "<f4")).max()) < 0.3
            await client.close()

    asyncio.run(main())


@asynccontextmanager
async def raw(speech: ScriptedSpeech | None = None, **options: Any) -> AsyncIterator[ClientConnection]:
    async with served(speech or ScriptedSpeech(), **options).serving() as address:
        headers = {"X-API-Key": "any", "cartesia-version": "2026-08-14"}
        async with connect(f"ws://{address}/tts/websocket", additional_headers=headers, ping_interval=None) as socket:
            yield socket


async def ask(socket: ClientConnection, context: str, text: str, *, more: bool, **rest: Any) -> None:
    message = {"context_id": context, "model_id": "sonic-3", "voice": VOICE, "transcript": text, "continue": more}
    message |= {"language": "en", "output_format": FORMAT, "max_buffer_delay_ms": 0}
    await socket.send(json.dumps(message | rest))


async def until(socket: ClientConnection, *kinds: str) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not said or said[-1]["type"] not in kinds:
            said.append(json.loads(await socket.recv()))
    return said


def chunks(said: list[dict[str, Any]], context: str) -> int:
    return sum(each["type"] == "chunk" and each["context_id"] == context for each in said)


def test_failure_9_cancel_stops_only_what_was_not_begun() -> None:
    async def main() -> None:
        async with raw(ScriptedSpeech(pace=1.0)) as socket:
            await ask(socket, "a", "Begun already.", more=True)
            await ask(socket, "a", " Not begun.", more=True)
            await until(socket, "chunk")
            await socket.send(json.dumps({"context_id": "a", "cancel": True}))
            said = await until(socket, "done")
            # 820 ms of sound in pieces of 100: all of them come, none of the second text.
            assert 1 + chunks(said, "a") == 9

    run_virtual(main())


def test_failure_12_a_continuation_after_the_end_gets_an_error_and_stops_the_sound() -> None:
    async def main() -> None:
        async with raw(ScriptedSpeech(pace=1.0)) as socket:
            await ask(socket, "a", "A text that takes a while.", more=False)
            await until(socket, "chunk")
            await ask(socket, "a", "More.", more=False)
            said = await until(socket, "error")
            assert said[-1]["status_code"] == 400
            await ask(socket, "b", "Other.", more=False)
            assert chunks(await until(socket, "done"), "a") == 0

    run_virtual(main())


def test_a_context_expires_a_second_after_its_last_sound() -> None:
    async def main() -> None:
        async with raw() as socket:
            await ask(socket, "a", "One.", more=True)
            assert (await until(socket, "done"))[-1]["context_id"] == "a"
            await ask(socket, "a", "Two.", more=True)
            assert (await until(socket, "error", "chunk"))[-1]["type"] == "error"

    run_virtual(main())


def test_text_waits_for_a_sentence_or_three_seconds_unless_it_is_told_not_to() -> None:
    async def main() -> None:
        async with raw() as socket:
            loop = asyncio.get_running_loop()
            begun_s = loop.time()
            await ask(socket, "a", "No end of a sentence", more=True, max_buffer_delay_ms=3000)
            await until(socket, "chunk")
            assert 3.0 <= loop.time() - begun_s < 3.2
            begun_s = loop.time()
            await ask(socket, "b", "A sentence.", more=True, max_buffer_delay_ms=3000)
            await until(socket, "chunk")
            assert loop.time() - begun_s < 0.2

    run_virtual(main())


def test_failure_11_more_contexts_than_the_account_has_are_refused() -> None:
    async def main() -> None:
        async with raw(ScriptedSpeech(pace=1.0), contexts=2) as socket:
            for name in ("a", "b", "c"):
                await ask(socket, name, "Some words.", more=False)
            said = await until(socket, "error")
            assert (said[-1]["context_id"], said[-1]["status_code"]) == ("c", 429)
            assert [each["context_id"] for each in await until(socket, "done")][-1] in ("a", "b")
            await until(socket, "done")
            await ask(socket, "c", "Now.", more=False)
            assert chunks(await until(socket, "done"), "c") > 0

    run_virtual(main())


def test_failure_10_five_idle_minutes_close_with_1000() -> None:
    async def main() -> None:
        async with raw() as socket:
            begun_s = asyncio.get_running_loop().time()
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1000
            assert asyncio.get_running_loop().time() - begun_s == pytest.approx(300, abs=1)

    run_virtual(main())


def test_flush_is_confirmed() -> None:
    async def main() -> None:
        async with raw() as socket:
            await ask(socket, "a", "One", more=True, flush=True, max_buffer_delay_ms=3000)
            assert (await until(socket, "flush_done"))[-1]["flush_id"] == 1

    run_virtual(main())


@pytest.mark.parametrize("message", ["no json", "[]", '{"context_id": "a"}', '{"transcript": "x"}'])
def test_what_is_no_request_is_refused(message: str) -> None:
    async def main() -> None:
        async with raw() as socket:
            await socket.send(message)
            assert (await until(socket, "error"))[-1]["status_code"] == 400

    run_virtual(main())


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/tts/websocket", {"cartesia-version": "2026-08-14"}, 401),
        ("/tts/websocket", {"X-API-Key": "any"}, 400),
        ("/other", {"X-API-Key": "any", "cartesia-version": "2026-08-14"}, 404),
    ],
)
def test_handshakes_that_are_refused(path: str, headers: dict[str, str], status: int) -> None:
    async def main() -> None:
        async with served(ScriptedSpeech()).serving() as address:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{address}{path}", additional_headers=headers)
            assert refused.value.response.status_code == status

    asyncio.run(main())
