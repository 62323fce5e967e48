"""Cartesia's `/tts/websocket`, with the rules of its contexts.

A context takes text until one of its messages says `continue: false`, or until 1 s after its last sound. `cancel` stops
only text whose sound was not begun. Contexts of all connections count towards the account's limit.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from websockets.datastructures import Headers

from vivavoce.audio.pcm import Samples
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.line import Line
from vivavoce.emulators.speech import Speech, speech
from vivavoce.emulators.websocket import Emulator, Refusal, WebSocketEmulator

PATH = "/tts/websocket"
KINDS = {
    "no-audio": "takes text and says that it is done, without any sound",
    "429-contexts": "has every new context over the account's limit",
    "error": "answers text with an error of that status (500)",
}
_CONTEXTS = 15
_IDLE_S = 300.0
_EXPIRES_S = 1.0
_BUFFER_MS = 3000
_BYTES = {"pcm_s16le": "<i2", "pcm_f32le": "<f4"}
_ENDS = (".", "!", "?")


@dataclass(slots=True)
class _Context:
    """`texts` holds (text, whether it must be spoken at once); None ends it."""

    id: str
    settings: dict[str, Any]
    texts: asyncio.Queue[tuple[str, bool] | None] = field(default_factory=asyncio.Queue)
    complete: bool = False
    sent: int = 0
    task: asyncio.Task[None] | None = None


def refusal(path: str, headers: Headers) -> Refusal | None:
    query = parse_qs(urlsplit(path).query)
    if urlsplit(path).path != PATH:
        return 404, "no such path\n"
    key = headers.get("Authorization", "").removeprefix("Bearer ") or headers.get("X-API-Key", "")
    if not (key or "api_key" in query or "access_token" in query):
        return 401, '{"title":"Unauthorized","message":"an API key is required","status_code":401}'
    if not (headers.get("cartesia-version") or "cartesia_version" in query):
        return 400, '{"title":"Bad request","message":"cartesia-version is required","status_code":400}'
    return None


class CartesiaServer:
    """Handles connections of one account."""

    def __init__(self, speech: Speech, *, contexts: int = _CONTEXTS, idle_s: float = _IDLE_S) -> None:
        self._speech, self._most, self._idle_s = speech, contexts, idle_s
        self._active = 0

    async def __call__(self, line: Line) -> None:
        await _Session(self, line).run()

    def admit(self, line: Line) -> bool:
        """Count a context in, unless there are too many."""
        if self._active >= self._most or line.fault("429-contexts"):
            return False
        self._active += 1
        return True

    def release(self) -> None:
        self._active -= 1

    @property
    def speech(self) -> Speech:
        return self._speech

    @property
    def idle_s(self) -> float:
        return self._idle_s


class _Session:
    def __init__(self, server: CartesiaServer, line: Line) -> None:
        self._server, self._line = server, line
        self._contexts: dict[str, _Context] = {}
        self._over: set[str] = set()
        self._idle: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        self._stay()
        try:
            async for message in self._line:
                self._stay()
                await self._take(message)
        finally:
            if self._idle is not None:
                self._idle.cancel()
            tasks = [context.task for context in self._contexts.values() if context.task is not None]
            tasks += [self._closing] if self._closing is not None else []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._server.idle_s, self._leave)

    def _leave(self) -> None:
        if self._contexts:
            self._stay()
        else:
            self._closing = asyncio.create_task(self._line.close(1000, "idle"))

    async def _take(self, message: str | bytes) -> None:
        try:
            asked = json.loads(message)
            name = asked["context_id"]
            if asked.get("cancel"):
                self._cancel(name)
                return
            settings = {key: asked.get(key) for key in ("model_id", "voice", "output_format", "language")}
            text, more = str(asked["transcript"]), bool(asked.get("continue"))
            if asked["output_format"]["encoding"] not in _BYTES:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            await self._refuse(None, 400, "Bad request", "the message is not valid")
            return
        context = self._contexts.get(name)
        if name in self._over or (context is not None and context.complete):
            self._end(name)
            await self._refuse(name, 400, "Bad request", "the context has ended and takes no more text")
        elif line_fault := self._line.fault("error"):
            await self._refuse(name, int(line_fault.number(500)), "Internal error", "emulated")
        elif context is None and not self._server.admit(self._line):
            await self._refuse(name, 429, "Too many requests", "too many concurrent contexts")
        else:
            if context is None:
                context = self._contexts[name] = _Context(name, settings)
                context.task = asyncio.create_task(self._speak(context, asked))
            if context.settings != settings:
                await self._refuse(name, 400, "Bad request", "fields of a context must not change")
                return
            context.texts.put_nowait((text, bool(asked.get("flush"))))
            if not more:
                context.complete = True
                context.texts.put_nowait(None)

    def _cancel(self, name: str) -> None:
        context = self._contexts.get(name)
        if context is not None:
            while not context.texts.empty():
                context.texts.get_nowait()
            context.complete = True
            context.texts.put_nowait(None)

    def _end(self, name: str) -> None:
        context = self._contexts.get(name)
        if context is not None and context.task is not None:
            context.task.cancel()

    async def _speak(self, context: _Context, asked: dict[str, Any]) -> None:
        buffer_s = float(asked.get("max_buffer_delay_ms", _BUFFER_MS)) / 1000
        config = asked.get("generation_config") or {}
        speed, flushes, held = float(config.get("speed") or 1.0), 0, ""
        try:
            while True:
                patience_s = buffer_s if held else _EXPIRES_S if context.sent else None
                try:
                    async with asyncio.timeout(patience_s):
                        given = await context.texts.get()
                except TimeoutError:
                    if not held:
                        break
                    given = ("", True)
                text, at_once = given or ("", True)
                held += text
                if at_once or not buffer_s or held.rstrip().endswith(_ENDS):
                    if held.strip() and not self._line.fault("no-audio"):
                        await self._say(context, held, speed)
                    held = ""
                if given is None:
                    break
                if at_once and text:
                    flushes += 1
                    await self._tell(context, "flush_done", flush_done=True, flush_id=flushes)
            self._over.add(context.id)
            await self._line.send({"type": "done", "context_id": context.id, "status_code": 200, "done": True})
        finally:
            self._over.add(context.id)
            self._contexts.pop(context.id, None)
            self._server.release()

    async def _say(self, context: _Context, text: str, speed: float) -> None:
        form = context.settings["output_format"]
        rate_hz, encoding = int(form["sample_rate"]), form["encoding"]
        language = context.settings["language"] or "en"
        async with aclosing(self._server.speech.say(text, language=language, rate_hz=rate_hz, speed=speed)) as pieces:
            async for piece in pieces:
                shift_ms = 1000.0 * context.sent / rate_hz
                context.sent += len(piece.samples)
                if piece.words:
                    times = {
                        "words": [word.text for word in piece.words],
                        "start": [(word.start_ms + shift_ms) / 1000 for word in piece.words],
                        "end": [(word.end_ms + shift_ms) / 1000 for word in piece.words],
                    }
                    await self._tell(context, "timestamps", word_timestamps=times)
                data = base64.b64encode(_encoded(piece.samples, encoding)).decode()
                await self._tell(context, "chunk", data=data, step_time=1.0)

    async def _tell(self, context: _Context, kind: str, **rest: Any) -> None:
        said = {"type": kind, "context_id": context.id, "status_code": 206, "done": False}
        await self._line.send(said | rest)

    async def _refuse(self, name: str | None, status: int, title: str, message: str) -> None:
        said = {"type": "error", "status_code": status, "done": True, "title": title, "message": message}
        await self._line.send(said | ({"context_id": name} if name else {}))


def _encoded(samples: Samples, encoding: str) -> bytes:
    if encoding == "pcm_f32le":
        return (samples.astype(np.float32) / 32768).tobytes()
    return samples.astype(_BYTES[encoding]).tobytes()


def emulator(
    *, faults: Sequence[Fault] = (), seed: int = 0, script: Path | None = None, models: bool = False
) -> Emulator:
    """Cartesia. It says what it is sent, so that a script has nothing to add."""
    return served(speech(models=models), faults=faults, seed=seed)


def served(
    voice: Speech,
    *,
    contexts: int = _CONTEXTS,
    idle_s: float = _IDLE_S,
    faults: Sequence[Fault] = (),
    seed: int = 0,
) -> WebSocketEmulator:
    """The same with a voice and limits of one's own."""
    server = CartesiaServer(voice, contexts=contexts, idle_s=idle_s)
    return WebSocketEmulator(server, refusal=refusal, kinds=KINDS, faults=faults, seed=seed, aclose=voice.aclose)
