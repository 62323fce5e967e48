"""One connection of Deepgram's recognition: what both versions have in common, and `/v1/listen`."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import numpy as np

from vivavoce.emulators.line import Line
from vivavoce.emulators.recognition import Recogniser, Recognition, Told
from vivavoce.legs.values import Word
from vivavoce.text.phrases import spoken_form

REQUEST_ID = "00000000-0000-4000-8000-000000000000"
NET_0000 = "Deepgram did not send a message within the timeout window. See https://dpgr.am/net0000 (NET-0000)"
NET_0001 = "Deepgram did not receive audio data or a text message in time. See https://dpgr.am/net0001 (NET-0001)"
DATA_0000 = "Deepgram could not decode the payload as audio. See https://dpgr.am/data0000 (DATA-0000)"
_INSIGNIFICANT_MS = 100.0
_WINDOW_MS = 5_000.0
_UNSURE_MS = 500.0
_CONFIDENCE = 0.99


class Speaker(Protocol):
    """What a version of the protocol adds to a `Connection`."""

    async def ask(self, asked: dict[str, Any]) -> bool:
        """Do what a text message asks for; False for what is unknown."""
        ...

    async def tell(self, told: Told) -> None: ...

    async def refuse(self, message: str) -> None: ...


class Connection:
    """Reads and hears until CloseStream, a fault or `idle_s` without anything; tells until nothing is left to tell."""

    def __init__(self, line: Line, recogniser: Recogniser, *, language: str) -> None:
        self.line = line
        query = parse_qs(urlsplit(line.path).query)
        self.query = {name: values[-1] for name, values in query.items()}
        self.rate_hz = int(self.query["sample_rate"])
        self.recognition: Recognition
        self.samples = 0
        self.closing = False
        self._recogniser, self._language = recogniser, language

    @property
    def heard_ms(self) -> float:
        return 1000.0 * self.samples / self.rate_hz

    async def run(self, speaker: Speaker, *, idle_s: float) -> bool:
        """Returns whether the client closed the stream as it should."""
        self.recognition = await self._recogniser.open(rate_hz=self.rate_hz, language=self._language)
        telling = asyncio.create_task(self._tell(speaker))
        try:
            await self._read(speaker, idle_s)
            if not self.closing:
                return False
            await self.recognition.flush()
            await self.recognition.aclose()
            # The client may go while a fault keeps us from telling it the rest.
            leaving = asyncio.create_task(self._drain())
            await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            return telling.done()
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await self.recognition.aclose()

    async def _tell(self, speaker: Speaker) -> None:
        async for told in self.recognition:
            await speaker.tell(told)

    async def _drain(self) -> None:
        async for _ in self.line:
            pass

    async def _read(self, speaker: Speaker, idle_s: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(idle_s) as patience:
                async for message in self.line:
                    if await self._fails(message):
                        return
                    if isinstance(message, bytes) and message.startswith(b"{"):
                        continue
                    patience.reschedule(loop.time() + idle_s)
                    if isinstance(message, str):
                        await self._ask(speaker, message)
                    elif message:
                        await self._hear(message)
                    else:
                        self.closing = True
                    if self.closing:
                        return
        except TimeoutError:
            await self.line.close(1011, NET_0001)

    async def _fails(self, message: str | bytes) -> bool:
        """Whether a fault of Deepgram's own ends it now."""
        if self.line.fault("net0000"):
            await self.line.close(1011, NET_0000)
        elif self.line.fault("metadata-0"):
            await self.line.send(metadata(duration_s=0.0))
            self.line.abort()
        elif isinstance(message, bytes) and (fault := self.line.fault("data0000")) is not None:
            await self.line.close(int(fault.number(1008)), DATA_0000)
        elif isinstance(message, bytes) and not self._decodable(message):
            await self.line.close(1008, DATA_0000)
        else:
            return False
        return True

    def _decodable(self, message: bytes) -> bool:
        return self.query.get("encoding") == "linear16" and (len(message) % 2 == 0 or message.startswith(b"{"))

    async def _hear(self, message: bytes) -> None:
        samples = np.frombuffer(message, "<i2")
        self.samples += len(samples)
        await self.recognition.hear(samples)

    async def _ask(self, speaker: Speaker, message: str) -> None:
        try:
            asked = json.loads(message)
            kind = asked["type"]
        except (ValueError, KeyError, TypeError):
            await speaker.refuse(message)
            return
        if kind == "CloseStream":
            self.closing = True
        elif not await speaker.ask(asked):
            await speaker.refuse(message)


class ListenSession:
    """`/v1/listen`. Every 5 s of sound are made final, up to the last half second."""

    def __init__(self, line: Line, recogniser: Recogniser) -> None:
        query = parse_qs(urlsplit(line.path).query)
        language = query.get("language", ["en"])[0]
        self._multi = language == "multi"
        self._connection = Connection(line, recogniser, language="auto" if self._multi else language.partition("-")[0])
        self._line = line
        self._interims = self._connection.query.get("interim_results") == "true"
        self._from_ms = 0.0
        self._finalizes = 0

    async def run(self, *, idle_s: float) -> None:
        if await self._connection.run(self, idle_s=idle_s):
            await self._line.send(metadata(duration_s=self._connection.heard_ms / 1000))
            await self._line.close(1000)

    async def ask(self, asked: dict[str, Any]) -> bool:
        kind = asked["type"]
        if kind == "Finalize":
            self._finalizes += 1
            await self._connection.recognition.flush()
        elif kind == "Configure":
            await self._line.send({"type": "ConfigureSuccess", "request_id": REQUEST_ID} | _said(asked, "keyterms"))
        return kind in ("Finalize", "Configure", "KeepAlive")

    async def refuse(self, message: str) -> None:
        description = "The message could not be parsed."
        await self._line.send(
            {"type": "Error", "variant": "SchemaError", "description": description, "message": message}
        )

    async def tell(self, told: Told) -> None:
        if told.flushed:
            if told.words or told.until_ms >= self._from_ms + _INSIGNIFICANT_MS:
                await self._say(told, told.words, until_ms=told.until_ms, final=True)
            return
        certain_ms = told.until_ms - _UNSURE_MS
        certain = [word for word in told.words if word.end_ms <= certain_ms]
        if told.until_ms < self._from_ms + _WINDOW_MS or (told.words and not certain):
            if self._interims:
                await self._say(told, told.words, until_ms=told.until_ms, final=False)
            return
        until_ms = certain[-1].end_ms if certain else certain_ms
        await self._say(told, certain, until_ms=until_ms, final=True)

    async def _say(self, told: Told, words: Sequence[Word], *, until_ms: float, final: bool) -> None:
        best: dict[str, Any] = {
            "transcript": " ".join(word.text for word in words),
            "confidence": _CONFIDENCE if words else 0.0,
            "words": [
                {
                    "word": spoken_form(word.text),
                    "start": word.start_ms / 1000,
                    "end": word.end_ms / 1000,
                    "confidence": _CONFIDENCE,
                    "punctuated_word": word.text,
                }
                for word in words
            ],
        }
        if self._multi:
            best["languages"] = [told.language or "en"]
        from_ms, asked = self._from_ms, told.flushed and self._finalizes > 0
        self._finalizes -= asked
        if final:
            self._connection.recognition.settle(words)
            self._from_ms = max(until_ms, from_ms)
        await self._line.send(
            {
                "type": "Results",
                "channel_index": [0, 1],
                "duration": max(0.0, until_ms - from_ms) / 1000,
                "start": from_ms / 1000,
                "is_final": final,
                "speech_final": told.flushed,
                "from_finalize": asked,
                "channel": {"alternatives": [best]},
                "metadata": {
                    "request_id": REQUEST_ID,
                    "model_info": {"name": "emulated", "version": "0", "arch": "nova-3"},
                    "model_uuid": REQUEST_ID,
                },
            }
        )


def metadata(*, duration_s: float) -> dict[str, Any]:
    return {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": REQUEST_ID,
        "sha256": hashlib.sha256(b"").hexdigest(),
        "created": "2026-01-01T00:00:00.000Z",
        "duration": duration_s,
        "channels": 1,
    }


def _said(asked: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: asked[name] for name in names if name in asked}
