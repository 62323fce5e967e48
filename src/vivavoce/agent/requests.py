"""A script's HTTP calls."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping

import httpx

from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.dialogue import Fetch

MOST_BYTES = 64 << 10
_LOG = logging.getLogger(__name__)


class Requests:
    """Makes them, within their time and without following redirects. An answer that is not as expected is none."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._client = client or httpx.AsyncClient(follow_redirects=False)

    async def __call__(self, fetch: Fetch) -> Mapping[str, SlotValue] | None:
        try:
            async with asyncio.timeout(fetch.timeout_s):
                body = await self._body(fetch)
            return fetch.values(json.loads(body) if fetch.fill else {})
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            # The kind alone: addresses and answers hold what callers said.
            _LOG.warning("a script's request failed: %s", type(error).__name__)
            return None

    async def _body(self, fetch: Fetch) -> bytes:
        """Raises HTTPError and ValueError."""
        params, sent = (fetch.send, None) if fetch.method == "GET" else (None, dict(fetch.send))
        body = bytearray()
        async with self._client.stream(
            fetch.method, fetch.url, params=params, json=sent, timeout=fetch.timeout_s
        ) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    raise ValueError("the answer is too long")
        return bytes(body)

    async def aclose(self) -> None:
        await self._client.aclose()
