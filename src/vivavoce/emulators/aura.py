"""Deepgram's `/v1/speak`: text is buffered until `Flush`, sound is binary, and a minute takes 20 of `Flush`."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers

from vivavoce.emulators.faults import Fault
from vivavoce.emulators.line import Line
from vivavoce.emulators.speech import Speech, speech
from vivavoce.emulators.websocket import Emulator, Refusal, WebSocketEmulator

PATH = "/v1/speak"
KINDS = {"no-audio": "takes text and says that it is flushed, without any sound"}
_FLUSHES, _WINDOW_S = 20, 60.0
_RATES = {"8000", "16000", "24000", "32000", "48000"}


def refusal(path: str, headers: Headers) -> Refusal | None:
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    if parts.path != PATH:
        return 404, "no such path\n"
    kind, _, key = headers.get("Authorization", "").partition(" ")
    if kind.casefold() not in ("token", "bearer") or not key:
        return 401, '{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials."}'
    if query.get("encoding", ["linear16"]) != ["linear16"] or query.get("sample_rate", ["24000"])[0] not in _RATES:
        return 400, '{"err_code":"Bad Request","err_msg":"Unsupported audio format."}'
    return None


class AuraServer:
    """Handles connections."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    async def __call__(self, line: Line) -> None:
        await _Session(self._speech, line).run()


class _Session:
    def __init__(self, speech: Speech, line: Line) -> None:
        self._speech, self._line = speech, line
        query = parse_qs(urlsplit(line.path).query)
        self._model = query.get("model", ["aura-asteria-en"])[0]
        self._rate_hz = int(query.get("sample_rate", ["24000"])[0])
        self._speed = float(query.get("speed", ["1"])[0])
        self._text = ""
        self._texts: asyncio.Queue[str] = asyncio.Queue()
        self._flushes: deque[float] = deque()
        self._sequence = 0

    async def run(self) -> None:
        speaker = asyncio.create_task(self._speak())
        try:
            meta = {"request_id": "emulated", "model_name": self._model, "model_version": "1", "model_uuid": "emulated"}
            await self._line.send({"type": "Metadata"} | meta)
            async for message in self._line:
                kind = self._kind(message)
                if kind == "Flush":
                    await self._flush()
                elif kind == "Clear":
                    speaker.cancel()
                    await asyncio.gather(speaker, return_exceptions=True)
                    self._text, self._texts = "", asyncio.Queue()
                    await self._tell("Cleared")
                    speaker = asyncio.create_task(self._speak())
                elif kind == "Close":
                    if self._text.strip():
                        await self._flush()
                    await self._texts.join()
                    await self._line.close(1000)
                elif kind != "Speak":
                    await self._warn("UNKNOWN_MESSAGE", "the message is of no known type")
        finally:
            speaker.cancel()
            await asyncio.gather(speaker, return_exceptions=True)

    def _kind(self, message: str | bytes) -> str:
        try:
            asked = json.loads(message)
            kind = str(asked["type"])
            if kind == "Speak":
                self._text += str(asked["text"])
        except (ValueError, KeyError, TypeError):
            return ""
        return kind

    async def _flush(self) -> None:
        now_s = asyncio.get_running_loop().time()
        while self._flushes and now_s - self._flushes[0] >= _WINDOW_S:
            self._flushes.popleft()
        if len(self._flushes) >= _FLUSHES:
            await self._warn("EXCESSIVE_FLUSH", f"at most {_FLUSHES} Flush messages are processed in {_WINDOW_S:.0f} s")
            return
        self._flushes.append(now_s)
        text, self._text = self._text, ""
        self._texts.put_nowait(text)

    async def _speak(self) -> None:
        texts = self._texts
        while True:
            text = await texts.get()
            if text.strip() and not self._line.fault("no-audio"):
                language = self._model.rpartition("-")[2]
                saying = self._speech.say(text, language=language, rate_hz=self._rate_hz, speed=self._speed)
                async with aclosing(saying) as pieces:
                    async for piece in pieces:
                        await self._line.send(piece.samples.astype("<i2").tobytes())
            await self._tell("Flushed")
            texts.task_done()

    async def _tell(self, kind: str) -> None:
        await self._line.send({"type": kind, "sequence_id": self._sequence})
        self._sequence += 1

    async def _warn(self, code: str, description: str) -> None:
        await self._line.send({"type": "Warning", "code": code, "description": description})


def emulator(
    *, faults: Sequence[Fault] = (), seed: int = 0, script: Path | None = None, models: bool = False
) -> Emulator:
    """Aura alone. It says what it is sent, so that a script has nothing to add."""
    return served(speech(models=models), faults=faults, seed=seed)


def served(voice: Speech, *, faults: Sequence[Fault] = (), seed: int = 0) -> WebSocketEmulator:
    """The same with a voice of one's own."""
    return WebSocketEmulator(
        AuraServer(voice), refusal=refusal, kinds=KINDS, faults=faults, seed=seed, aclose=voice.aclose
    )
