"""Deepgram's own SDK, unchanged, completes sessions against the emulator; and its rules are kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import ListenV1Metadata, ListenV1Results
from deepgram.listen.v2.types import ListenV2Configure, ListenV2Connected, ListenV2TurnInfo
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vivavoce.clock import run_virtual
from vivavoce.emulators.deepgram import emulator, served
from vivavoce.emulators.deepgram_listen import NET_0001
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.recognition import Scripted
from vivavoce.emulators.websocket import WebSocketEmulator

TEXT = "one two three, four five six. Seven eight nine, ten eleven twelve."
V1 = "encoding=linear16&sample_rate=16000&channels=1&interim_results=true&endpointing=false&language=en&model=nova-3"
V2 = "encoding=linear16&sample_rate=16000&model=flux-general-en"


def sound(script: Path) -> bytes:
    return soundfile.read(script.parent / "clip.wav", dtype="int16")[0].tobytes()


def client(address: str) -> AsyncDeepgramClient:
    base = f"ws://{address}"
    environment = DeepgramClientEnvironment(base=base, production=base, agent=base, agent_rest=base)
    return AsyncDeepgramClient(api_key="canary-of-the-sdk", environment=environment)


@asynccontextmanager
async def socket(address: str, path: str, *, auth: str = "Token any") -> AsyncIterator[ClientConnection]:
    async with (
        asyncio.timeout(100),
        connect(f"ws://{address}{path}", additional_headers={"Authorization": auth}, ping_interval=None) as connection,
    ):
        yield connection


async def closing(connection: ClientConnection) -> tuple[list[dict[str, Any]], tuple[int, str]]:
    """What is said until the end, and the code and the reason of the end."""
    said = []
    try:
        while True:
            said.append(json.loads(await connection.recv()))
    except ConnectionClosed as error:
        return said, (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")


def test_the_sdk_completes_a_listen_session(script: Path) -> None:
    async def main() -> None:
        async with emulator(script=script).serving() as address:
            options = {"model": "nova-3", "language": "en", "encoding": "linear16", "sample_rate": 16000}
            async with client(address).listen.v1.connect(
                **options, channels=1, interim_results=True, punctuate=True, keyterm="vivavoce"
            ) as connection:
                data = sound(script)
                await connection.send_keep_alive()
                for start in range(0, len(data), 3200):
                    await connection.send_media(data[start : start + 3200])
                await connection.send_finalize()
                await connection.send_close_stream()
                said = [message async for message in connection]
            results = [each for each in said if isinstance(each, ListenV1Results)]
            finals = [each for each in results if each.is_final]
            assert " ".join(f.channel.alternatives[0].transcript for f in finals).split() == TEXT.split()
            assert any(each.from_finalize for each in finals)
            assert any(not each.is_final and each.channel.alternatives[0].words for each in results)
            assert isinstance(said[-1], ListenV1Metadata)
            assert said[-1].duration == pytest.approx(len(data) / 32000)

    asyncio.run(main())


def test_the_sdk_completes_a_flux_session(script: Path) -> None:
    async def main() -> None:
        async with emulator(script=script).serving() as address:
            options = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": 16000}
            async with client(address).listen.v2.connect(**options, eager_eot_threshold=0.4) as connection:
                await connection.send_configure(ListenV2Configure(keyterms=["vivavoce"]))
                data = sound(script)
                for start in range(0, len(data), 2560):
                    await connection.send_media(data[start : start + 2560])
                await connection.send_force_end_turn()
                await connection.send_close_stream()
                said = [message async for message in connection]
            assert isinstance(said[0], ListenV2Connected)
            turns = [each for each in said if isinstance(each, ListenV2TurnInfo)]
            ends = [turn for turn in turns if turn.event == "EndOfTurn"]
            assert " ".join(turn.transcript for turn in ends).split() == TEXT.split()
            assert ends[-1].trigger == "manual"
            assert {"StartOfTurn", "Update", "EagerEndOfTurn", "TurnResumed"} <= {turn.event for turn in turns}
            assert [each.sequence_id for each in said] == list(range(len(said)))

    asyncio.run(main())


def test_a_turn_ends_by_itself_unless_that_is_off(script: Path) -> None:
    async def ends(query: str) -> list[str]:
        async with (
            served(Scripted(script)).serving() as address,
            socket(address, f"/v2/listen?{V2}{query}") as connection,
        ):
            await connection.send(sound(script)[: 2 * 16 * 5000])
            await connection.send(bytes(2 * 16 * 2000))
            await connection.send('{"type":"CloseStream"}')
            said, _ = await closing(connection)
            return [each["trigger"] for each in said if each.get("event") == "EndOfTurn"]

    assert asyncio.run(ends("")) == ["model"]
    assert asyncio.run(ends("&eot_threshold=1.0")) == ["manual"]


def test_failure_1_ten_seconds_without_anything_end_it_and_text_does_not(script: Path) -> None:
    async def main() -> tuple[float, tuple[int, str]]:
        loop = asyncio.get_running_loop()
        async with emulator(script=script).serving() as address, socket(address, f"/v1/listen?{V1}") as connection:
            for _ in range(5):
                await asyncio.sleep(8)
                await connection.send('{"type":"KeepAlive"}')
            begun_s = loop.time()
            await asyncio.sleep(8)
            # A KeepAlive in a binary frame does not count.
            await connection.send(b'{"type":"KeepAlive"}')
            _, end = await closing(connection)
            return loop.time() - begun_s, end

    seconds, end = run_virtual(main())
    assert end == (1011, NET_0001)
    assert 9.9 < seconds < 10.5


def test_failure_2_an_empty_binary_frame_closes_the_stream(script: Path) -> None:
    async def main() -> None:
        async with emulator(script=script).serving() as address, socket(address, f"/v1/listen?{V1}") as connection:
            await connection.send(sound(script)[:64000])
            await connection.send(b"")
            said, end = await closing(connection)
            assert said[-1]["type"] == "Metadata"
            assert end == (1000, "")
            words = [word["punctuated_word"] for each in said[:-1] for word in _final_words(each)]
            assert words == TEXT.split()[:3]

    asyncio.run(main())


def _final_words(said: dict[str, Any]) -> list[dict[str, Any]]:
    return said["channel"]["alternatives"][0]["words"] if said["is_final"] else []


@pytest.mark.parametrize("query", [V1, V1.replace("linear16", "opus")])
def test_what_is_no_sound_ends_it_with_1008(script: Path, query: str) -> None:
    async def main() -> None:
        async with emulator(script=script).serving() as address, socket(address, f"/v1/listen?{query}") as connection:
            await connection.send(b"odd")
            _, (code, reason) = await closing(connection)
            assert code == 1008
            assert "DATA-0000" in reason

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "auth", "status"),
    [
        (f"/v1/listen?{V1}", "", 401),
        (f"/v1/listen?{V1}", "Basic any", 401),
        ("/v1/listen?encoding=linear16", "Token any", 400),
        ("/v2/listen?encoding=linear16&sample_rate=16000&model=nova-3", "Token any", 400),
        ("/v3/listen", "Token any", 404),
    ],
)
def test_a_wrong_handshake_is_refused(path: str, auth: str, status: int) -> None:
    async def main() -> None:
        async with emulator().serving() as address:
            with pytest.raises(InvalidStatus) as refused:
                async with socket(address, path, auth=auth):
                    pass
            assert refused.value.response.status_code == status

    asyncio.run(main())


def test_what_is_not_understood_is_answered_with_an_error() -> None:
    async def main() -> None:
        async with emulator().serving() as address:
            async with socket(address, f"/v1/listen?{V1}") as connection:
                for text in ("nonsense", '{"type":"Nonsense"}', "[]"):
                    await connection.send(text)
                    said = json.loads(await connection.recv())
                    assert (said["type"], said["variant"]) == ("Error", "SchemaError")
            async with socket(address, f"/v2/listen?{V2}") as connection:
                await connection.send("nonsense")
                said, (code, _) = await closing(connection)
                assert ([each["type"] for each in said], code) == (["Connected", "Error"], 1008)

    asyncio.run(main())


def test_a_client_that_goes_while_nothing_can_be_said_leaves_nothing_behind(script: Path) -> None:
    async def main() -> None:
        emulated = served(Scripted(script))
        async with asyncio.timeout(20), emulated.serving() as address:
            for kind in ("stall", "freeze"):
                async with socket(address, f"/v1/listen?{V1}") as connection:
                    await connection.send(sound(script)[:64000])
                    await connection.recv()
                    await emulated.inject(Fault.parse(kind, known=emulated.kinds))
                    await connection.send('{"type":"CloseStream"}')
                await _handled(emulated)
                emulated.heal()

    asyncio.run(main())


async def _handled(emulated: WebSocketEmulator) -> None:
    """Wait until every handler has ended; they tell nobody."""
    while emulated.lines:  # noqa: ASYNC110
        await asyncio.sleep(0)
