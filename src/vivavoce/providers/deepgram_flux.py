"""Deepgram Flux (`/v2/listen`), which recognises in turns.

We decide where turns end: its own decision is off (`eot_threshold=1.0`) and `ForceEndTurn` asks for the final. What it
says in a turn may change until EndOfTurn, after EagerEndOfTurn too, which TurnResumed takes back. Sources:
developers.deepgram.com, "Understanding the Flux State Machine", "Bring Your Own Turn Detection", "Force End Turn".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from vivavoce.audio.pcm import Samples
from vivavoce.errors import LegError, LegLost
from vivavoce.legs.values import Word
from vivavoce.providers.continuous import ContinuousStream, Result
from vivavoce.providers.deepgram_socket import DeepgramSocket, deepgram_sockets
from vivavoce.providers.secrets import secret
from vivavoce.providers.utterance import spread_words

CONFIGURE = '{"type":"Configure"}'
"""Changes nothing. Flux knows no KeepAlive; any text keeps a connection open."""
FORCE_END_TURN = '{"type":"ForceEndTurn"}'
_LONGEST_PAUSE_MS = 30_000
_GRACE_S = 0.25
"""Flux says something for each quarter of a second of sound, so a turn that began shows by then."""
_STEP_MS = 100.0
_BEHIND_MS = 350.0
"""Sound that may not have been transcribed yet when a turn is ended."""


def flux_query(*, model: str, language: str, keyterms: Sequence[str], rate_hz: int, extra: Mapping[str, str]) -> str:
    """The query of `/v2/listen` for linear PCM; `model` "" is the one for the language."""
    english = language == "en"
    options = {
        "model": model or ("flux-general-en" if english else "flux-general-multi"),
        "encoding": "linear16",
        "sample_rate": str(rate_hz),
        "eot_threshold": "1.0",
        "eot_timeout_ms": str(_LONGEST_PAUSE_MS),
    }
    if options["model"].endswith("-multi") and language != "auto":
        options["language_hint"] = language
    return urlencode([*(options | dict(extra)).items(), *(("keyterm", term) for term in keyterms)])


def result(said: Mapping[str, Any]) -> Result | None:
    """What a message says about words, if anything. Raises LegError for a TurnInfo that is not as documented."""
    if said["type"] != "TurnInfo":
        return None
    try:
        until_ms = said["audio_window_end"] * 1000
        languages = said.get("languages")
        return Result(
            _words(said["words"], from_ms=said["audio_window_start"] * 1000, until_ms=until_ms),
            final=said["event"] == "EndOfTurn",
            heard_until_ms=until_ms,
            from_finalise=said.get("trigger") == "manual",
            language=languages[0].partition("-")[0] if languages else "",
        )
    except (KeyError, TypeError) as error:
        raise LegError(f"deepgram sent a turn that lacks {error}") from None


def _words(said: Sequence[Mapping[str, Any]], *, from_ms: float, until_ms: float) -> tuple[Word, ...]:
    if any(word.get("end") is None for word in said):
        return spread_words([word["word"] for word in said], start_ms=from_ms, end_ms=until_ms)
    return tuple([Word(word["word"], word["start"] * 1000, word["end"] * 1000, word["confidence"]) for word in said])


class DeepgramFlux:
    """Implements `SpeechToText`: English with one model, nine more languages and "auto" with another."""

    HOSTED = True

    def __init__(
        self,
        *,
        url: str = "wss://api.deepgram.com",
        model: str = "",
        key: str = "DEEPGRAM_API_KEY",
        cadence_ms: float = 250.0,
        spare: int = 1,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self._url, self._model, self._cadence_ms = url.rstrip("/"), model, cadence_ms
        self._extra = dict(extra or {})
        self._key = secret(key)
        self._sockets = deepgram_sockets(key=self._key, idle=CONFIGURE, spare=spare)

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> ContinuousStream:
        query = flux_query(model=self._model, language=language, keyterms=keyterms, rate_hz=rate_hz, extra=self._extra)
        taken = await self._sockets.take(f"{self._url}/v2/listen?{query}")
        socket = DeepgramSocket(taken, key=self._key, idle=CONFIGURE)
        line = _Line(socket, rate_hz=rate_hz)
        return ContinuousStream(line, language=language, rate_hz=rate_hz, cadence_ms=self._cadence_ms)

    async def warm_up(self) -> None:
        await self._sockets.warm()

    async def aclose(self) -> None:
        await self._sockets.aclose()


class _Line:
    """Implements `RecognitionLine`. Where no turn is under way Flux leaves ForceEndTurn unanswered; this answers."""

    def __init__(self, socket: DeepgramSocket, *, rate_hz: int) -> None:
        self._socket, self._rate_hz = socket, rate_hz
        self._samples = 0
        self._in_turn = False
        self._heard_until_ms = 0.0
        self._asked: list[float] = []
        self._told: asyncio.Queue[Result | Exception] = asyncio.Queue(maxsize=64)
        self._listening = asyncio.create_task(self._listen())
        self._waiting: set[asyncio.Task[None]] = set()

    async def send(self, samples: Samples) -> None:
        self._samples += len(samples)
        await self._socket.send_sound(samples)

    async def finalise(self) -> None:
        at_ms = 1000 * self._samples / self._rate_hz
        self._asked.append(at_ms)
        await self._socket.say(FORCE_END_TURN)
        waiting = asyncio.create_task(self._insist(at_ms))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def __aiter__(self) -> AsyncIterator[Result]:
        while isinstance(told := await self._told.get(), Result):
            yield told
        raise told

    async def aclose(self) -> None:
        tasks = [self._listening, *self._waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._socket.aclose()

    async def _listen(self) -> None:
        try:
            async for said in self._socket:
                if (found := result(said)) is not None:
                    await self._hear(found, begun=said["event"] == "StartOfTurn")
        except Exception as error:  # the task's edge: whoever iterates would wait for ever
            await self._told.put(error)

    async def _hear(self, found: Result, *, begun: bool) -> None:
        self._heard_until_ms = max(self._heard_until_ms, found.heard_until_ms)
        self._in_turn = not found.final and (self._in_turn or begun)
        if found.final:
            until_ms = found.heard_until_ms
            answered = [at_ms for at_ms in self._asked if at_ms <= until_ms + _STEP_MS]
            if found.from_finalise and not answered:
                # A turn that we end, ends with what was transcribed, which may be a little less than was sent.
                answered = [at_ms for at_ms in self._asked if at_ms <= until_ms + _BEHIND_MS][:1]
            self._asked = [at_ms for at_ms in self._asked if at_ms not in answered]
            found = replace(found, heard_until_ms=max([until_ms, *answered]), from_finalise=bool(answered))
        await self._told.put(found)

    async def _insist(self, at_ms: float) -> None:
        """Answer what asked for the end of a turn where there is none; ask again where one began late.

        A recogniser that does not transcribe any more gets no answer from here.
        """
        try:
            while True:
                await asyncio.sleep(_GRACE_S)
                if at_ms not in self._asked:
                    return
                if self._in_turn:
                    await self._socket.say(FORCE_END_TURN)
                elif self._heard_until_ms >= at_ms - _BEHIND_MS:
                    self._asked = [later_ms for later_ms in self._asked if later_ms > at_ms]
                    await self._told.put(Result((), final=True, heard_until_ms=at_ms, from_finalise=True))
        except LegLost:
            pass  # whoever sends or iterates is told
