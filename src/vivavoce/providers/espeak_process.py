"""espeak-ng as a process that phonemises and speaks."""

from __future__ import annotations

import asyncio
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import numpy as np

from vivavoce.audio.pcm import Samples
from vivavoce.errors import LegError, LegUnavailable

WORDS_PER_MINUTE = 175
MIN_WORDS_PER_MINUTE, MAX_WORDS_PER_MINUTE = 80, 450

# Only what differs from the code itself; espeak knows most languages by their ISO 639-1 code.
VOICES: dict[str, str] = {"en": "en-us", "fr": "fr-fr", "no": "nb", "pt": "pt-br", "zh": "cmn"}

_WORKER = Path(__file__).with_name("espeak_worker.py")
_HINT = "apt-get install espeak-ng"


def voice_for(language: str) -> str:
    """espeak's voice for an ISO 639-1 code."""
    return VOICES.get(language, language)


class EspeakProcess:
    """One espeak-ng, started at the first request and again when it died. Requests wait for each other.

    Raises LegUnavailable when the library is missing or this has been closed, LegError for a voice that espeak does
    not have and for a request that ends the process twice.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._length: int | None = None
        self._answering = False
        self._closed = False
        self.rate_hz = 22_050

    async def start(self) -> None:
        """Have the process running, so that the first request need not wait for it."""
        async with self._lock:
            await self._started()

    async def phonemes(self, text: str, *, voice: str, tie: bool = False) -> str:
        """IPA of the text, its punctuation kept where it ends clauses; `tie` joins one sound's signs by "^"."""
        async with aclosing(self._request(b"t" if tie else b"p", text, voice, WORDS_PER_MINUTE)) as answers:
            return (await anext(answers)).decode()

    async def speak(self, text: str, *, voice: str, speed: float = 1.0) -> AsyncGenerator[Samples, None]:
        """Sound of the text at `rate_hz`, in buffers of 60 ms. Closing the iterator stops the engine."""
        rate = min(max(round(WORDS_PER_MINUTE * speed), MIN_WORDS_PER_MINUTE), MAX_WORDS_PER_MINUTE)
        async with aclosing(self._request(b"s", text, voice, rate)) as answers:
            async for sound in answers:
                if sound:
                    yield np.frombuffer(sound, dtype="<i2")

    async def aclose(self) -> None:
        """End the process; a request under way fails."""
        self._closed = True
        self._kill()
        async with self._lock:
            await self._reap()

    async def _request(self, kind: bytes, text: str, voice: str, rate: int) -> AsyncGenerator[bytes, None]:
        """The answers to one request, the last of them included; a process that dies is replaced once."""
        body = kind + struct.pack("<H", rate) + voice.encode() + b"\0" + text.replace("\0", " ").encode()
        given = 0
        async with self._lock:
            for attempt in (1, 2):
                try:
                    process = await self._started()
                    await self._send(process, body)
                    self._answering = True
                    skip = given
                    while self._answering:
                        answer, payload = await self._receive(process)
                        self._answering = answer == b"a"
                        if answer == b"x":
                            raise LegError(payload.decode(), hint="espeak-ng --voices lists the voices there are")
                        fresh, skip = payload[skip:], max(0, skip - len(payload))
                        given += len(fresh)
                        if fresh or not self._answering:
                            yield fresh
                    return
                except (asyncio.IncompleteReadError, ConnectionError, RuntimeError):
                    # uvloop refuses to write to a pipe whose reader is gone with a RuntimeError.
                    await self._reap()
                    if attempt == 2:
                        raise LegError("espeak-ng ended twice over the same text") from None
                finally:
                    if self._answering and self._process is not None and self._process.stdin is not None:
                        self._process.stdin.write(_framed(b"c"))

    async def _started(self) -> Process:
        if self._closed:
            raise LegUnavailable("espeak-ng has been closed")
        if self._process is not None and self._process.returncode is not None:
            await self._reap()
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(_WORKER), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
            )
            self._length, self._answering = None, False
            try:
                kind, payload = await self._receive(self._process)
            except BaseException:
                self._kill()
                raise
            if kind != b"r":
                await self._reap()
                raise LegUnavailable(f"espeak-ng did not start: {payload.decode()}", hint=_HINT)
            (self.rate_hz,) = struct.unpack("<I", payload)
        while self._answering:  # what an abandoned request still says
            kind, _ = await self._receive(self._process)
            self._answering = kind == b"a"
        return self._process

    async def _send(self, process: Process, body: bytes) -> None:
        assert process.stdin is not None
        process.stdin.write(_framed(body))
        await process.stdin.drain()

    async def _receive(self, process: Process) -> tuple[bytes, bytes]:
        """One message; given up between its length and its body, it is continued by the next call."""
        assert process.stdout is not None
        if self._length is None:
            self._length = int.from_bytes(await process.stdout.readexactly(4), "little")
        message = await process.stdout.readexactly(self._length)
        self._length = None
        return message[:1], message[1:]

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _reap(self) -> None:
        """End the process and take what is left in its pipe, without which waiting for it may not end."""
        self._kill()
        if self._process is not None:
            await self._process.communicate()
            self._process = None


def _framed(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body
