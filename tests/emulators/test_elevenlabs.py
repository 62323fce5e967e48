"""The emulator against the official client, unchanged, and against what breaks its rules."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from elevenlabs.client import ElevenLabs
from elevenlabs.types import AudioOutputMulti, FinalOutputMulti
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vivavoce.clock import run_virtual
from vivavoce.emulators.elevenlabs import served
from vivavoce.emulators.speech import ScriptedSpeech, bursts


def test_the_official_client_completes_a_session() -> None:
    def session(address: str) -> bytes:
        client = ElevenLabs(api_key="any", base_url=f"http://{address}")
        client.text_to_speech._ws_base_url = f"http://{address}"
        return b"".join(
            client.text_to_speech.convert_realtime(
                "any", text=iter(["Hello ", "world."]), model_id="eleven_flash_v2_5", output_format="pcm_16000"
            )
        )

    async def main() -> None:
        async with served(ScriptedSpeech()).serving() as address:
            sound = await asyncio.to_thread(session, address)
            assert len(sound) == 2 * len(bursts("Hello world.", rate_hz=16000)[0])

    asyncio.run(main())


@asynccontextmanager
async def raw(
    speech: ScriptedSpeech | None = None, *, kind: str = "multi-stream-input", query: str = "", idle_s: float = 20.0
) -> AsyncIterator[ClientConnection]:
    async with served(speech or ScriptedSpeech(), idle_s=idle_s).serving() as address:
        url = f"ws://{address}/v1/text-to-speech/any/{kind}?model_id=m&output_format=pcm_16000{query}"
        async with connect(url, additional_headers={"xi-api-key": "any"}, ping_interval=None) as socket:
            yield socket


async def tell(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def until_final(socket: ClientConnection) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not said or not said[-1].get("isFinal"):
            said.append(json.loads(await socket.recv()))
    return said


def length(said: list[dict[str, Any]]) -> int:
    return sum(len(base64.b64decode(each["audio"] or "")) // 2 for each in said)


def test_contexts_are_told_apart_and_the_official_types_read_what_is_said() -> None:
    async def main() -> None:
        async with raw() as socket:
            await tell(socket, text=" ", context_id="a")
            await tell(socket, text="Hello world. ", context_id="a", flush=True)
            await tell(socket, context_id="a", close_context=True)
            said = await until_final(socket)
            assert {each["contextId"] for each in said} == {"a"}
            assert length(said) == len(bursts("Hello world.", rate_hz=16000)[0])
            first = AudioOutputMulti.model_validate(said[0])
            assert first.context_id == "a"
            assert first.alignment is not None
            assert "".join(first.alignment.chars or []) == "Hello "
            assert first.alignment.char_start_times_ms == [20, 80, 140, 200, 260, 320]
            assert FinalOutputMulti.model_validate(said[-1]).is_final

    asyncio.run(main())


@pytest.mark.parametrize(("query", "text"), [("&auto_mode=true", "A sentence. "), ("", "word " * 30)])
def test_text_is_begun_once_it_is_enough(query: str, text: str) -> None:
    async def main() -> None:
        async with raw(query=query) as socket:
            await tell(socket, text="No end ", context_id="a")
            await tell(socket, text=text, context_id="b")
            assert json.loads(await socket.recv())["contextId"] == "b"

    run_virtual(main())


def test_five_contexts_at_once() -> None:
    async def main() -> None:
        async with raw(ScriptedSpeech(pace=1.0)) as socket:
            for name in "abcde":
                await tell(socket, text="One ", context_id=name)
            await tell(socket, context_id="a", close_context=True)
            await until_final(socket)
            await tell(socket, text="One ", context_id="f")
            await tell(socket, text="One ", context_id="g")
            assert json.loads(await socket.recv())["error"] == "max_active_conversations"
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008

    run_virtual(main())


@pytest.mark.parametrize(("query", "seconds"), [("", 20), ("&inactivity_timeout=60", 60)])
def test_failure_13_without_text_it_ends_with_an_error_and_1008(query: str, seconds: float) -> None:
    async def main() -> None:
        async with raw(query=query) as socket:
            begun_s = asyncio.get_running_loop().time()
            await asyncio.sleep(10)
            await tell(socket, text="")
            said = json.loads(await socket.recv())
            assert asyncio.get_running_loop().time() - begun_s == pytest.approx(10 + seconds, abs=0.1)
            assert (said["error"], said["code"]) == ("input_timeout_exceeded", 1008)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008

    run_virtual(main())


def test_closing_the_socket_says_first_what_was_asked() -> None:
    async def main() -> None:
        async with raw() as socket:
            await tell(socket, text="Hello world. ", context_id="a")
            await tell(socket, close_socket=True)
            assert length(await until_final(socket)) == len(bursts("Hello world.", rate_hz=16000)[0])
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1000

    asyncio.run(main())


def test_a_single_stream_ends_with_an_empty_text() -> None:
    async def main() -> None:
        async with raw(kind="stream-input") as socket:
            await tell(socket, text=" ")
            await tell(socket, text="Hello world. ")
            await tell(socket, text="")
            said = await until_final(socket)
            assert length(said) == len(bursts("Hello world.", rate_hz=16000)[0])
            assert all("contextId" not in each for each in said)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/text-to-speech/any/stream-input?output_format=pcm_16000", {}, 401),
        ("/v1/text-to-speech/any/stream-input", {"xi-api-key": "any"}, 403),
        ("/v1/other", {"xi-api-key": "any"}, 404),
    ],
)
def test_handshakes_that_are_refused(path: str, headers: dict[str, str], status: int) -> None:
    async def main() -> None:
        async with served(ScriptedSpeech()).serving() as address:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{address}{path}", additional_headers=headers)
            assert refused.value.response.status_code == status

    asyncio.run(main())
