"""Chat endpoints that speak OpenAI's HTTP interface (OpenAI, Gemini, a LiteLLM proxy), here as translators.

Wire format: https://platform.openai.com/docs/api-reference/chat-streaming. POST {url}/chat/completions with
`stream: true` is answered with server-sent events, each a JSON object whose `choices[0].delta.content` goes on with the
text, until one has a `finish_reason`, or `[DONE]`. `stream_options.include_usage` asks for one more event, with the
tokens that were used and no choices; some tell them with every piece of the text, counted from the first. A request
that fails or is broken off has used tokens as well, which nobody tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from vivavoce.errors import LegError, LegLost, LegRefused
from vivavoce.legs.values import Clause, TextChunk, TokenUsage
from vivavoce.prompts import CURRENT, Prompt, mt_prompt
from vivavoce.providers.http import Endpoint, error_text
from vivavoce.providers.secrets import secret
from vivavoce.providers.sse import EventReader

Messages = Sequence[Mapping[str, str]]


class ChatReader:
    """An answer's pieces of text out of the bytes of its body; `finished` tells that it is whole.

    `usage` is what the service told of tokens, which may come after that.
    """

    def __init__(self, tell: Callable[[str], str] = str) -> None:
        """`tell` makes an error's message of what happened."""
        self._events = EventReader()
        self._tell = tell
        self.finished = False
        self.usage: TokenUsage | None = None

    def feed(self, piece: bytes) -> list[str]:
        """Raises LegError for what is no such answer or was cut at a limit, LegRefused for an error in it."""
        found = []
        for data in self._events.feed(piece):
            if self.finished:
                self._after(data)
            elif data == "[DONE]":
                self.finished = True
            elif text := self._text(data):
                found.append(text)
        return found

    def rest(self, piece: bytes) -> None:
        """What came after the end of the text: a whole answer is not made worse by it."""
        with contextlib.suppress(LegError):
            self.feed(piece)

    def _after(self, data: str) -> None:
        with contextlib.suppress(ValueError):
            self._count(json.loads(data))

    def _count(self, chunk: object) -> None:
        usage = chunk.get("usage") if isinstance(chunk, dict) else None
        if isinstance(usage, dict):
            tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
            if isinstance(tokens_in, int) and isinstance(tokens_out, int) and min(tokens_in, tokens_out) >= 0:
                self.usage = TokenUsage(tokens_in, tokens_out)

    def _text(self, data: str) -> str:
        chunk = malformed = object()
        with contextlib.suppress(ValueError):  # raised below: this exception holds the answer
            chunk = json.loads(data)
        if chunk is malformed:
            raise LegError(self._tell("malformed JSON in the answer"))
        if not isinstance(chunk, dict):
            raise LegError(self._tell("the answer is not in OpenAI's format"))
        if error := chunk.get("error"):
            told = self._tell(f"an error instead of the answer's rest: {error_text(data)}")
            raise LegRefused(told, status=_status(error))
        self._count(chunk)
        try:
            choices = chunk["choices"]
            if not choices:  # usage alone
                return ""
            delta, reason = choices[0].get("delta") or {}, choices[0].get("finish_reason")
            text, refusal = delta.get("content"), delta.get("refusal")
        except (KeyError, IndexError, TypeError, AttributeError):
            raise LegError(self._tell("the answer is not in OpenAI's format")) from None
        if refusal or reason in ("content_filter", "length"):
            raise LegError(self._tell(f"the answer was cut: {reason or 'refusal'}"))
        self.finished = reason is not None
        return text if isinstance(text, str) else ""


def _status(error: object) -> int:
    """The status of an error that came after status 200: `code` is a number, or a name."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()):
        return int(code)
    return 429 if "rate_limit" in str(error) or "quota" in str(error) else 500


def chat_body(model: str, messages: Messages, **more: Any) -> bytes:
    """The request for a streamed answer; `more` goes into it as it is."""
    body = {"model": model, "messages": list(messages), "stream": True, **more}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class OpenAIChat:
    """Implements `Translator` for every pair of languages that the model knows. `prompt_version` names the prompt.

    Text is given as it comes. Locked terms are told to the model; whether it renders them so is not checked here.
    """

    HOSTED = True

    def __init__(
        self,
        *,
        url: str,
        model: str,
        key: str = "",
        provider: str = "chat",
        temperature: float | None = None,
        body: Mapping[str, Any] | None = None,
        prompt: str | Prompt = CURRENT,
        usage: bool = True,
        connections: int = 2,
        connect_timeout_ms: float = 3000.0,
        first_timeout_ms: float = 8000.0,
        stall_timeout_ms: float = 4000.0,
    ) -> None:
        """`key` names the key, "" for an endpoint that wants none; `body` is what the request says besides, like
        `{"reasoning_effort": "none"}`; `prompt` is one of `vivavoce.prompts`, or its version; `usage` asks for the
        tokens that were used, False is for endpoints that refuse that; `connections` are opened by `warm_up`. Time-outs
        are for connecting, for the first text and for each next one. Raises ConfigError, and LegUnavailable without the
        key."""
        self.model = model
        self._prompt = prompt if isinstance(prompt, Prompt) else mt_prompt(prompt)
        self.prompt_version = self._prompt.version
        self._more = dict(body or {}) | ({} if temperature is None else {"temperature": temperature})
        if usage:
            self._more.setdefault("stream_options", {"include_usage": True})
        self._connections = connections
        self._first_s, self._stall_s = first_timeout_ms / 1000, stall_timeout_ms / 1000
        self._endpoint = Endpoint(
            url, provider=provider, key=secret(key) if key else None, connect_timeout_s=connect_timeout_ms / 1000
        )

    async def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        used: list[TokenUsage | None] = []
        said = self._prompt.messages(clause.text, source=source, target=target, context=context, terms=glossary)
        async with aclosing(self.stream(said, used=used.append)) as pieces:
            async for piece in pieces:
                yield TextChunk(piece, clause.epoch, last=False)
        yield TextChunk("", clause.epoch, last=True, usage=used[0] if used else None)

    async def stream(
        self, messages: Messages, *, used: Callable[[TokenUsage | None], None] | None = None, **more: Any
    ) -> AsyncGenerator[str, None]:
        """The pieces of the answer's text as they come; closing it ends the request. `used` is called once it is whole.

        Raises LegRefused for a status or an error in the stream, LegLost where it is cut, LegTimeout, and LegError for
        what cannot be read.
        """
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._first_s
        content = chat_body(self.model, messages, **self._more, **more)
        headers = {"content-type": "application/json"}
        reader, said = ChatReader(self._endpoint.tell), False
        request = self._endpoint.asked("POST", "chat/completions", due_s=due_s, data=content, headers=headers)
        async with _hinted(), request as body:
            while not reader.finished:
                piece = await body.next(due_s=due_s)
                if not piece:
                    raise LegLost(self._endpoint.tell("the answer broke off before its end"))
                for text in reader.feed(piece):
                    said = True
                    yield text
                    due_s = loop.time() + self._stall_s
            reader.rest(await body.rest())
        if not said:
            raise LegError(self._endpoint.tell("an empty answer"))
        if used is not None:
            used(reader.usage)

    async def warm_up(self) -> None:
        """Open connections. Raises LegRefused where the key is, and what `stream` does where there is no connection."""
        due_s = asyncio.get_running_loop().time() + self._first_s
        await asyncio.gather(*(self._endpoint.look(f"models/{self.model}", due_s) for _ in range(self._connections)))

    async def aclose(self) -> None:
        await self._endpoint.aclose()


@contextlib.asynccontextmanager
async def _hinted() -> AsyncIterator[None]:
    """Tells what to do about an endpoint that does not know the question for tokens."""
    try:
        yield
    except LegRefused as refused:
        if refused.status in (400, 422) and "stream_options" in refused.message:
            refused.hint = "set usage = false among this engine's options; what it costs is not known then"
        raise
