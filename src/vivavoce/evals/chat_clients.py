"""Clients of a chat endpoint, each asked for the same, that tell how long its first text took."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from vivavoce.errors import LegUnavailable
from vivavoce.legs.values import Clause
from vivavoce.prompts import mt_prompt
from vivavoce.providers.openai_chat import OpenAIChat, chat_body

MODEL = "emulated"
_KEY = "VIVAVOCE_BENCH_KEY"
KEY = f"sk-{token_hex(24)}"
"""Good for the emulator, which takes any, and made for a proxy, which takes no weak one."""
_TEXT = "so we would like to see it tomorrow"
_PAIR = ("en", "pt")

First = Callable[[], Awaitable[float]]
"""Asks, and gives the time to the first text in ms once the whole answer is there."""
Client = Callable[[str, int], AbstractAsyncContextManager[First]]
"""A client of the endpoint at a URL, for so many requests at once."""


@asynccontextmanager
async def ours(url: str, at_once: int) -> AsyncIterator[First]:
    os.environ[_KEY] = KEY
    leg = OpenAIChat(url=url, model=MODEL, key=_KEY, connections=at_once)
    await leg.warm_up()

    async def first() -> float:
        begun_s, first_s = time.perf_counter(), 0.0
        async for chunk in leg.translate(Clause(_TEXT, 0.0, 0.0), source=_PAIR[0], target=_PAIR[1]):
            first_s = first_s or (time.perf_counter() if chunk.text else 0.0)
        return 1000.0 * (first_s - begun_s)

    try:
        yield first
    finally:
        await leg.aclose()


@asynccontextmanager
async def openai_sdk(url: str, at_once: int) -> AsyncIterator[First]:
    """Raises LegUnavailable where it is not installed."""
    if find_spec("openai") is None:
        raise LegUnavailable("openai is not installed", hint="pip install openai")
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0)
    messages: Any = mt_prompt().messages(_TEXT, source=_PAIR[0], target=_PAIR[1])

    async def first() -> float:
        begun_s, first_s = time.perf_counter(), 0.0
        async for chunk in await client.chat.completions.create(model=MODEL, messages=messages, stream=True):
            if not first_s and chunk.choices and chunk.choices[0].delta.content:
                first_s = time.perf_counter()
        return 1000.0 * (first_s - begun_s)

    async with client:
        yield first


@asynccontextmanager
async def bare(url: str, at_once: int) -> AsyncIterator[First]:
    """Nothing but the bytes of the request, and of the answer."""
    parts = urlsplit(url)
    body = chat_body(MODEL, mt_prompt().messages(_TEXT, source=_PAIR[0], target=_PAIR[1]))
    head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {KEY}\r\n"
    request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    opened = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(at_once)]
    idle = list(opened)

    async def first() -> float:
        reader, writer = idle.pop()
        begun_s, first_s = time.perf_counter(), 0.0
        writer.write(request)
        while (line := await reader.readline()) != b"0\r\n":
            if not first_s and line.startswith(b"data: {"):
                choices = json.loads(line[6:])["choices"]
                first_s = time.perf_counter() if choices[0]["delta"].get("content") else 0.0
        await reader.readline()
        idle.append((reader, writer))
        return 1000.0 * (first_s - begun_s)

    try:
        yield first
    finally:
        for _, writer in opened:
            writer.close()
