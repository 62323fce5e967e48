"""ElevenLabs' `multi-stream-input` and `stream-input`, with their limits and their end after 20 s without text.

PCM only. Text waits until a flush, until enough of it has come (`chunk_length_schedule`), or, with `auto_mode`, until a
sentence is complete.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers

from vivavoce.emulators.faults import Fault
from vivavoce.emulators.line import Line
from vivavoce.emulators.speech import Said, Speech, speech
from vivavoce.emulators.websocket import Emulator, Refusal, WebSocketEmulator

KINDS = {
    "no-audio": "takes text, gives no sound and ends the context; `no-audio:close` closes the socket instead",
    "1008": "closes with 1008 and says nothing useful when text comes",
    "error": "answers text with that error and closes with 1008 (quota_exceeded)",
}
_PATH = re.compile(r"/v1/text-to-speech/[^/]+/(?P<kind>multi-)?stream-input")
_FORMAT = re.compile(r"pcm_(\d+)")
_CONTEXTS = 5
_ENOUGH_CHARACTERS = 120
_ENDS = (".", "!", "?")


def refusal(path: str, headers: Headers) -> Refusal | None:
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    if _PATH.fullmatch(parts.path) is None:
        return 404, "no such path\n"
    if not (headers.get("xi-api-key") or headers.get("Authorization") or "authorization" in query):
        return 401, '{"detail":{"status":"needs_authorization","message":"an API key is required"}}'
    if _FORMAT.fullmatch(query.get("output_format", ["mp3_44100_128"])[0]) is None:
        return 403, '{"detail":{"status":"output_format_not_allowed","message":"PCM only is emulated"}}'
    return None


@dataclass(slots=True)
class _Context:
    id: str | None
    text: str = ""
    speed: float = 1.0
    enough: int = _ENOUGH_CHARACTERS
    texts: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None


class ElevenLabsServer:
    """Handles connections. `idle_s` is how long one may go without text, where its client does not say."""

    def __init__(self, speech: Speech, *, idle_s: float = 20.0) -> None:
        self._speech, self._idle_s = speech, idle_s

    async def __call__(self, line: Line) -> None:
        await _Session(self._speech, self._idle_s, line).run()


class _Session:
    def __init__(self, speech: Speech, idle_s: float, line: Line) -> None:
        self._speech, self._line = speech, line
        parts = urlsplit(line.path)
        query = parse_qs(parts.query)
        match = _PATH.fullmatch(parts.path)
        self._multi = match is not None and bool(match["kind"])
        form = _FORMAT.fullmatch(query.get("output_format", [""])[0])
        self._rate_hz = int(form[1]) if form else 16000
        self._language = query.get("language_code", ["en"])[0]
        self._auto = query.get("auto_mode", ["false"])[0].casefold() == "true"
        self._idle_s = float(query.get("inactivity_timeout", [idle_s])[0])
        self._contexts: dict[str | None, _Context] = {}
        self._idle: asyncio.TimerHandle | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        self._stay()
        try:
            async for message in self._line:
                await self._take(message)
        finally:
            if self._idle is not None:
                self._idle.cancel()
            jobs = [*self._jobs]
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._expire)

    def _expire(self) -> None:
        text = f"Have not received a new text input within the timeout of {self._idle_s:g} seconds."
        self._spawn(self._fail("input_timeout_exceeded", text))

    async def _fail(self, error: str, message: str) -> None:
        await self._line.send({"message": message, "error": error, "code": 1008})
        await self._line.close(1008, message[:120])

    async def _take(self, message: str | bytes) -> None:
        try:
            asked = json.loads(message)
            text = str(asked.get("text") or "")
            name = asked.get("context_id") if self._multi else None
            asked_speed = float((asked.get("voice_settings") or {}).get("speed") or 1.0)
            schedule = (asked.get("generation_config") or {}).get("chunk_length_schedule") or [_ENOUGH_CHARACTERS]
        except (ValueError, TypeError, AttributeError):
            await self._fail("invalid_message", "the message is not valid")
            return
        if "text" in asked:
            self._stay()
        if asked.get("close_socket"):
            await asyncio.gather(*[self._closed(context) for context in tuple(self._contexts.values())])
            await self._line.close(1000)
            return
        if asked.get("close_context"):
            if name in self._contexts:
                self._contexts[name].text = ""
                self._contexts.pop(name).texts.put_nowait(None)
            return
        if text and not await self._willing():
            return
        context = self._contexts.get(name)
        if context is None:
            if not text:
                return  # keeps what is there alive
            if len(self._contexts) >= _CONTEXTS:
                text = f"Maximum simultaneous contexts per WebSocket connection exceeded ({_CONTEXTS})."
                await self._fail("max_active_conversations", text)
                return
            context = self._contexts[name] = _Context(name, speed=asked_speed, enough=int(schedule[0]))
            context.task = self._spawn(self._speak(context))
        context.text += text
        if not self._multi and "text" in asked and not text:
            await self._closed(context)
            await self._line.close(1000)
        elif asked.get("flush") or self._enough(context):
            waiting, context.text = context.text, ""
            context.texts.put_nowait(waiting)

    def _enough(self, context: _Context) -> bool:
        sentence = self._auto and context.text.rstrip().endswith(_ENDS)
        return bool(context.text.strip()) and (sentence or len(context.text) >= context.enough)

    async def _willing(self) -> bool:
        if (fault := self._line.fault("error")) is not None:
            await self._fail(fault.argument or "quota_exceeded", "emulated")
        elif self._line.fault("1008"):
            await self._line.close(1008)
        elif (fault := self._line.fault("no-audio")) is not None and fault.argument == "close":
            await self._line.close(1000)
        else:
            return True
        return False

    async def _closed(self, context: _Context) -> None:
        """Have everything of a context said, and its end."""
        self._contexts.pop(context.id, None)
        context.texts.put_nowait(context.text)
        context.texts.put_nowait(None)
        if context.task is not None:
            await asyncio.wait([context.task])

    async def _speak(self, context: _Context) -> None:
        named: dict[str, Any] = {"contextId": context.id} if context.id else {}
        while (text := await context.texts.get()) is not None:
            if not text.strip() or self._line.fault("no-audio"):
                continue
            saying = self._speech.say(text, language=self._language, rate_hz=self._rate_hz, speed=context.speed)
            async with aclosing(saying) as pieces:
                async for piece in pieces:
                    aligned = _alignment(piece)
                    audio = base64.b64encode(piece.samples.astype("<i2").tobytes()).decode()
                    said = {"audio": audio, "alignment": aligned, "normalizedAlignment": aligned, "isFinal": None}
                    await self._line.send(said | named)
        await self._line.send({"audio": None, "isFinal": True} | named)

    def _spawn(self, job: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task


def _alignment(piece: Said) -> dict[str, list[Any]] | None:
    """The characters of a piece's words, each word after a space, timed from the piece's first sample."""
    if not piece.words:
        return None
    chars: list[str] = []
    starts: list[int] = []
    lasts: list[int] = []
    for word in piece.words:
        each_ms = (word.end_ms - word.start_ms) / len(word.text)
        chars += [*word.text, " "]
        starts += [round(word.start_ms + each_ms * number) for number in range(len(word.text))]
        lasts += [round(each_ms)] * len(word.text)
        starts.append(round(word.end_ms))
        lasts.append(0)
    return {"chars": chars, "charStartTimesMs": starts, "charDurationsMs": lasts}


def emulator(
    *, faults: Sequence[Fault] = (), seed: int = 0, script: Path | None = None, models: bool = False
) -> Emulator:
    """ElevenLabs. It says what it is sent, so that a script has nothing to add."""
    return served(speech(models=models), faults=faults, seed=seed)


def served(voice: Speech, *, idle_s: float = 20.0, faults: Sequence[Fault] = (), seed: int = 0) -> WebSocketEmulator:
    """The same with a voice and a patience of one's own."""
    server = ElevenLabsServer(voice, idle_s=idle_s)
    return WebSocketEmulator(server, refusal=refusal, kinds=KINDS, faults=faults, seed=seed, aclose=voice.aclose)
