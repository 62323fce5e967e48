"""OpenAI's HTTP interface as compatible endpoints speak it: chat, streamed or not, transcription and models.

Scripted, a chat's answer is the last message in capitals, one word a token, and sound is heard as the script of clips
says. Backed by models, what our own prompt asks to be translated goes through the engines of the pair, and sound
through an embedded recogniser.
"""

from __future__ import annotations

import io
import json
import re
import time
import wave
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vivavoce.audio.pcm import Samples
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.http import Exchange, HttpEmulator, Request
from vivavoce.emulators.recognition import Recogniser, Scripted
from vivavoce.errors import VivavoceError
from vivavoce.legs.values import Word

KINDS = {
    "first-slow": "begins to answer so many ms late (5000)",
    "stall-after": "says nothing any more after so many tokens (2)",
    "cut": "ends its answer after so many tokens (2), without [DONE]",
    "malformed": "sends malformed JSON after so many tokens (2)",
    "error": "sends an error in place of what follows after so many tokens (2)",
    "no-stream-options": "refuses a request that asks for its usage with 400, as endpoints do that do not know that",
}
_MODEL = "emulated"
_LONGEST_MS = 600_000.0
_CHAT, _TRANSCRIPTIONS, _MODELS = "/v1/chat/completions", "/v1/audio/transcriptions", "/v1/models"


@dataclass(frozen=True, slots=True)
class ChatScript:
    """When tokens come, counted from the request, and what is answered to what; else it is said in capitals."""

    first_ms: float = 0.0
    token_ms: float = 0.0
    answers: Mapping[str, str] = field(default_factory=dict)

    async def reply(self, messages: Sequence[Mapping[str, Any]]) -> str:
        asked = str(messages[-1]["content"])
        return self.answers.get(asked, asked.upper())

    async def aclose(self) -> None:
        """Nothing is open."""


class Text(Protocol):
    async def reply(self, messages: Sequence[Mapping[str, Any]]) -> str: ...

    async def aclose(self) -> None: ...


def emulator(
    *, faults: Sequence[Fault] = (), seed: int = 0, script: Path | None = None, models: bool = False
) -> HttpEmulator:
    """Raises ConfigError for a script that cannot be read."""
    if not models:
        return served(recogniser=Scripted(script), faults=faults, seed=seed)
    from vivavoce.emulators.embedded import Embedded
    from vivavoce.emulators.embedded_text import EmbeddedText

    return served(text=EmbeddedText(), recogniser=Embedded(cadence_ms=_LONGEST_MS), faults=faults, seed=seed)


def served(
    chat: ChatScript | None = None,
    *,
    text: Text | None = None,
    recogniser: Recogniser | None = None,
    faults: Sequence[Fault] = (),
    seed: int = 0,
) -> HttpEmulator:
    """The same with a timing, answers and a recogniser of one's own; `text` answers instead of the script."""
    chat = chat or ChatScript()
    api = _Api(chat, text or chat, recogniser or Scripted(None))
    return HttpEmulator(api.handle, refuse=_refusal, kinds=KINDS, faults=faults, seed=seed, aclose=api.aclose)


class _Api:
    """Answers requests at the paths of the interface."""

    def __init__(self, script: ChatScript, text: Text, recogniser: Recogniser) -> None:
        self._script, self._text, self._recogniser = script, text, recogniser

    async def aclose(self) -> None:
        await self._text.aclose()
        await self._recogniser.aclose()

    async def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        path = request.path.partition("?")[0]
        if not _key(request) or "wrong" in _key(request):
            await exchange.answer(401, _refusal(request, 401))
        elif request.method == "GET" and path.startswith(_MODELS):
            name = path.removeprefix(_MODELS).strip("/")
            model = {"id": name or _MODEL, "object": "model", "owned_by": "system"}
            await exchange.answer(200, _json(model if name else {"object": "list", "data": [model]}))
        elif request.method == "POST" and path in (_CHAT, _TRANSCRIPTIONS):
            try:
                await (self._chat(exchange) if path == _CHAT else self._transcribe(exchange))
            except (ValueError, LookupError, TypeError, EOFError, wave.Error, VivavoceError) as error:
                await exchange.answer(400, _error(f"{type(error).__name__}: {error}", "invalid_request_error"))
        else:
            await exchange.answer(404, _refusal(request, 404))

    async def _chat(self, exchange: Exchange) -> None:
        asked = json.loads(exchange.request.body)
        if "stream_options" in asked and exchange.fault("no-stream-options"):
            raise ValueError("Unrecognized request argument supplied: stream_options")
        text = await self._text.reply(asked["messages"])
        first_s = self._script.first_ms / 1000
        if (slow := exchange.fault("first-slow")) is not None:
            first_s += slow.number(5000) / 1000
        tokens = _tokens(text)
        counts = sum(len(_tokens(str(message.get("content")))) for message in asked["messages"]), len(tokens)
        usage = {"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": sum(counts)}
        about = {"id": "chatcmpl-emulated", "created": int(time.time()), "model": asked.get("model", _MODEL)}
        if not asked.get("stream"):
            await exchange.until(first_s + len(tokens) * self._script.token_ms / 1000)
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            await exchange.answer(
                200, _json(about | {"object": "chat.completion", "choices": [choice], "usage": usage})
            )
            return
        about["object"] = "chat.completion.chunk"
        counted = (asked.get("stream_options") or {}).get("include_usage")
        if counted:
            about["usage"] = None

        def event(delta: Mapping[str, str], finish_reason: str | None = None) -> bytes:
            return _event(about | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})

        await exchange.until(first_s)
        await exchange.begin(kind="text/event-stream; charset=utf-8")
        await exchange.send(event({"role": "assistant", "content": ""}))
        async for token in self._paced(exchange, tokens, first_s):
            await exchange.send(event({"content": token}))
        if not _due(exchange, "cut", len(tokens)) and not _due(exchange, "error", len(tokens)):
            await exchange.send(event({}, "stop"))
            if counted:
                await exchange.send(_event(about | {"choices": [], "usage": usage}))
            await exchange.send(b"data: [DONE]\n\n")
        await exchange.end()

    async def _paced(self, exchange: Exchange, tokens: Sequence[str], first_s: float) -> AsyncIterator[str]:
        """The tokens, each when it is due, until a fault; the provider's own faults come between them."""
        for n, token in enumerate(tokens):
            await exchange.until(first_s + n * self._script.token_ms / 1000)
            if _due(exchange, "stall-after", n):
                await exchange.stall()
            if _due(exchange, "malformed", n):
                await exchange.send(b'data: {"choices": [{"delta": {"content": "\n\n')
            if _due(exchange, "error", n):
                await exchange.send(b"data: " + _error("the model is overloaded", "server_error", code=503) + b"\n\n")
                return
            if _due(exchange, "cut", n):
                return
            yield token

    async def _transcribe(self, exchange: Exchange) -> None:
        fields = _form(exchange.request)
        with wave.open(io.BytesIO(fields["file"][0])) as sound:
            rate_hz, samples = sound.getframerate(), np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        language = fields.get("language", [b"en"])[0].decode()
        words = await self._heard(samples, rate_hz, language)
        await exchange.until(self._script.first_ms / 1000)
        answer: dict[str, Any] = {"text": " ".join(word.text for word in words)}
        if fields.get("response_format") == [b"verbose_json"]:
            answer |= {"task": "transcribe", "language": language, "duration": len(samples) / rate_hz}
            answer["segments"] = [{"id": 0, "text": answer["text"], "avg_logprob": -0.1, "no_speech_prob": 0.01}]
            if b"word" in fields.get("timestamp_granularities[]", []):
                # The real one leaves punctuation out here.
                answer["words"] = [
                    {"word": word.text.strip(".,;:!?"), "start": word.start_ms / 1000, "end": word.end_ms / 1000}
                    for word in words
                ]
        await exchange.answer(200, _json(answer))

    async def _heard(self, samples: Samples, rate_hz: int, language: str) -> tuple[Word, ...]:
        recognition = await self._recogniser.open(rate_hz=rate_hz, language=language)
        try:
            await recognition.hear(samples)
            await recognition.flush()
            async for told in recognition:
                if told.flushed:
                    break
            return told.words
        finally:
            await recognition.aclose()


def _tokens(text: str) -> list[str]:
    """As tokenisers cut: a word with the space before it."""
    return re.findall(r"\s*\S+", text)


def _due(exchange: Exchange, kind: str, tokens: int) -> bool:
    fault = exchange.fault(kind)
    return fault is not None and tokens >= fault.number(2)


def _key(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _refusal(request: Request, status: int) -> bytes:
    """With 401 the key is repeated, as the real one does."""
    if status == 401:
        return _error(f"Incorrect API key provided: {_key(request)}.", "invalid_request_error", code="invalid_api_key")
    return _error(
        f"emulated refusal of {request.method} {request.path}", "server_error" if status >= 500 else "requests"
    )


def _error(message: str, kind: str, *, code: str | int | None = None) -> bytes:
    return _json({"error": {"message": message, "type": kind, "param": None, "code": code}})


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _form(request: Request) -> dict[str, list[bytes]]:
    """The fields of a multipart body. Raises ValueError where it is none."""
    found = re.search(r'boundary="?([^";]+)', request.headers.get("content-type", ""))
    if found is None:
        raise ValueError("multipart/form-data is needed")
    fields: dict[str, list[bytes]] = {}
    for part in (b"\r\n" + request.body).split(b"\r\n--" + found[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name is not None:
            fields.setdefault(name[1].decode(), []).append(content)
    return fields
