"""A caller who speaks Twilio's messages through a library that nobody here wrote."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from vivavoce.audio.codec import ulaw_decode, ulaw_encode
from vivavoce.media import Call, CallEvent, Engine, EngineSettings

FRAME = 160


class Caller:
    def __init__(self, socket: ClientConnection, stream: str = "MZ1") -> None:
        self.socket = socket
        self.stream = stream

    async def begin(self, token: str, **parameters: str) -> None:
        await self._send(event="connected", protocol="Call", version="1.0.0")
        format_ = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {"streamSid": self.stream, "callSid": "CA1", "mediaFormat": format_}
        await self._send(event="start", start=start | {"customParameters": {"token": token} | parameters})

    async def speak(self, samples: np.ndarray[Any, np.dtype[np.int16]]) -> None:
        for at in range(0, len(samples), FRAME):
            payload = base64.b64encode(ulaw_encode(samples[at : at + FRAME])).decode()
            await self._send(event="media", media={"track": "inbound", "payload": payload})

    async def press(self, digit: str) -> None:
        await self._send(event="dtmf", dtmf={"digit": digit})

    async def stop(self) -> None:
        await self._send(event="stop")

    async def hear(self) -> tuple[str, Any]:
        """The next message: its event, and its sound where it has one."""
        message = json.loads(await self.socket.recv())
        sound = message.get("media", {}).get("payload")
        return message["event"], None if sound is None else ulaw_decode(base64.b64decode(sound))

    async def _send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message | {"streamSid": self.stream}))


@asynccontextmanager
async def calling(engine: Engine) -> AsyncIterator[Caller]:
    async with connect(f"ws://127.0.0.1:{engine.port}/twilio", compression=None) as socket:
        yield Caller(socket)


@asynccontextmanager
async def connected(
    token: str = "t", *, settings: EngineSettings | None = None, **options: Any
) -> AsyncIterator[tuple[Engine, Call, Caller]]:
    """An engine with one call that has begun."""
    async with Engine(settings or EngineSettings(scheduling="default", voices=False)) as engine:
        call = engine.expect(token, ttl_ms=60_000, **options)
        async with calling(engine) as caller:
            await caller.begin(token)
            await call.started()
            yield engine, call, caller


async def until(call: Call, wanted: type[CallEvent] | Callable[[CallEvent], bool]) -> CallEvent:
    """The next event of a kind; others before it are passed over."""
    async for event in call.events():
        if isinstance(event, wanted) if isinstance(wanted, type) else wanted(event):
            return event
    raise AssertionError("the call is over")


def tone(ms: int, *, rate_hz: int = 8000, amplitude: float = 12_000) -> np.ndarray[Any, np.dtype[np.int16]]:
    count = ms * rate_hz // 1000
    return (amplitude * np.sin(2 * np.pi * 440 * np.arange(count) / rate_hz)).astype(np.int16)


@pytest.fixture
def line() -> SimpleNamespace:
    def run(work: Any) -> Any:
        return asyncio.run(asyncio.wait_for(work, 60))

    return SimpleNamespace(calling=calling, connected=connected, until=until, tone=tone, run=run)
