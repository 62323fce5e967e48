"""Deepgram Aura over `/v1/speak`: one text at a time on a socket of its own, sound as binary frames, no word times.

Sources: developers.deepgram.com (streaming text to speech, Flush, Clear) and the official client 7.17.0.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlencode

from vivavoce.errors import LegRefused, LegUnavailable
from vivavoce.providers.contexts import ContextStream, Ended, Event, Sink, Sound
from vivavoce.providers.secrets import secret
from vivavoce.providers.shared_socket import Decode, SharedSocket
from vivavoce.providers.sockets import SocketPools
from vivavoce.providers.voicing import nearest_rate

_RATES_HZ = (8000, 16000, 24000, 32000, 48000)
_FLUSHES, _WINDOW_S = 20, 60.0
VOICES = {
    "de": "aura-2-viktoria-de", "en": "aura-2-thalia-en", "es": "aura-2-celeste-es", "fr": "aura-2-agathe-fr",
    "it": "aura-2-livia-it", "ja": "aura-2-izanami-ja", "nl": "aura-2-rhea-nl",
}  # fmt: skip
"""The voice for each language; a voice speaks its own only."""


class Codec:
    """The messages of one socket, whose sound belongs to the oldest context that has not ended.

    Until `Cleared` comes, all sound is of the context that was cancelled.
    """

    def __init__(self, *, scrub: Callable[[str], str] = str) -> None:
        self._scrub = scrub
        self._contexts: deque[str] = deque()
        self._cancelled: set[str] = set()

    def begin(self) -> Decode:
        """Forget what was said on another socket."""
        self._contexts.clear()
        self._cancelled.clear()
        return self.decode

    def speak(self, context: str, text: str) -> str:
        if context not in self._contexts:
            self._contexts.append(context)
        return json.dumps({"type": "Speak", "text": text})

    def finish(self) -> str:
        return json.dumps({"type": "Flush"})

    def cancel(self, context: str) -> str:
        if context in self._contexts:
            self._cancelled.add(context)
        return json.dumps({"type": "Clear"})

    def decode(self, message: str | bytes) -> Iterator[Event]:
        """What a message of the server says. Raises LegRefused for a warning, and what parsing raises.

        A warning means that text was not spoken; it would still lie there when the next comes, on the same socket.
        """
        context = self._contexts[0] if self._contexts else None
        cancelled = context in self._cancelled
        if isinstance(message, bytes):
            if context is not None and not cancelled:
                yield Sound(context, message)
            return
        said = json.loads(message)
        kind = said["type"]
        if kind in ("Warning", "Error"):
            raise self._refusal(said)
        if context is None:
            return
        if kind == "Flushed" and not cancelled:
            self._contexts.popleft()
            yield Ended(context)
        elif kind == "Cleared" and cancelled:
            self._contexts.popleft()
            self._cancelled.discard(context)

    def _refusal(self, said: dict[str, object]) -> LegRefused:
        parts = [str(said[key]) for key in ("code", "description", "err_code", "err_msg", "message") if said.get(key)]
        limited = "flush" in " ".join(parts).casefold() or "rate" in " ".join(parts).casefold()
        return LegRefused(self._scrub(f"aura warned: {': '.join(parts)}"), status=429 if limited else 400)


class Aura:
    """Implements `Synthesizer`. `voice` is a model of Aura's; a text's own speed is not followed.

    The provider takes 20 complete texts a minute of a socket: one more is LegRefused with status 429, and not sent.
    `open` raises LegRefused, LegLost or LegTimeout where there is no connection, LegUnavailable without the key or
    without a voice for the language.
    """

    HOSTED = True

    LANGUAGES = frozenset(VOICES)

    def __init__(
        self,
        *,
        url: str = "wss://api.deepgram.com",
        voice: str = "",
        key: str = "DEEPGRAM_API_KEY",
        due_s: float = 4.0,
    ) -> None:
        self._url, self._voice, self._due_s = url.rstrip("/"), voice, due_s
        self._key = secret(key)
        self._sockets = SocketPools(
            provider="aura", headers={"Authorization": f"Token {self._key.reveal()}"}, key=self._key
        )

    async def open(self, *, voice: str, language: str, rate_hz: int) -> ContextStream:
        made_hz = nearest_rate(rate_hz, _RATES_HZ)
        model = voice or self._voice or VOICES.get(language, "")
        if not model:
            raise LegUnavailable(f"Aura has no voice for {language!r}", hint=f"it speaks {', '.join(VOICES)}")
        codec = Codec(scrub=self._key.scrub)
        query = urlencode({"model": model, "encoding": "linear16", "sample_rate": made_hz})
        take = partial(self._sockets.take, f"{self._url}/v1/speak?{query}")
        socket = SharedSocket(take, codec.begin, provider="aura")
        await socket.connect()
        return ContextStream(_Wire(socket, codec), rate_hz=rate_hz, made_hz=made_hz, at_once=1, due_s=self._due_s)

    async def warm_up(self) -> None:
        """Nothing: which socket will be needed is known when a voice is opened."""

    async def aclose(self) -> None:
        await self._sockets.aclose()


class _Wire:
    def __init__(self, socket: SharedSocket, codec: Codec) -> None:
        self._socket, self._codec = socket, codec
        self._flushes: deque[float] = deque(maxlen=_FLUSHES)

    async def speak(self, context: str, text: str, sink: Sink, *, speed: float, begins: bool) -> None:
        text = text if begins or text[:1].isspace() else f" {text}"
        await self._socket.send(context, lambda: self._codec.speak(context, text), sink=sink if begins else None)

    async def finish(self, context: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if len(self._flushes) == _FLUSHES and now_s - self._flushes[0] < _WINDOW_S:
            wait_s = _WINDOW_S - (now_s - self._flushes[0])
            await self.cancel(context)
            raise LegRefused(
                f"aura takes {_FLUSHES} texts a minute, the next in {wait_s:.0f} s",
                hint="push longer texts, or put another voice after it in the route",
                status=429,
            )
        self._flushes.append(now_s)
        await self._socket.send(context, self._codec.finish)

    async def cancel(self, context: str, *, overdue: bool = False) -> None:
        await self._socket.end(context, lambda: self._codec.cancel(context), overdue=overdue)

    async def aclose(self) -> None:
        await self._socket.aclose()
