"""The emulator against the official client, unchanged, and against what breaks its rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from vivavoce.clock import run_virtual
from vivavoce.emulators.aura import served
from vivavoce.emulators.speech import ScriptedSpeech, bursts

LENGTH = 2 * len(bursts("Hello world.", rate_hz=16000)[0])


def test_the_official_client_completes_a_session() -> None:
    async def main() -> None:
        async with served(ScriptedSpeech()).serving() as address:
            environment = DeepgramClientEnvironment(
                base=f"http://{address}", production=f"ws://{address}", agent=f"ws://{address}",
                agent_rest=f"http://{address}",
            )  # fmt: skip
            client = AsyncDeepgramClient(api_key="any", environment=environment)
            options: dict[str, Any] = {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": "16000"}
            async with client.speak.v1.connect(**options) as connection:
                await connection.send_text(SpeakV1Text(text="Hello world."))
                await connection.send_flush()
                sound, kinds = b"", []
                async for message in connection:
                    if isinstance(message, bytes):
                        sound += message
                        continue
                    kinds.append(message.type)
                    if message.type == "Flushed":
                        await connection.send_clear()
                    elif message.type == "Cleared":
                        await connection.send_close()
            assert len(sound) == LENGTH
            assert kinds == ["Metadata", "Flushed", "Cleared"]

    asyncio.run(main())


@asynccontextmanager
async def raw(speech: ScriptedSpeech | None = None) -> AsyncIterator[ClientConnection]:
    async with served(speech or ScriptedSpeech()).serving() as address:
        headers = {"Authorization": "Token any"}
        url = f"ws://{address}/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate=16000"
        async with connect(url, additional_headers=headers, ping_interval=None) as socket:
            yield socket


async def tell(socket: ClientConnection, kind: str, **rest: str) -> None:
    await socket.send(json.dumps({"type": kind} | rest))


async def until(socket: ClientConnection, kind: str) -> tuple[int, dict[str, Any]]:
    """Bytes of sound before a message of that kind, and the message."""
    sound = 0
    async with asyncio.timeout(30):
        while True:
            message = await socket.recv()
            if isinstance(message, bytes):
                sound += len(message)
            elif (said := json.loads(message))["type"] == kind:
                return sound, said


def test_text_waits_for_its_flush() -> None:
    async def main() -> None:
        async with raw() as socket:
            await tell(socket, "Speak", text="Hello ")
            await tell(socket, "Speak", text="world.")
            await tell(socket, "Flush")
            assert (await until(socket, "Flushed"))[0] == LENGTH

    asyncio.run(main())


def test_clear_drops_text_and_sound() -> None:
    async def main() -> None:
        async with raw(ScriptedSpeech(pace=1.0)) as socket:
            await tell(socket, "Speak", text="A text that takes a while.")
            await tell(socket, "Flush")
            await tell(socket, "Speak", text="Never said.")
            while not isinstance(await socket.recv(), bytes):
                pass
            await tell(socket, "Clear")
            assert (await until(socket, "Cleared"))[0] == 0
            await tell(socket, "Speak", text="Hello world.")
            await tell(socket, "Flush")
            assert (await until(socket, "Flushed"))[0] == LENGTH

    run_virtual(main())


def test_failure_8_the_21st_flush_of_a_minute_is_a_warning_and_no_sound() -> None:
    async def main() -> None:
        async with raw() as socket:
            for _ in range(20):
                await tell(socket, "Flush")
                await until(socket, "Flushed")
            await tell(socket, "Speak", text="Hello world.")
            await tell(socket, "Flush")
            sound, warning = await until(socket, "Warning")
            assert sound == 0
            assert "20" in warning["description"]
            await asyncio.sleep(60)
            await tell(socket, "Flush")
            assert (await until(socket, "Flushed"))[0] == LENGTH

    run_virtual(main())


@pytest.mark.parametrize("message", ["no json", "[]", "{}", '{"type": "Sing"}'])
def test_what_is_no_message_is_warned_of(message: str) -> None:
    async def main() -> None:
        async with raw() as socket:
            await socket.send(message)
            assert (await until(socket, "Warning"))[1]["code"] == "UNKNOWN_MESSAGE"

    run_virtual(main())


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/speak", {}, 401),
        ("/v1/speak?encoding=opus", {"Authorization": "Token any"}, 400),
        ("/other", {"Authorization": "Token any"}, 404),
    ],
)
def test_handshakes_that_are_refused(path: str, headers: dict[str, str], status: int) -> None:
    async def main() -> None:
        async with served(ScriptedSpeech()).serving() as address:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{address}{path}", additional_headers=headers)
            assert refused.value.response.status_code == status

    asyncio.run(main())
