"""WebSockets to providers: opened before they are needed, without compression, with errors of ours.

A socket is thought dead by what is due on it and did not come, not by missing pongs: a ping that times out because
this process stalled would close a socket that is well.

The library's exceptions hold handshakes and close reasons, keys and all. Ours are raised when those are no longer being
handled, so that they are not even their context.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.protocol import State

from vivavoce.errors import ConfigError, LegLost, LegRefused, LegTimeout, VivavoceError
from vivavoce.providers.secrets import Secret

_SILENT = logging.getLogger("vivavoce.providers.sockets.wire")
"""The library logs whole handshakes, keys and all, where somebody turns debugging on."""
_SILENT.disabled = True
_LARGEST = 1 << 22
_SHOWN = 200
_AGAIN_S = 30.0
_POOLS = 4


class Socket:
    """One connection. What breaks it raises LegLost, which tells code and reason, to whoever sends or iterates."""

    def __init__(self, connection: ClientConnection, *, provider: str, key: Secret | None) -> None:
        self._connection, self._provider, self._key = connection, provider, key

    @property
    def alive(self) -> bool:
        """Whether nothing has closed it so far."""
        return self._connection.state is State.OPEN

    async def send(self, message: str | bytes) -> None:
        try:
            await self._connection.send(message)
            return
        except ConnectionClosed as error:
            lost = self._lost(error)
        raise lost

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages, until it is closed, by whichever side: that is never the end of a leg that was not closed by us."""
        while True:
            try:
                message = await self._connection.recv()
            except ConnectionClosed as error:
                lost = self._lost(error)
                break
            yield message
        raise lost

    async def aclose(self) -> None:
        """Close it; who is on the other side need not be well for that."""
        try:
            if self.alive:
                async with asyncio.timeout(1.0):
                    await self._connection.close()
        except TimeoutError:
            pass
        finally:
            self._connection.transport.abort()

    def _lost(self, error: ConnectionClosed) -> LegLost:
        frame = error.rcvd
        how = f"closed with {frame.code} {frame.reason}".rstrip() if frame else "broke off"
        return LegLost(f"{self._provider}: the connection {self._key.scrub(how) if self._key else how}")


class SocketPool:
    """Sockets to one address. `spare` of them are kept open, once `warm` or `take` was called.

    `idle` is sent as text over spare sockets every `idle_every_s`, to providers that close what is silent.
    """

    def __init__(
        self,
        url: str,
        *,
        provider: str,
        headers: Mapping[str, str],
        key: Secret | None = None,
        spare: int = 1,
        idle: str = "",
        idle_every_s: float = 4.0,
        open_timeout_s: float = 5.0,
    ) -> None:
        self._url, self._provider, self._headers, self._key = url, provider, dict(headers), key
        self._spare, self._idle, self._idle_every_s = spare, idle, idle_every_s
        self._open_timeout_s = open_timeout_s
        self._ready: deque[Socket] = deque()
        self._keeper: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._filling = asyncio.Lock()
        self._closed = False

    async def warm(self) -> None:
        """Open the spare sockets now; raises what `take` does."""
        await self._fill()
        self._keep()

    async def take(self) -> Socket:
        """A socket that nobody else has. Raises LegRefused, LegLost or LegTimeout where none can be opened."""
        self._drop_dead()
        socket = self._ready.popleft() if self._ready else await self._open()
        self._keep()
        self._wanted.set()
        return socket

    async def aclose(self) -> None:
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._drop_all()

    async def _drop_all(self) -> None:
        sockets, self._ready = self._ready, deque()
        await asyncio.gather(*(socket.aclose() for socket in sockets))

    def _drop_dead(self) -> None:
        self._ready = deque(socket for socket in self._ready if socket.alive)

    def _keep(self) -> None:
        if self._keeper is None and self._spare and not self._closed:
            self._keeper = asyncio.create_task(self._refill())

    async def _refill(self) -> None:
        """Keep as many spare sockets as are wanted; one that cannot be opened is tried again after a while."""
        while True:
            self._wanted.clear()
            wait_s = self._idle_every_s
            try:
                await self._fill()
            except (LegRefused, LegLost, LegTimeout):
                # Whoever takes the next one is told.
                wait_s = wait_s if self._ready else max(wait_s, _AGAIN_S)
            for socket in [socket for socket in self._ready if self._idle]:
                with contextlib.suppress(LegLost):
                    await socket.send(self._idle)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wanted.wait()

    async def _fill(self) -> None:
        async with self._filling:
            self._drop_dead()
            while len(self._ready) < self._spare and not self._closed:
                opened = await self._open()  # meanwhile `_ready` may become another
                self._ready.append(opened)
        if self._closed:  # meanwhile
            await self._drop_all()

    async def _open(self) -> Socket:
        failed: VivavoceError
        try:
            connection = await connect(
                self._url,
                additional_headers=self._headers,
                compression=None,
                open_timeout=self._open_timeout_s,
                ping_interval=20,
                ping_timeout=None,
                max_size=_LARGEST,
                max_queue=256,
                logger=_SILENT,
            )
            return Socket(connection, provider=self._provider, key=self._key)
        except InvalidStatus as error:
            failed = self._refused(error)
        except InvalidURI as error:
            failed = ConfigError(f"{self._provider}: {self._url} is no address of a WebSocket: {error.msg}")
        except TimeoutError:
            failed = LegTimeout(f"{self._provider}: no connection within {self._open_timeout_s:.0f} s")
        except (OSError, EOFError, InvalidHandshake) as error:
            failed = LegLost(self._told(f"{self._provider}: no connection: {type(error).__name__}: {error}"))
        raise failed

    def _refused(self, error: InvalidStatus) -> LegRefused:
        response = error.response
        body = bytes(response.body or b"").decode("utf-8", "replace")
        text = f"{self._provider} answered {response.status_code} {response.reason_phrase} {body}"
        return LegRefused(self._told(text), status=response.status_code)

    def _told(self, text: str) -> str:
        # Cut behind the key, and not within it.
        return (self._key.scrub(text) if self._key else text)[:_SHOWN].rstrip()


class SocketPools:
    """Sockets by URL: pools that have everything else in common. Those of the last few URLs are kept."""

    def __init__(self, **options: Any) -> None:
        """`options` are those of SocketPool."""
        self._options = options
        self._pools: OrderedDict[str, SocketPool] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    async def take(self, url: str) -> Socket:
        """Raises as SocketPool does."""
        pool = self._pools.get(url)
        if pool is None:
            pool = self._pools[url] = SocketPool(url, **self._options)
        self._pools.move_to_end(url)
        if len(self._pools) > _POOLS:
            closing = asyncio.create_task(self._pools.popitem(last=False)[1].aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return await pool.take()

    async def warm(self) -> None:
        await asyncio.gather(*(pool.warm() for pool in self._pools.values()))

    async def aclose(self) -> None:
        await asyncio.gather(*(pool.aclose() for pool in self._pools.values()), *self._closing)
        self._pools.clear()
