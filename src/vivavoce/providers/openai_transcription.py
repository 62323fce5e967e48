"""Transcription endpoints that speak OpenAI's HTTP interface, as recognisers of utterances.

Wire format: https://platform.openai.com/docs/api-reference/audio/createTranscription. POST {url}/audio/transcriptions
takes a form with a WAV file and answers `{"text"}`; with `verbose_json` and word timestamps, which of OpenAI's models
whisper-1 alone gives, also `language` by its English name, `segments` and `words` without punctuation, in seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import math
import uuid
import wave
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, TypeVar

import numpy as np

from vivavoce.errors import LegError
from vivavoce.legs.values import Word
from vivavoce.providers.http import Endpoint
from vivavoce.providers.secrets import secret
from vivavoce.providers.utterance import Stretch, Transcript, UtteranceStream, spread_words
from vivavoce.text.phrases import spoken_form

T = TypeVar("T")

_SHORTEST_S = 0.1
"""The endpoint refuses less."""
_LANGUAGES = {
    "catalan": "ca",
    "chinese": "zh",
    "dutch": "nl",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "portuguese": "pt",
    "russian": "ru",
    "spanish": "es",
}


def transcription_form(stretch: Stretch, *, model: str, keyterms: Sequence[str], timed: bool) -> tuple[str, bytes]:
    """The content type and body of a request for what was said in a stretch."""
    fields = [("model", model), ("response_format", "verbose_json" if timed else "json"), ("temperature", "0")]
    if timed:
        fields += [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")]
    if stretch.language != "auto":
        fields.append(("language", stretch.language))
    if keyterms:
        fields.append(("prompt", ", ".join(keyterms)))
    boundary = uuid.uuid4().hex
    head = "".join(f'--{boundary}\r\ncontent-disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields)
    head += f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="speech.wav"\r\n'
    body = f"{head}content-type: audio/wav\r\n\r\n".encode() + _wav(stretch) + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


def read_transcription(answer: bytes, stretch: Stretch, *, tell: Callable[[str], str] = str) -> Transcript:
    """What was said after the stretch's prefix. Raises LegError for an answer that is not in the format.

    `tell` makes an error's message of what happened.
    """
    found: Any = None
    with contextlib.suppress(ValueError):  # raised below: this exception holds the answer
        found = json.loads(answer)
    try:
        texts, timings, segments = str(found["text"]).split(), found.get("words") or [], found.get("segments") or []
        spans = [(str(timing["word"]), 1000.0 * timing["start"], 1000.0 * timing["end"]) for timing in timings]
        logs = [float(segment["avg_logprob"]) for segment in segments]
        silences = [float(segment["no_speech_prob"]) for segment in segments]
        name = str(found.get("language") or "").lower()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LegError(tell("the answer is not in OpenAI's format")) from None
    confidence = math.exp(min(0.0, sum(logs) / len(logs))) if logs else 1.0
    end_ms = stretch.start_ms + 1000.0 * len(stretch.samples) / stretch.rate_hz
    words: Sequence[Word] = _timed(texts, spans, stretch.start_ms, confidence)
    if not words:
        words = spread_words(texts, start_ms=stretch.start_ms, end_ms=end_ms, confidence=confidence)
    words = words[_settled([word.text for word in words], [word.text for word in stretch.prefix]) :]
    language = _LANGUAGES.get(name, name if len(name) == 2 else stretch.language)
    return Transcript(_after(words, stretch), language, min(silences, default=0.0))


def _timed(texts: Sequence[str], spans: Sequence[tuple[str, float, float]], start_ms: float, sure: float) -> list[Word]:
    """The words of the text with the times of the timed ones, which are cut and written a little otherwise.

    Both are the same letters: a word begins with the timed one that has its first letter.
    """
    letters = [(begin_ms, end_ms) for word, begin_ms, end_ms in spans for c in word if c.isalnum()]
    total = sum(c.isalnum() for text in texts for c in text)
    if not letters or not total:
        return []
    words, at = list[Word](), 0
    for text in texts:
        count = sum(c.isalnum() for c in text)
        first, last = at * len(letters) // total, max(at, at + count - 1) * len(letters) // total
        begin_ms, end_ms = letters[min(first, len(letters) - 1)][0], letters[min(last, len(letters) - 1)][1]
        words.append(Word(text, start_ms + begin_ms, start_ms + max(begin_ms, end_ms), sure))
        at += count
    return words


def _settled(texts: Sequence[str], prefix: Sequence[str]) -> int:
    """How many of the words stand for the settled ones: those that turn into them with the fewest changes."""
    said, settled = [spoken_form(text) for text in texts], [spoken_form(text) for text in prefix]
    costs = list(range(len(settled) + 1))
    totals = [costs[-1]]
    for word in said:
        above, costs = costs, [costs[0] + 1]
        for n, other in enumerate(settled):
            costs.append(min(above[n] + (word != other), above[n + 1] + 1, costs[n] + 1))
        totals.append(costs[-1])
    return min(range(len(totals)), key=lambda count: (totals[count], abs(count - len(settled))))


def _after(words: Sequence[Word], stretch: Stretch) -> tuple[Word, ...]:
    """The words in order, none of them before the end of what is settled."""
    at_ms = stretch.prefix[-1].end_ms if stretch.prefix else stretch.start_ms
    found = list[Word]()
    for word in words:
        begin_ms = max(at_ms, word.start_ms)
        at_ms = max(begin_ms, word.end_ms)
        found.append(Word(word.text, begin_ms, at_ms, word.confidence))
    return tuple(found)


def _wav(stretch: Stretch) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(stretch.rate_hz)
        file.writeframes(np.clip(np.rint(stretch.samples * 32768.0), -32768, 32767).astype("<i2").tobytes())
    return out.getvalue()


class OpenAITranscription:
    """Implements `SpeechToText`. Each hypothesis is a request with the whole utterance, which is paid for."""

    HOSTED = True

    def __init__(
        self,
        *,
        url: str = "https://api.openai.com/v1",
        model: str = "whisper-1",
        key: str = "OPENAI_API_KEY",
        provider: str = "transcription",
        timed: bool = True,
        connections: int = 2,
        connect_timeout_ms: float = 3000.0,
        timeout_ms: float = 8000.0,
    ) -> None:
        """`key` names the key, "" for an endpoint that wants none; `timed` asks for the words' times, without which
        they are spread over the sound. Raises ConfigError, and LegUnavailable without the key."""
        self._model, self._timed, self._connections = model, timed, connections
        self._timeout_s = timeout_ms / 1000
        self._endpoint = Endpoint(
            url, provider=provider, key=secret(key) if key else None, connect_timeout_s=connect_timeout_ms / 1000
        )

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> UtteranceStream:
        decode: Callable[[Stretch], Any] = partial(self._decode, tuple(keyterms))
        return UtteranceStream(decode, executor=_OnLoop(), language=language, rate_hz=rate_hz)

    async def warm_up(self) -> None:
        """Open connections. Raises as the streams do."""
        due_s = asyncio.get_running_loop().time() + self._timeout_s
        await asyncio.gather(*(self._endpoint.look(f"models/{self._model}", due_s) for _ in range(self._connections)))

    async def aclose(self) -> None:
        await self._endpoint.aclose()

    async def _decode(self, keyterms: Sequence[str], stretch: Stretch) -> Transcript:
        if len(stretch.samples) < _SHORTEST_S * stretch.rate_hz:
            return Transcript((), stretch.language)
        kind, data = transcription_form(stretch, model=self._model, keyterms=keyterms, timed=self._timed)
        due_s = asyncio.get_running_loop().time() + self._timeout_s
        headers = {"content-type": kind}
        async with self._endpoint.asked(
            "POST", "audio/transcriptions", due_s=due_s, data=data, headers=headers
        ) as body:
            answer = await body.whole(due_s=due_s)
        return read_transcription(answer, stretch, tell=self._endpoint.tell)


class _OnLoop(Executor):
    """Runs coroutine functions as tasks of the loop that it was made in: what is cancelled there ends its request."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def submit(self, fn: Callable[..., Coroutine[Any, Any, T]], /, *args: Any, **kwargs: Any) -> Future[T]:  # type: ignore[override]
        return asyncio.run_coroutine_threadsafe(fn(*args, **kwargs), self._loop)
