"""No key of a provider is shown by anything: planted in each configuration, looked for in all that is told of sessions.

Every hosted provider, over its emulator and through each general fault; and over servers that repeat the key they are
given in whatever they can say.
"""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import TypeAdapter

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import SystemClock
from vivavoce.config.engines import load_engine
from vivavoce.config.load import read_settings
from vivavoce.emulators.faults import GENERAL, Fault
from vivavoce.emulators.line import Line
from vivavoce.emulators.websocket import WebSocketEmulator
from vivavoce.errors import VivavoceError
from vivavoce.legs.values import Clause
from vivavoce.providers.secrets import Secret, secret
from vivavoce.routing.board import LegStatus
from vivavoce.routing.mt import RoutedTranslator
from vivavoce.routing.route import Route
from vivavoce.routing.shadow import Consent, Shadows
from vivavoce.routing.shadow_after import rows_of
from vivavoce.routing.stt import RoutedStt
from vivavoce.routing.tts import RoutedSynthesizer

CANARY = "sk-canary-3f1b9c52e7d84a06b1fe"
GUARD_S = 5.0
LATE_S = 0.4
RATE_HZ = 16000


@dataclass(frozen=True)
class Provider:
    """`options` shorten its own deadlines."""

    leg: str
    path: str
    emulator: str
    key: str
    options: str = ""
    scheme: str = "ws"
    suffix: str = ""


PROVIDERS = {
    "deepgram": Provider("stt", "deepgram:Deepgram", "deepgram", "DEEPGRAM_API_KEY"),
    "deepgram-flux": Provider("stt", "deepgram_flux:DeepgramFlux", "deepgram", "DEEPGRAM_API_KEY"),
    "openai-transcription": Provider(
        "stt",
        "openai_transcription:OpenAITranscription",
        "openai",
        "OPENAI_API_KEY",
        f"timeout_ms = {LATE_S * 1000}",
        "http",
        "/v1",
    ),
    "chat": Provider(
        "mt",
        "openai_chat:OpenAIChat",
        "openai",
        "OPENAI_API_KEY",
        f'model = "m"\nkey = "OPENAI_API_KEY"\nfirst_timeout_ms = {LATE_S * 1000}\nstall_timeout_ms = {LATE_S * 1000}',
        "http",
        "/v1",
    ),
    "cartesia": Provider("tts", "cartesia:Cartesia", "cartesia", "CARTESIA_API_KEY", f"due_s = {LATE_S}"),
    "elevenlabs": Provider("tts", "elevenlabs:ElevenLabs", "elevenlabs", "ELEVENLABS_API_KEY", f"due_s = {LATE_S}"),
    "aura": Provider("tts", "aura:Aura", "aura", "DEEPGRAM_API_KEY", f"due_s = {LATE_S}"),
}
FAULTS = ["", "refuse:401", "refuse:429", "abort", "close:1008", "stall", "garbage"]
each_provider = pytest.mark.parametrize("name", PROVIDERS)


class Told:
    """Everything that is told of sessions, as text."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self.texts: list[str] = []
        self.errors: list[BaseException] = []

    def add(self, *things: object) -> None:
        for thing in things:
            self.texts += [str(thing), repr(thing)]

    def take(self, error: BaseException) -> None:
        self.errors.append(error)
        self.texts += traceback.format_exception(error)
        seen: BaseException | None = error
        while seen is not None:
            self.add(seen, seen.args, getattr(seen, "hint", ""), vars(seen))
            seen = seen.__cause__ or seen.__context__

    def check(self) -> None:
        for record in self._caplog.records:
            self.add(record.getMessage(), record.args, record.exc_text, vars(record))
        found = [text for text in self.texts if CANARY in text or CANARY[: len(CANARY) // 2] in text]
        assert not found


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.DEBUG)
    return Told(caplog)


@pytest.fixture(params=["environment", "file"])
def planted(request, monkeypatch, tmp_path) -> str:
    """Every key of every provider has the canary's value, in one of the two places for keys."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    names = sorted({provider.key for provider in PROVIDERS.values()})
    for name in names:
        if request.param == "environment":
            monkeypatch.setenv(name, CANARY)
        else:
            monkeypatch.delenv(name, raising=False)
    if request.param == "file":
        path = tmp_path / "keys.env"
        path.write_text("".join(f"{name}={CANARY}\n" for name in names))
        path.chmod(0o600)
        monkeypatch.setenv("VIVAVOCE_SECRETS", str(path))
    return str(request.param)


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    """Noise for a second and a half, in which two words are said."""
    folder = tmp_path_factory.mktemp("script")
    soundfile.write(folder / "x.wav", noise(), RATE_HZ)
    words = [["hello", 200, 600], ["there", 700, 1100]]
    (folder / "script.json").write_text(json.dumps({"clips": [{"audio": "x.wav", "words": words}]}))
    return folder / "script.json"


def noise() -> np.ndarray:
    return np.random.default_rng(5).normal(0, 3000, RATE_HZ * 3 // 2).astype(np.int16)


def settings_of(name: str, address: str, folder: Path) -> Any:
    provider = PROVIDERS[name]
    engine = name
    file = folder / f"{name}.toml"
    file.write_text(
        f'[engines]\n{engine} = "vivavoce.providers.{provider.path}"\n'
        f'[engines.options.{engine}]\nurl = "{provider.scheme}://{address}{provider.suffix}"\n{provider.options}\n'
    )
    return read_settings(file)


async def hear(leg: Any, frames: list[Pcm]) -> None:
    stream = await leg.open(language="en", keyterms=["there"], rate_hz=RATE_HZ)
    try:
        for pcm in frames:
            await stream.push(pcm)
        await stream.finalise(1)
        async for hypothesis in stream:
            if hypothesis.final:
                break
        stream.reset()
    finally:
        await stream.aclose()


async def translate(leg: Any) -> None:
    clause = Clause("one two", 0.0, 1.0)
    assert [chunk async for chunk in leg.translate(clause, source="en", target="pt", context=["before"])]


async def speak(leg: Any) -> None:
    stream = await leg.open(voice="", language="en", rate_hz=RATE_HZ)
    try:
        await stream.push("Good morning.", 1)
        await stream.flush(1)
        async for chunk in stream:
            if chunk.last:
                break
    finally:
        await stream.aclose()


def use(leg: str, engine: Any) -> Any:
    if leg == "stt":
        samples = noise()
        step = RATE_HZ // 50
        frames = [Pcm(samples[at : at + step], RATE_HZ, 1000 * at / RATE_HZ) for at in range(0, len(samples), step)]
        return hear(engine, frames)
    return translate(engine) if leg == "mt" else speak(engine)


async def guarded(told: Told, work: Any, *, guard_s: float) -> bool:
    """Whether it came to its end; what it raises is told."""
    try:
        async with asyncio.timeout(guard_s):
            await work
    except (VivavoceError, TimeoutError) as error:
        told.take(error)
        return False
    return True


async def sessions(kit: Any, name: str, address: str, told: Told, folder: Path, *, guard_s: float = GUARD_S) -> bool:
    """One on the provider alone, and one on a route that has it first, with it as a shadow; whether the first ended."""
    provider = PROVIDERS[name]
    settings = settings_of(name, address, folder)
    engine = load_engine(settings, name)
    told.add(engine, settings, settings.model_dump_json())
    await guarded(told, engine.warm_up(), guard_s=guard_s)
    well = await guarded(told, use(provider.leg, engine), guard_s=guard_s)
    told.add(*vars(engine).values())
    await engine.aclose()

    route_settings = kit.settings_of(name, shadow={name: 1.0}, deadline_ms=LATE_S * 1000, stall_ms=LATE_S * 1000)
    route = Route(provider.leg, route_settings, clock=SystemClock(), tell=told.add)
    shadows = Shadows(
        {provider.leg: route_settings},
        session="s",
        consent=Consent(shadow=True),
        make=lambda leg, engine: load_engine(settings, engine),
        hosted=lambda engine: True,
        clock=SystemClock(),
    )
    routed = {"stt": RoutedStt, "mt": RoutedTranslator, "tts": RoutedSynthesizer}[provider.leg](
        route, lambda engine: load_engine(settings, engine)
    )
    shadows.begin()
    await guarded(told, use(provider.leg, getattr(shadows, provider.leg)(routed)), guard_s=guard_s)
    told.add(route.status(), TypeAdapter(LegStatus).dump_json(LegStatus.of(route)))
    await routed.aclose()
    ended = asyncio.create_task(shadows.end())
    await asyncio.wait([ended], timeout=guard_s)
    ended.cancel()
    await asyncio.gather(ended, return_exceptions=True)
    told.add(*(row for run in shadows.runs for row in rows_of(run, None)))
    return well


@asynccontextmanager
async def emulated(name: str, script: Path, fault: str) -> AsyncIterator[str]:
    module = import_module(f"vivavoce.emulators.{PROVIDERS[name].emulator}")
    faults = [Fault.parse(fault, known=GENERAL)] if fault else []
    async with module.emulator(faults=faults, script=script).serving() as address:
        yield address


@each_provider
@pytest.mark.usefixtures("planted")
def test_a_session_that_goes_well_tells_no_key(kit, name, told, script, tmp_path):
    async def main() -> None:
        async with emulated(name, script, "") as address:
            assert await sessions(kit, name, address, told, tmp_path)

    asyncio.run(main())
    told.check()


@each_provider
@pytest.mark.parametrize("fault", FAULTS[1:])
def test_a_session_that_breaks_tells_no_key(kit, name, fault, told, script, tmp_path, monkeypatch):
    monkeypatch.setenv(PROVIDERS[name].key, CANARY)

    async def main() -> None:
        async with emulated(name, script, fault) as address:
            late_s = 2 * LATE_S if fault == "stall" else GUARD_S
            assert not await sessions(kit, name, address, told, tmp_path, guard_s=late_s)

    asyncio.run(main())
    assert told.errors
    told.check()


def refusing(path: str, headers: Any) -> tuple[int, str]:
    return 401, json.dumps({"error": {"message": f"Incorrect API key: {dict(headers)}"}, "detail": dict(headers)})


async def closing(line: Line) -> None:
    await line.close(1008, f"bad key {CANARY}")


async def reproaching(line: Line) -> None:
    """Says an error in each provider's words."""
    said = f"the key {CANARY} is not yours"
    async for _ in line:
        await line.send({"type": "Error", "description": said, "message": said, "code": said, "err_msg": said})
        await line.send({"type": "error", "status_code": 401, "error": said, "message": said, "title": said})
        await line.send({"error": said, "message": said, "code": 1008})
        await line.send(said)
        await line.close(1011, said)


SPITEFUL: dict[str, Callable[[], WebSocketEmulator]] = {
    "refusal": lambda: WebSocketEmulator(closing, refusal=refusing),
    "close": lambda: WebSocketEmulator(closing),
    "error": lambda: WebSocketEmulator(reproaching),
}


@pytest.mark.parametrize("way", SPITEFUL)
@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.scheme == "ws"])
def test_a_socket_that_repeats_the_key_is_not_repeated(kit, name, way, told, tmp_path, monkeypatch):
    monkeypatch.setenv(PROVIDERS[name].key, CANARY)

    async def main() -> None:
        async with SPITEFUL[way]().serving() as address:
            assert not await sessions(kit, name, address, told, tmp_path)

    asyncio.run(main())
    assert told.errors
    told.check()


@pytest.mark.parametrize("status", ["401 Unauthorized", "200 OK"])
@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.scheme == "http"])
def test_an_answer_that_repeats_the_key_is_not_repeated(kit, name, status, told, tmp_path, monkeypatch):
    monkeypatch.setenv(PROVIDERS[name].key, CANARY)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"error": {"message": f"Incorrect API key provided: {CANARY}", "code": 401}})
        body = f"data: {body}\n\n" if status.startswith("200") else body
        headers = f"content-length: {len(body)}\r\nretry-after: {CANARY}\r\nconnection: close"
        writer.write(f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert not await sessions(kit, name, f"127.0.0.1:{port}", told, tmp_path)

    asyncio.run(main())
    assert told.errors
    told.check()


def test_a_key_shows_its_name_alone(told, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", CANARY)
    key = secret("SOME_API_KEY")
    told.add(key, f"{key}", [key], {"key": key})
    told.check()
    assert str(key) == "SOME_API_KEY"
    assert key.reveal() == CANARY
    assert CANARY not in Secret("n", CANARY).scrub(f"<{CANARY}> and {CANARY[:20]}")


def test_the_check_itself_finds_a_key(told):
    told.take(ValueError(f"what {CANARY}?"))
    with pytest.raises(AssertionError):
        told.check()
