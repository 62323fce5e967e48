"""A gateway over a real media plane, with an agent who says nothing, and who calls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx
import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect

from vivavoce.agent.admission import Limits
from vivavoce.agent.backlog import Backlog
from vivavoce.agent.load import read_script
from vivavoce.clock import SystemClock
from vivavoce.config.load import default_settings
from vivavoce.config.settings import ServeSettings
from vivavoce.errors import LegError
from vivavoce.gateway.app import application
from vivavoce.gateway.books import Bookkeeper
from vivavoce.gateway.calls import Calls, Doorkeeper
from vivavoce.gateway.keys import Keys
from vivavoce.ledger.usage import Work
from vivavoce.media import Call, Closed, Dtmf, Engine, EngineSettings, Started

PUBLIC = "https://voice.example.org/line"
TWILIO, ASTERISK = "canary-of-the-auth-token", "canary-of-the-dialplan"
SCRIPT = """
name: n
start: a
person: desk
states:
  a: {say: Good morning., go: [{to: bye, said: [bye]}]}
  desk: {say: One moment., transfer: "+15550100"}
  bye: {hang_up: true}
"""
QUIET = EngineSettings(scheduling="default", voices=False)


class Listener:
    """An agent who says nothing: `9` puts the caller through to `+15550199`, `0` breaks it off, `8` loses its voice,
    `#` hangs up."""

    def __init__(self, script: str = SCRIPT) -> None:
        self.script = read_script(script)
        self.backlog, self.limits = Backlog(SystemClock()), Limits()
        self.heard: list[Any] = []
        self._told = asyncio.Event()

    async def converse(self, call: Call, *, clock: Any, key: str, meter: Any, signals: Any, observer: Any) -> Any:
        transfer = failure = None
        meter.used("stt", "whisper", Work(sound_ms=500.0))
        async for event in call.events():
            self.heard.append(event)
            self._told.set()
            match event:
                case Dtmf("9"):
                    transfer = "+15550199"
                    call.hang_up()
                case Dtmf("8"):
                    # As a conversation does whose leg fails: it ends well, and says so.
                    failure = LegError("canary-of-what-was-said")
                    call.hang_up()
                case Dtmf("0"):
                    raise LegError("canary-of-what-was-said")
                case Dtmf("#"):
                    call.hang_up()
        return SimpleNamespace(transfer=transfer, failure=failure)

    async def until(self, kind: type) -> Any:
        while not (found := [event for event in self.heard if isinstance(event, kind)]):
            self._told.clear()
            await self._told.wait()
        return found[0]


class Exchange:
    """The telephone company: signs as the official library does, and sends a call's sound."""

    def __init__(self, client: httpx.AsyncClient, engine: Engine, agent: Listener, calls: Calls) -> None:
        self.client, self.engine, self.agent, self.calls = client, engine, agent, calls

    async def post(
        self,
        path: str,
        *,
        key: str = TWILIO,
        signature: str | None = None,
        sent: Mapping[str, str] | None = None,
        **more: str,
    ) -> httpx.Response:
        """A signed request; `sent` is sent instead of what was signed."""
        fields = {"CallSid": "CA1", "From": "+15550111", "To": "+15550122"} | more
        if signature is None:
            signature = RequestValidator(key).compute_signature(PUBLIC + path, fields)
        return await self.client.post(path, data=sent or fields, headers={"X-Twilio-Signature": signature})

    async def token(self, sid: str = "CA1") -> str:
        answer = await self.post("/twilio/voice", CallSid=sid)
        found = ElementTree.fromstring(answer.text).find("Connect/Stream/Parameter[@name='token']")
        assert found is not None, answer.text
        return found.attrib["value"]

    async def dialplan(self, path: str, *, secret: str = ASTERISK) -> httpx.Response:
        return await self.client.get(path, headers={"Authorization": f"Bearer {secret}"})

    @asynccontextmanager
    async def stream(self, token: str, sid: str = "CA1") -> AsyncIterator[ClientConnection]:
        """A call's sound, as Twilio begins it."""
        async with connect(f"ws://127.0.0.1:{self.engine.port}/twilio", compression=None) as socket:
            format_ = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
            start = {"streamSid": "MZ1", "callSid": sid, "mediaFormat": format_, "customParameters": {"token": token}}
            await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            await socket.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": start}))
            yield socket


async def press(socket: ClientConnection, digit: str) -> None:
    await socket.send(json.dumps({"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": digit}}))


def serve_settings(**changes: Any) -> ServeSettings:
    """Those of the package, with Twilio's address and ports that are free."""
    own = {"public_url": PUBLIC, "port": 0, "media_port": 0}
    return ServeSettings.model_validate(default_settings().serve.model_dump() | own | changes)


class Everybody:
    """Is let in."""

    def refusal(self, under_way: int) -> str | None:
        return None


EVERYBODY = Everybody()


@asynccontextmanager
async def opened(
    *,
    agent: Listener | None = None,
    admission: Doorkeeper = EVERYBODY,
    books: Bookkeeper | None = None,
    **changes: Any,
) -> AsyncIterator[Exchange]:
    settings, agent, clock = serve_settings(**changes), agent or Listener(), SystemClock()
    async with Engine(replace(QUIET, calls=settings.calls)) as engine, asyncio.TaskGroup() as group:
        calls = Calls(
            agent,  # type: ignore[arg-type]
            engine,
            settings,
            group=group,
            clock=clock,
            admission=admission,
            books=books,
        )
        app = application(calls, engine, settings, Keys(TWILIO, ASTERISK), clock=clock)
        host = f"http://{urlsplit(PUBLIC).netloc}"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=host) as client:
            yield Exchange(client, engine, agent, calls)
        for name in list(calls._held):
            calls.end(name)


@pytest.fixture
def gateway() -> SimpleNamespace:
    def run(work: Any) -> Any:
        return asyncio.run(asyncio.wait_for(work, 60))

    return SimpleNamespace(
        opened=opened,
        EVERYBODY=EVERYBODY,
        run=run,
        press=press,
        settings=serve_settings,
        Listener=Listener,
        Exchange=Exchange,
        At=lambda port: SimpleNamespace(port=port),
        SCRIPT=SCRIPT,
        PUBLIC=PUBLIC,
        TWILIO=TWILIO,
        ASTERISK=ASTERISK,
        QUIET=QUIET,
        Started=Started,
        Closed=Closed,
    )
