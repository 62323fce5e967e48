"""Deepgram's live recognition (`/v1/listen`): Nova-3 over a WebSocket.

We decide where speech ends, so its endpointing is off and `Finalize` asks for finals. A connection on which nothing is
sent for 10 s is closed (NET-0001), hence the KeepAlive; sent as a binary frame it would be taken for sound. Sources:
developers.deepgram.com, "Audio Keep Alive", "Finalize", "Interim Results", the reference of `/v1/listen`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from vivavoce.audio.pcm import Samples
from vivavoce.errors import LegError
from vivavoce.legs.values import Word
from vivavoce.providers.continuous import ContinuousStream, Result
from vivavoce.providers.deepgram_socket import DeepgramSocket, deepgram_sockets
from vivavoce.providers.secrets import secret

KEEP_ALIVE = '{"type":"KeepAlive"}'
FINALIZE = '{"type":"Finalize"}'


def listen_query(*, model: str, language: str, keyterms: Sequence[str], rate_hz: int, extra: Mapping[str, str]) -> str:
    """The query of `/v1/listen` for linear PCM; what `extra` says goes before what is said here."""
    options = {
        "model": model,
        "language": "multi" if language == "auto" else language,
        "encoding": "linear16",
        "sample_rate": str(rate_hz),
        "channels": "1",
        "interim_results": "true",
        "endpointing": "false",
        "smart_format": "true",
        # Smart formatting would hold a final back until a number or a date is complete.
        "no_delay": "true",
    }
    return urlencode([*(options | dict(extra)).items(), *(("keyterm", term) for term in keyterms)])


def result(said: Mapping[str, Any]) -> Result | None:
    """What a message says about words, if anything. Raises LegError for a result that is not as documented."""
    if said["type"] != "Results":
        return None
    try:
        best = said["channel"]["alternatives"][0]
        words = tuple(
            [
                Word(
                    word.get("punctuated_word") or word["word"],
                    word["start"] * 1000,
                    word["end"] * 1000,
                    word["confidence"],
                )
                for word in best["words"]
            ]
        )
        languages = best.get("languages")
        return Result(
            words,
            final=bool(said.get("is_final")),
            heard_until_ms=(said["start"] + said["duration"]) * 1000,
            from_finalise=bool(said.get("from_finalize")),
            language=languages[0].partition("-")[0] if languages else "",
        )
    except (KeyError, TypeError, IndexError) as error:
        raise LegError(f"deepgram sent a result that lacks {error}") from None


class Deepgram:
    """Implements `SpeechToText`; "auto" is the model's multilingual mode.

    `key` names the key; `extra` are more parameters of the query (`mip_opt_out`, `tag`). Deepgram tells interims about
    once a second of sound: `cadence_ms`.
    """

    HOSTED = True

    def __init__(
        self,
        *,
        url: str = "wss://api.deepgram.com",
        model: str = "nova-3",
        key: str = "DEEPGRAM_API_KEY",
        cadence_ms: float = 1000.0,
        spare: int = 1,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self._url, self._model, self._cadence_ms = url.rstrip("/"), model, cadence_ms
        self._extra = dict(extra or {})
        self._key = secret(key)
        self._sockets = deepgram_sockets(key=self._key, idle=KEEP_ALIVE, spare=spare)

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> ContinuousStream:
        query = listen_query(
            model=self._model, language=language, keyterms=keyterms, rate_hz=rate_hz, extra=self._extra
        )
        taken = await self._sockets.take(f"{self._url}/v1/listen?{query}")
        socket = DeepgramSocket(taken, key=self._key, idle=KEEP_ALIVE)
        return ContinuousStream(_Line(socket), language=language, rate_hz=rate_hz, cadence_ms=self._cadence_ms)

    async def warm_up(self) -> None:
        """Open spare sockets for what was asked for before; a first stream opens its own."""
        await self._sockets.warm()

    async def aclose(self) -> None:
        await self._sockets.aclose()


class _Line:
    """Implements `RecognitionLine`."""

    def __init__(self, socket: DeepgramSocket) -> None:
        self._socket = socket

    async def send(self, samples: Samples) -> None:
        await self._socket.send_sound(samples)

    async def finalise(self) -> None:
        await self._socket.say(FINALIZE)

    async def __aiter__(self) -> AsyncIterator[Result]:
        async for said in self._socket:
            if (found := result(said)) is not None:
                yield found

    async def aclose(self) -> None:
        await self._socket.aclose()
