"""A provider that speaks WebSocket, served on a real port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Protocol

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from vivavoce.emulators.faults import GENERAL, Fault, Faults
from vivavoce.emulators.line import Line

_SILENT = logging.getLogger("vivavoce.emulators.wire")
_SILENT.disabled = True

Handle = Callable[[Line], Awaitable[None]]
Refusal = tuple[int, str]


class Emulator(Protocol):
    """What `vivavoce emulate` runs, and benchmarks and tests talk to."""

    def serving(self, *, host: str = "127.0.0.1", port: int = 0) -> object:
        """An asynchronous context in which it serves; gives the address without its scheme, `127.0.0.1:4711`."""
        ...

    async def inject(self, fault: Fault) -> None:
        """Let a fault happen now, on every connection there is and every later one, until `heal`."""
        ...

    def heal(self) -> None: ...


class WebSocketEmulator:
    """Implements `Emulator` around what handles one connection.

    `refusal` looks at a handshake (path, headers) and gives the status and body to refuse it with, or None. `kinds` are
    the provider's own faults beside those of every emulator. `aclose` is called when it serves no more.
    """

    def __init__(
        self,
        handle: Handle,
        *,
        refusal: Callable[[str, Headers], Refusal | None] = lambda path, headers: None,
        kinds: Iterable[str] = (),
        faults: Sequence[Fault] = (),
        seed: int = 0,
        aclose: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._handle, self._refusal, self._aclose = handle, refusal, aclose
        self.kinds = (*GENERAL, *kinds)
        self._faults = Faults(faults, seed=seed)
        self._plans: dict[ServerConnection, list[tuple[float, Fault]]] = {}
        self.lines: set[Line] = set()
        self.connections = 0

    @asynccontextmanager
    async def serving(self, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        async with serve(
            self._serve,
            host,
            port,
            process_request=self._admit,
            compression=None,
            ping_interval=None,
            max_size=1 << 22,
            logger=_SILENT,
        ) as server:
            bound = next(iter(server.sockets)).getsockname()
            try:
                yield f"{bound[0]}:{bound[1]}"
            finally:
                for line in tuple(self.lines):
                    line.abort()
                if self._aclose is not None:
                    await self._aclose()

    async def inject(self, fault: Fault) -> None:
        self._faults.injected.append(fault)
        if fault.kind != "refuse":
            await asyncio.gather(*(line.suffer(fault) for line in tuple(self.lines)))

    def heal(self) -> None:
        self._faults.injected.clear()
        for line in self.lines:
            line.heal()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        plan = self._faults.next_connection()
        refusing = next((fault for at_s, fault in plan if fault.kind == "refuse" and not at_s), None)
        if refusing is not None:
            return connection.respond(HTTPStatus(int(refusing.number(429))), "emulated\n")
        if (refusal := self._refusal(request.path, request.headers)) is not None:
            return connection.respond(HTTPStatus(refusal[0]), refusal[1])
        self._plans[connection] = plan
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections += 1
        line = Line(connection, self._plans.pop(connection, []))
        self.lines.add(line)
        misbehaving, over = asyncio.create_task(line.misbehave()), asyncio.create_task(line.over())
        try:
            await self._handle(line)
        finally:
            misbehaving.cancel()
            over.cancel()
            line.hush()
            self.lines.discard(line)
