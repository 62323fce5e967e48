"""Requests to providers: over connections that stay open, without compression, with errors of ours.

Over aiohttp, whose first piece of a streamed answer comes sooner than httpx's (docs/adr/0026).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from vivavoce.errors import ConfigError, LegError, LegLost, LegRefused, LegTimeout
from vivavoce.providers.secrets import Secret

_KEPT_OPEN_S = 300.0
_REST_S = 0.2
_LARGEST_REST = 1 << 16
_SHOWN = 400
_HINTS = {
    401: "check the key {key}",
    403: "check what the key {key} may do",
    404: "check url and model",
    429: "ask the provider for a higher limit, or send it less",
}


class Endpoint:
    """A provider's HTTP interface at `url`."""

    def __init__(self, url: str, *, provider: str, key: Secret | None, connect_timeout_s: float) -> None:
        """Raises ConfigError for an address that is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{provider}: {url!r} is no address of an interface", hint="like https://host/v1")
        self._url, self._provider, self._key = url.rstrip("/"), provider, key
        self._connect_timeout_s = connect_timeout_s
        self._opened: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def asked(self, method: str, path: str, *, due_s: float, **content: Any) -> AsyncIterator[Body]:
        """The body of the answer to a request; what is not read of it when the context is left is not waited for.

        `due_s` is the loop's time at which the answer must have begun. Raises LegRefused for every status but 200,
        LegTimeout, and LegLost where there is no answer or none any more.
        """
        failed: LegError | None = None
        try:
            async with asyncio.timeout_at(due_s):
                response = await self._send(method, path, **content)
        except TimeoutError:
            failed = LegTimeout(self.tell("no answer within the deadline"))
        except aiohttp.ClientError as error:
            failed = LegLost(self.tell(_cause(error)))
        if failed is not None:
            # Raised here, so that aiohttp's error, which holds the request's headers, is not even its context.
            raise failed
        try:
            if response.status != 200:
                raise await self._refused(response)
            yield Body(response, self)
        finally:
            response.close()

    async def look(self, path: str, due_s: float) -> None:
        """Open a connection by asking for something small; an endpoint that does not have it is there all the same.

        Raises LegRefused where the key is refused, and otherwise as `asked` does.
        """
        try:
            async with self.asked("GET", path, due_s=due_s) as body:
                await body.whole(due_s=due_s)
        except LegRefused as error:
            if error.status in (401, 403):
                raise

    def tell(self, what: str) -> str:
        """The message of an error: who it is about, and nothing of the key."""
        told = f"{self._provider}: {what}"
        return (self._key.scrub(told) if self._key else told)[:_SHOWN]

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        """It belongs to the loop in which it is first wanted."""
        if self._opened is None:
            parts = urlsplit(self._url)
            headers = {"accept-encoding": "identity", "user-agent": "vivavoce"}
            if self._key is not None:
                headers["authorization"] = f"Bearer {self._key.reveal()}"
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_OPEN_S),
                headers=headers,
                # What an answer may take is the caller's to say.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                proxy=None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme),
            )
        return self._opened

    async def _send(self, method: str, path: str, **content: Any) -> aiohttp.ClientResponse:
        url = f"{self._url}/{path}"
        try:
            return await self._session.request(method, url, allow_redirects=False, **content)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            # A server may close an idle connection just when it is used again.
            return await self._session.request(method, url, allow_redirects=False, **content)

    async def _refused(self, response: aiohttp.ClientResponse) -> LegRefused:
        body = await Body(response, self).rest()
        hint = _HINTS.get(response.status, "").format(key=self._key or "(there is none)")
        if (wait := response.headers.get("retry-after", "")).isdecimal():
            hint = f"it asks to wait {wait[:6]} s; {hint}".rstrip("; ")
        told = self.tell(f"it answered {response.status}: {error_text(body)}")
        return LegRefused(told, hint=hint, status=response.status)


class Body:
    """What an answer brings, in the pieces in which it comes."""

    def __init__(self, response: aiohttp.ClientResponse, endpoint: Endpoint) -> None:
        self._content, self._endpoint = response.content, endpoint

    async def next(self, *, due_s: float) -> bytes:
        """The next piece, b"" at the end. Raises LegTimeout where none comes by then, LegLost where it is cut off."""
        failed: LegError
        try:
            async with asyncio.timeout_at(due_s):
                return await self._content.readany()
        except TimeoutError:
            failed = LegTimeout(self._endpoint.tell("nothing more within the deadline"))
        except aiohttp.ClientError as error:
            failed = LegLost(self._endpoint.tell(_cause(error)))
        raise failed

    async def whole(self, *, due_s: float) -> bytes:
        """Raises as `next` does."""
        pieces = []
        while piece := await self.next(due_s=due_s):
            pieces.append(piece)
        return b"".join(pieces)

    async def rest(self) -> bytes:
        """What else comes within a moment, up to a limit: only an answer that was read to its end gives its connection
        back."""
        found = b""
        try:
            async with asyncio.timeout(_REST_S):
                while len(found) < _LARGEST_REST and (piece := await self._content.readany()):
                    found += piece
        except (TimeoutError, aiohttp.ClientError):
            pass
        return found


def error_text(body: bytes | str) -> str:
    """The message of an error as these interfaces write it, or what is there instead."""
    try:
        value = json.loads(body)
    except ValueError:
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        return " ".join(text.split())
    # Gemini wraps it in a list.
    value = value[0] if isinstance(value, list) and value else value
    error = value.get("error", value) if isinstance(value, dict) else value
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)


def _cause(error: aiohttp.ClientError) -> str:
    return str(error) or type(error).__name__
