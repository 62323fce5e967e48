"""One socket that the contexts of one or of many voices share, opened again where it was closed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from vivavoce.errors import LegError, LegLost
from vivavoce.providers.contexts import Ended, Event, Failed, Sink
from vivavoce.providers.sockets import Socket

_SILENT_S = 2.0

Decode = Callable[[str | bytes], Iterable[Event]]


class _Connection:
    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.sinks: dict[str, Sink] = {}
        self.lost = False
        self.heard_s = asyncio.get_running_loop().time()


class SharedSocket:
    """Sends messages of contexts and gives what comes for them to their sinks; what comes for others is dropped.

    `take` gives a new socket, `decoder` what reads the messages of one: it may raise LegError, and what parsing raises.
    A socket that breaks fails its contexts; where there are none it is no error, and the next context opens another.
    `keep_alive` is sent every `keep_alive_s` in which nothing else was.
    """

    def __init__(
        self,
        take: Callable[[], Awaitable[Socket]],
        decoder: Callable[[], Decode],
        *,
        provider: str,
        keep_alive: str = "",
        keep_alive_s: float = 15.0,
    ) -> None:
        self._take, self._decoder, self._provider = take, decoder, provider
        self._keep_alive, self._keep_alive_s = keep_alive, keep_alive_s
        self._connection: _Connection | None = None
        self._opening = asyncio.Lock()
        self._keeper: asyncio.TimerHandle | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._closed = False

    async def connect(self) -> None:
        """Have a socket. Raises what opening one raises."""
        await self._connected()

    async def send(self, context: str, message: Callable[[], str], *, sink: Sink | None = None) -> None:
        """Send a message of a context; one with a `sink` begins it, others go where it was begun, or nowhere."""
        if sink is None:
            connection = self._connection
            if connection is not None and context in connection.sinks:
                await self._say(connection, message())
            return
        connection = await self._connected()
        try:
            await self._begin(connection, context, message, sink)
        except LegError:
            if connection.sinks.pop(context, None) is None:
                return  # told to the sink already
            # It was closed while idle, which nobody had noticed.
            connection.lost = True
            await self._begin(await self._connected(), context, message, sink)

    async def end(self, context: str, message: Callable[[], str], *, overdue: bool = False) -> None:
        """Send a context's last message; what still comes for it is dropped.

        Where it is `overdue`, and nothing came for other contexts either, the socket is taken for dead.
        """
        connection = self._connection
        if connection is None or connection.sinks.pop(context, None) is None:
            return
        if overdue and asyncio.get_running_loop().time() - connection.heard_s > _SILENT_S:
            self._lose(connection, LegLost(f"{self._provider}: nothing comes over the connection any more"))
            await connection.socket.aclose()
        else:
            await self._say(connection, message())

    async def aclose(self) -> None:
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
        jobs = [*self._jobs]
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        if self._connection is not None:
            await self._connection.socket.aclose()

    async def _begin(self, connection: _Connection, context: str, message: Callable[[], str], sink: Sink) -> None:
        connection.sinks[context] = sink
        await self._say(connection, message())

    async def _say(self, connection: _Connection, message: str) -> None:
        self._keep()
        await connection.socket.send(message)

    async def _connected(self) -> _Connection:
        async with self._opening:
            if self._closed:
                raise LegError(f"{self._provider}: it was closed")
            connection = self._connection
            if connection is None or connection.lost or not connection.socket.alive:
                connection = self._connection = _Connection(await self._take())
                if self._closed:  # meanwhile
                    await connection.socket.aclose()
                    raise LegError(f"{self._provider}: it was closed")
                # Before any message is made for it: decoder and messages may share what they know of the socket.
                self._spawn(self._read(connection, self._decoder()))
                self._keep()
            return connection

    async def _read(self, connection: _Connection, decode: Decode) -> None:
        try:
            async for message in connection.socket:
                events = None
                with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
                    events = list(decode(message))
                if events is None:
                    # Raised here and not where it was noticed: that exception holds the message.
                    raise LegError(f"{self._provider}: what it said is not its protocol")
                connection.heard_s = asyncio.get_running_loop().time()
                for event in events:
                    self._give(connection, event)
        except LegError as error:
            self._lose(connection, error)
        await connection.socket.aclose()

    def _lose(self, connection: _Connection, error: LegError) -> None:
        connection.lost = True
        self._give(connection, Failed("", error))

    def _give(self, connection: _Connection, event: Event) -> None:
        contexts = [event.context] if event.context else list(connection.sinks)
        for context in contexts:
            sink = connection.sinks.get(context)
            if isinstance(event, Ended | Failed):
                connection.sinks.pop(context, None)
            if sink is not None:
                sink(Failed(context, event.error) if isinstance(event, Failed) else event)

    def _keep(self) -> None:
        if not self._keep_alive or self._closed:
            return
        if self._keeper is not None:
            self._keeper.cancel()
        self._keeper = asyncio.get_running_loop().call_later(self._keep_alive_s, self._due)

    def _due(self) -> None:
        connection = self._connection
        if connection is not None and not connection.lost:
            self._spawn(self._stay(connection))

    async def _stay(self, connection: _Connection) -> None:
        with contextlib.suppress(LegError):  # its reader tells
            await self._say(connection, self._keep_alive)

    def _spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task
