"""ElevenLabs over `multi-stream-input`, or over `stream-input`; both time the characters.

The first takes several contexts at once on the socket of a voice: requests have `context_id`, answers `contextId`. The
second takes one text a socket, names nothing, and is closed when that was said.

Sources: elevenlabs.io/docs (WebSocket, multi-context WebSocket) and the official client 2.78.0.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from vivavoce.errors import LegError, LegRefused
from vivavoce.legs.values import Word
from vivavoce.providers.contexts import ContextStream, Ended, Event, Failed, Sink, Sound, Times, Wire
from vivavoce.providers.secrets import secret
from vivavoce.providers.shared_socket import Decode, SharedSocket
from vivavoce.providers.sockets import SocketPools
from vivavoce.providers.voicing import nearest_rate

_RATES_HZ = (8000, 16000, 22050, 24000, 44100, 48000)
_SPEEDS = (0.7, 1.2)
_AT_ONCE = 2
"""A socket takes five, and one that was given up counts until the provider has closed it."""
_KEEP_ALIVE = '{"text": ""}'
_KEEP_ALIVE_S = 15.0
_END = '{"text": ""}'
"""What keeps `multi-stream-input` open ends `stream-input`."""
_LONGEST_IDLE_S = 180
"""The most that may be asked for: 20 s are usual, and on `stream-input` nothing keeps a socket but its text."""
_STATUSES = {"max_active_conversations": 429, "rate_limit_exceeded": 429, "too_many_concurrent_requests": 429}
_VOICE = "JBFqnCBsd6RMkjVDRZzb"
"""The voice of the provider's own examples."""
_LANGUAGES = "ar bg cs da de el en es fi fil fr hi hr hu id it ja ko ms nl no pl pt ro ru sk sv ta tr uk vi zh"


@dataclass(slots=True)
class _Heard:
    """How much sound a context has got, and the characters of a word that may go on: [text, start_ms, end_ms]."""

    sound_ms: float = 0.0
    word: str = ""
    start_ms: float = 0.0
    end_ms: float = 0.0
    words: list[Word] = field(default_factory=list)

    def letter(self, letter: str, start_ms: float, end_ms: float) -> None:
        if letter.isspace():
            self.close()
            return
        if not self.word:
            self.start_ms = start_ms
        self.word += letter
        self.end_ms = end_ms

    def close(self) -> None:
        if self.word:
            self.words.append(Word(self.word, self.start_ms, self.end_ms))
        self.word = ""

    def take(self) -> tuple[Word, ...]:
        words, self.words = tuple(self.words), []
        return words


class Codec:
    """The messages of one socket. Times of characters count from their message's sound.

    What has no name on it is of the context that was begun with `start`.
    """

    def __init__(self, *, rate_hz: int, scrub: Callable[[str], str] = str) -> None:
        self._rate_hz, self._scrub = rate_hz, scrub
        self._heard: dict[str, _Heard] = {}
        self._started = ""

    def begin(self) -> Decode:
        """Forget what was said on another socket."""
        self._heard.clear()
        return self.decode

    def start(self, context: str, *, speed: float) -> str:
        """Begin the one text of `stream-input`."""
        self._started = context
        return json.dumps({"text": " "} | _settings(speed))

    def speak(self, context: str, text: str, *, speed: float, begins: bool) -> str:
        return json.dumps({"text": _spaced(text), "context_id": context} | (_settings(speed) if begins else {}))

    def flush(self, context: str) -> str:
        return json.dumps({"text": "", "context_id": context, "flush": True})

    def close(self, context: str) -> str:
        self._heard.pop(context, None)
        return json.dumps({"context_id": context, "close_context": True})

    def decode(self, message: str | bytes) -> Iterator[Event]:
        """What a message of the server says. Raises what parsing raises."""
        said = json.loads(message)
        context = said.get("contextId") or self._started
        if said.get("error") or (said.get("message") and not said.get("audio")):
            yield Failed(context, self._refusal(said))
            return
        if not context:
            return
        heard = self._heard.setdefault(context, _Heard())
        if said.get("audio"):
            yield from self._sound(context, heard, said)
        if said.get("isFinal") or said.get("is_final"):
            heard.close()
            del self._heard[context]
            if words := heard.take():
                yield Times(context, words)
            yield Ended(context)

    def _sound(self, context: str, heard: _Heard, said: dict[str, Any]) -> Iterator[Event]:
        data = base64.b64decode(said["audio"])
        if alignment := said.get("alignment"):
            starts = alignment["charStartTimesMs"]
            spans = zip(alignment["chars"], starts, alignment["charDurationsMs"], strict=True)
            for letter, start_ms, long_ms in spans:
                start_ms += heard.sound_ms
                heard.letter(letter, start_ms, start_ms + long_ms)
            if words := heard.take():
                yield Times(context, words)
        heard.sound_ms += 1000.0 * (len(data) // 2) / self._rate_hz
        yield Sound(context, data)

    def _refusal(self, said: dict[str, Any]) -> LegRefused:
        parts = [str(said[key]) for key in ("error", "message") if said.get(key)]
        status = _STATUSES.get(str(said.get("error")), 408 if said.get("error") == "input_timeout_exceeded" else 400)
        return LegRefused(self._scrub(f"elevenlabs answered {': '.join(parts)}"), status=status)


def _spaced(text: str) -> str:
    return f"{text.strip()} "


def _settings(speed: float) -> dict[str, Any]:
    """What a first message says of the speed, where it is not the voice's own."""
    slowest, fastest = _SPEEDS
    return {} if speed == 1.0 else {"voice_settings": {"speed": min(max(speed, slowest), fastest)}}


class ElevenLabs:
    """Implements `Synthesizer`. `voice` is an id of the account's voices.

    Without `contexts` it is `stream-input`, with a socket for each text, for who has no `multi-stream-input`.

    `open` raises LegRefused, LegLost or LegTimeout where there is no connection, LegUnavailable without the key.
    """

    HOSTED = True

    def __init__(
        self,
        *,
        url: str = "wss://api.elevenlabs.io",
        model: str = "eleven_flash_v2_5",
        voice: str = _VOICE,
        key: str = "ELEVENLABS_API_KEY",
        contexts: bool = True,
        keep_alive_s: float = _KEEP_ALIVE_S,
        due_s: float = 4.0,
    ) -> None:
        self._url, self._model, self._voice = url.rstrip("/"), model, voice
        self._contexts = contexts
        self._keep_alive_s, self._due_s = keep_alive_s, due_s
        self._key = secret(key)
        self._sockets = SocketPools(
            provider="elevenlabs",
            headers={"xi-api-key": self._key.reveal()},
            key=self._key,
            idle=_KEEP_ALIVE if contexts else "",
            idle_every_s=keep_alive_s,
        )

    async def open(self, *, voice: str, language: str, rate_hz: int) -> ContextStream:
        made_hz = nearest_rate(rate_hz, _RATES_HZ)
        make = partial(self._make, self._address(voice or self._voice, language, made_hz), made_hz)
        first = make()
        await first[0].connect()
        wire: Wire = _Wire(*first) if self._contexts else _Alone(first, make)
        return ContextStream(wire, rate_hz=rate_hz, made_hz=made_hz, at_once=_AT_ONCE, due_s=self._due_s)

    async def warm_up(self) -> None:
        """Nothing: which socket will be needed is known when a voice is opened."""

    async def aclose(self) -> None:
        await self._sockets.aclose()

    def _make(self, address: str, made_hz: int) -> tuple[SharedSocket, Codec]:
        codec = Codec(rate_hz=made_hz, scrub=self._key.scrub)
        socket = SharedSocket(
            partial(self._sockets.take, address),
            codec.begin,
            provider="elevenlabs",
            keep_alive=_KEEP_ALIVE if self._contexts else "",
            keep_alive_s=self._keep_alive_s,
        )
        return socket, codec

    def _address(self, voice: str, language: str, made_hz: int) -> str:
        query = {
            "model_id": self._model,
            "output_format": f"pcm_{made_hz}",
            "auto_mode": "true",
            "sync_alignment": "true",  # times with every piece of sound
        }
        if self._model.endswith("v2_5"):
            query["language_code"] = language  # other models refuse it
        if not self._contexts:
            query["inactivity_timeout"] = str(_LONGEST_IDLE_S)
        kind = "multi-stream-input" if self._contexts else "stream-input"
        return f"{self._url}/v1/text-to-speech/{quote(voice, safe='')}/{kind}?{urlencode(query)}"


class _Wire:
    def __init__(self, socket: SharedSocket, codec: Codec) -> None:
        self._socket, self._codec = socket, codec

    async def speak(self, context: str, text: str, sink: Sink, *, speed: float, begins: bool) -> None:
        await self._socket.send(
            context,
            lambda: self._codec.speak(context, text, speed=speed, begins=begins),
            sink=sink if begins else None,
        )

    async def finish(self, context: str) -> None:
        # A context that was flushed gives all its sound before it closes.
        await self._socket.send(context, lambda: self._codec.flush(context))
        await self._socket.send(context, lambda: json.dumps({"context_id": context, "close_context": True}))

    async def cancel(self, context: str, *, overdue: bool = False) -> None:
        await self._socket.end(context, lambda: self._codec.close(context), overdue=overdue)

    async def aclose(self) -> None:
        await self._socket.aclose()


class _Alone:
    """A socket for each context, closed when that ends, fails or is given up. `first` is for the first one."""

    def __init__(self, first: tuple[SharedSocket, Codec], make: Callable[[], tuple[SharedSocket, Codec]]) -> None:
        self._next, self._make = first, make
        self._sockets: dict[str, SharedSocket] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def speak(self, context: str, text: str, sink: Sink, *, speed: float, begins: bool) -> None:
        if begins:
            socket, codec = self._next
            self._next = self._make()
            self._sockets[context] = socket
            try:
                await socket.send(
                    context, lambda: codec.start(context, speed=speed), sink=partial(self._hear, context, sink)
                )
            except LegError:
                self._close(context)
                raise
        await self._send(context, json.dumps({"text": _spaced(text)}))

    async def finish(self, context: str) -> None:
        await self._send(context, _END)

    async def cancel(self, context: str, *, overdue: bool = False) -> None:
        self._close(context)

    async def aclose(self) -> None:
        for context in tuple(self._sockets):
            self._close(context)
        await asyncio.gather(self._next[0].aclose(), *self._closing)

    async def _send(self, context: str, message: str) -> None:
        if (socket := self._sockets.get(context)) is not None:
            await socket.send(context, lambda: message)

    def _hear(self, context: str, sink: Sink, event: Event) -> None:
        if isinstance(event, Ended | Failed):
            self._close(context)
        sink(event)

    def _close(self, context: str) -> None:
        """Close its socket, which nobody waits for: the next text has another."""
        if (socket := self._sockets.pop(context, None)) is not None:
            closing = asyncio.create_task(socket.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
