"""What Deepgram's streaming recognisers have in common: pooled sockets, their keep-alive, their errors, their end."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Any

from vivavoce.audio.pcm import Samples
from vivavoce.errors import LegError, LegLost
from vivavoce.providers.secrets import Secret
from vivavoce.providers.sockets import Socket, SocketPool

CLOSE = '{"type":"CloseStream"}'
KEEP_ALIVE_S = 4.0
_GOODBYE_S = 0.5
_POOLS = 4


def decoded(message: str | bytes, *, scrub: Callable[[str], str] = str) -> dict[str, Any]:
    """A message as JSON. Raises LegError for what is none, and for an `Error`, whose text `scrub` goes over."""
    said: Any = None
    try:
        said = json.loads(message)
        kind = said["type"]
        failed = ""
    except (ValueError, KeyError, TypeError) as error:
        # Raised below: this exception holds the message.
        failed = f"deepgram said what it should not: {type(error).__name__}: {error}"
    if failed:
        raise LegError(scrub(failed))
    if kind == "Error":
        raise LegError(scrub(f"deepgram: {said.get('code') or ''} {said.get('description') or said.get('message')}"))
    return said  # type: ignore[no-any-return]


class DeepgramSockets:
    """Sockets by URL; one more than is used is kept open for each of the last few URLs, by text that says `idle`."""

    def __init__(self, *, key: Secret, idle: str, spare: int) -> None:
        self._key, self._idle, self._spare = key, idle, spare
        self._pools: OrderedDict[str, SocketPool] = OrderedDict()

    async def take(self, url: str) -> DeepgramSocket:
        """Raises LegRefused, LegLost or LegTimeout where none can be opened."""
        pool = self._pools.get(url)
        if pool is None:
            pool = self._pools[url] = SocketPool(
                url,
                provider="deepgram",
                headers={"Authorization": f"Token {self._key.reveal()}"},
                key=self._key,
                spare=self._spare,
                idle=self._idle,
                idle_every_s=KEEP_ALIVE_S,
            )
        self._pools.move_to_end(url)
        if len(self._pools) > _POOLS:
            await self._pools.popitem(last=False)[1].aclose()
        return DeepgramSocket(await pool.take(), key=self._key, idle=self._idle)

    async def warm(self) -> None:
        await asyncio.gather(*(pool.warm() for pool in self._pools.values()))

    async def aclose(self) -> None:
        await asyncio.gather(*(pool.aclose() for pool in self._pools.values()))
        self._pools.clear()


class DeepgramSocket:
    """A socket in use. What breaks it, and what Deepgram complains of, is raised as a LegError without the key."""

    def __init__(self, socket: Socket, *, key: Secret, idle: str) -> None:
        self._socket, self._key, self._idle = socket, key, idle
        self._sounded = False
        self._keeping = asyncio.create_task(self._keep_alive())

    async def send_sound(self, samples: Samples) -> None:
        if len(samples):  # an empty frame would close the stream
            self._sounded = True
            await self._socket.send(samples.astype("<i2", copy=False).tobytes())

    async def say(self, message: str) -> None:
        await self._socket.send(message)

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        async for message in self._socket:
            yield decoded(message, scrub=self._key.scrub)

    async def aclose(self) -> None:
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        try:
            # Who does not read any more would not let us send either.
            async with asyncio.timeout(_GOODBYE_S):
                await self._socket.send(CLOSE)
        except (LegLost, TimeoutError):
            pass
        await self._socket.aclose()

    async def _keep_alive(self) -> None:
        try:
            while True:
                await asyncio.sleep(KEEP_ALIVE_S)
                if not self._sounded:
                    await self._socket.send(self._idle)
                self._sounded = False
        except LegLost:
            pass  # whoever sends or iterates is told
