"""What Deepgram's streaming recognisers have in common: pooled sockets, their keep-alive, their errors, their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic_core import from_json

from vivavoce.audio.pcm import Samples
from vivavoce.errors import LegError, LegLost
from vivavoce.providers.secrets import Secret
from vivavoce.providers.sockets import Socket, SocketPools

CLOSE = '{"type":"CloseStream"}'
KEEP_ALIVE_S = 4.0
_GOODBYE_S = 0.5


def decoded(message: str | bytes, *, scrub: Callable[[str], str] = str) -> dict[str, Any]:
    """A message as JSON. Raises LegError for what is none, and for an `Error`, whose text `scrub` goes over."""
    said: Any = None
    try:
        said = from_json(message)  # in less than half of json's time
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


def deepgram_sockets(*, key: Secret, idle: str, spare: int) -> SocketPools:
    """One socket more than is used is kept open for each URL, by text that says `idle`."""
    return SocketPools(
        provider="deepgram",
        headers={"Authorization": f"Token {key.reveal()}"},
        key=key,
        spare=spare,
        idle=idle,
        idle_every_s=KEEP_ALIVE_S,
    )


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
