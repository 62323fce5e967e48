"""Cartesia Sonic over `/tts/websocket`: one socket for all voices, a context a stretch of text, word times.

Sources: the API reference at docs.cartesia.ai (WebSocket, contexts, concurrency) and the official client 4.2.0.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from vivavoce.errors import LegRefused
from vivavoce.legs.values import Word
from vivavoce.providers.contexts import ContextStream, Ended, Event, Failed, Sink, Sound, Times
from vivavoce.providers.secrets import secret
from vivavoce.providers.shared_socket import SharedSocket
from vivavoce.providers.sockets import SocketPool
from vivavoce.providers.voicing import nearest_rate

_RATES_HZ = (8000, 16000, 22050, 24000, 44100, 48000)
_SPEEDS = (0.6, 1.5)
_EXPIRES_S = 0.9
"""A context takes no more text 1 s after the last sound that was sent for it."""
_VOICE = "6ccbfb76-1fc6-48f7-b71d-91ac6298247b"
"""The voice that the official client falls back to; it speaks every language of the model."""
_LANGUAGES = (
    "ar bg bn cs da de el en es fi fr gu he hi hr hu id it ja ka kn ko ml mr ms nl no or pa pl pt ro ru sk sv ta te th "
    "tl tr uk ur vi zh"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What stays the same in all messages of a voice. Texts of a context are joined as they are."""

    model: str
    voice: str
    language: str
    rate_hz: int
    max_buffer_delay_ms: int

    def speak(self, context: str, text: str, *, speed: float, more: bool) -> str:
        """Text of a context, which is complete unless `more` follows; "" for completing it."""
        slowest, fastest = _SPEEDS
        message: dict[str, Any] = {
            "context_id": context,
            "model_id": self.model,
            "transcript": text,
            "voice": {"mode": "id", "id": self.voice},
            "language": self.language,
            "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": self.rate_hz},
            "continue": more,
            "add_timestamps": True,
            "max_buffer_delay_ms": self.max_buffer_delay_ms,
        }
        if speed != 1.0:
            message["generation_config"] = {"speed": min(max(speed, slowest), fastest)}
        return json.dumps(message)


def cancel(context: str) -> str:
    return json.dumps({"context_id": context, "cancel": True})


def decode(message: str | bytes, *, scrub: Callable[[str], str] = str) -> Iterator[Event]:
    """What a message of the server says; `scrub` goes over the text of errors. Raises what parsing raises."""
    said = json.loads(message)
    context, kind = said.get("context_id") or "", said["type"]
    if kind == "chunk":
        yield Sound(context, base64.b64decode(said["data"]))
    elif kind == "timestamps" and said.get("word_timestamps"):
        times = said["word_timestamps"]
        spans = zip(times["words"], times["start"], times["end"], strict=True)
        yield Times(context, tuple(Word(text, 1000.0 * start, 1000.0 * end) for text, start, end in spans))
    elif kind == "error":
        yield Failed(context, _refusal(said, scrub))
    elif kind == "done":
        yield Ended(context)


def _refusal(said: dict[str, Any], scrub: Callable[[str], str]) -> LegRefused:
    status = int(said.get("status_code") or 500)
    parts = [str(said[key]) for key in ("title", "message", "error") if said.get(key)]
    hint = "raise the account's limit of contexts, or route some elsewhere" if status == 429 else ""
    return LegRefused(scrub(f"cartesia answered {status} {': '.join(parts)}".rstrip()), hint=hint, status=status)


class Cartesia:
    """Implements `Synthesizer`. `voice` is an id of the account's voices.

    `at_once` contexts of a stream are under way at most: an account's plan allows so and so many of all its streams.
    `open` raises LegRefused, LegLost or LegTimeout where there is no connection, LegUnavailable without the key.
    """

    HOSTED = True

    def __init__(
        self,
        *,
        url: str = "wss://api.cartesia.ai",
        model: str = "sonic-3",
        voice: str = _VOICE,
        version: str = "2026-08-14",
        key: str = "CARTESIA_API_KEY",
        max_buffer_delay_ms: int = 0,
        at_once: int = 3,
        due_s: float = 4.0,
    ) -> None:
        self._model, self._voice, self._delay_ms = model, voice, max_buffer_delay_ms
        self._at_once, self._due_s = at_once, due_s
        value = secret(key)
        self._pool = SocketPool(
            f"{url.rstrip('/')}/tts/websocket",
            provider="cartesia",
            headers={"Authorization": f"Bearer {value.reveal()}", "cartesia-version": version},
            key=value,
        )
        self._socket = SharedSocket(self._pool.take, lambda: partial(decode, scrub=value.scrub), provider="cartesia")

    async def open(self, *, voice: str, language: str, rate_hz: int) -> ContextStream:
        await self._socket.connect()
        made_hz = nearest_rate(rate_hz, _RATES_HZ)
        request = Request(self._model, voice or self._voice, language, made_hz, self._delay_ms)
        wire = _Wire(self._socket, request)
        return ContextStream(
            wire,
            rate_hz=rate_hz,
            made_hz=made_hz,
            at_once=self._at_once,
            expires_s=_EXPIRES_S,
            due_s=self._due_s,
        )

    async def warm_up(self) -> None:
        await self._socket.connect()
        await self._pool.warm()

    async def aclose(self) -> None:
        await self._socket.aclose()
        await self._pool.aclose()


class _Wire:
    def __init__(self, socket: SharedSocket, request: Request) -> None:
        self._socket, self._request = socket, request
        self._speeds: dict[str, float] = {}

    async def speak(self, context: str, text: str, sink: Sink, *, speed: float, begins: bool) -> None:
        self._speeds[context] = speed
        text = text if begins or text[:1].isspace() else f" {text}"
        await self._socket.send(
            context,
            lambda: self._request.speak(context, text, speed=speed, more=True),
            sink=sink if begins else None,
        )

    async def finish(self, context: str) -> None:
        speed = self._speeds.pop(context, 1.0)
        await self._socket.send(context, lambda: self._request.speak(context, "", speed=speed, more=False))

    async def cancel(self, context: str, *, overdue: bool = False) -> None:
        self._speeds.pop(context, None)
        await self._socket.end(context, lambda: cancel(context), overdue=overdue)

    async def aclose(self) -> None:
        pass
