"""A provider that speaks HTTP/1.1, served on a real port.

What a WebSocket emulator does by connection happens here by request: each has its own plan of faults, whose moments
count from when it was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

import h11

from vivavoce.emulators.faults import GENERAL, Fault, Faults

_GARBAGE = b'data: {"id":"em\n\n'
_JSON = "application/json"
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` by their names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """One request and its answer. What is said waits while it is stalled; ConnectionError where nobody is there."""

    def __init__(
        self,
        request: Request,
        parser: h11.Connection,
        writer: asyncio.StreamWriter,
        plan: Sequence[tuple[float, Fault]] = (),
    ) -> None:
        self.request = request
        self._parser, self._writer, self._plan = parser, writer, plan
        self._transport = cast(asyncio.Transport, writer.transport)
        self._begun_s = asyncio.get_running_loop().time()
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._slow_s = 0.0
        self._garbage = False
        self._present: dict[str, Fault] = {}
        self.broken_off = False

    def fault(self, kind: str) -> Fault | None:
        """A fault of the provider's own that is in force now."""
        return self._present.get(kind)

    async def until(self, after_s: float) -> None:
        """Wait until so long after the request, or later where the answer is to be slow."""
        now_s = asyncio.get_running_loop().time()
        if (left_s := self._begun_s + after_s + self._slow_s - now_s) > 0:
            await asyncio.sleep(left_s)

    async def stall(self) -> None:
        """Say nothing any more, until healed."""
        self._speaking.clear()
        await self._speaking.wait()

    async def answer(self, status: int, body: bytes, *, kind: str = _JSON, **headers: str) -> None:
        await self.until(0.0)
        await self._say(self._head(status, kind, **headers, content_length=str(len(self._garbled(body)))))
        await self._say(h11.Data(data=self._garbled(body)))
        await self.end()

    async def begin(self, *, kind: str) -> None:
        """Begin an answer that is sent in pieces."""
        await self._say(self._head(200, kind, transfer_encoding="chunked"))

    async def send(self, piece: bytes) -> None:
        await self._say(h11.Data(data=self._garbled(piece)))

    async def end(self) -> None:
        await self._say(h11.EndOfMessage())

    async def misbehave(self) -> None:
        """Let the planned faults happen, each at its moment."""
        for at_s, fault in self._plan:
            # Without a wait what is planned for the first moment happens before the request is answered.
            if (left_s := self._begun_s + at_s - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(left_s)
            self.suffer(fault)

    def suffer(self, fault: Fault) -> None:
        """Let one fault happen now."""
        if fault.kind in ("abort", "close"):
            self.broken_off = True
            (self._transport.abort if fault.kind == "abort" else self._transport.close)()
        elif fault.kind in ("stall", "freeze"):
            self._speaking.clear()
            if fault.kind == "freeze":
                self._transport.pause_reading()
        elif fault.kind == "slow":
            self._slow_s = fault.number(800) / 1000
        elif fault.kind == "garbage":
            self._garbage = True
        else:
            self._present[fault.kind] = fault

    def heal(self) -> None:
        self._slow_s, self._garbage = 0.0, False
        self._present.clear()
        self._speaking.set()
        with suppress(RuntimeError):  # it was closed meanwhile
            self._transport.resume_reading()

    def _garbled(self, text: bytes) -> bytes:
        return _GARBAGE if self._garbage else text

    def _head(self, status: int, kind: str, **headers: str) -> h11.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return h11.Response(status_code=status, headers=[("content-type", kind), *given.items()])

    async def _say(self, event: h11.Event) -> None:
        await self._speaking.wait()
        if self._transport.is_closing():
            raise ConnectionResetError
        if (data := self._parser.send(event)) is not None:
            self._writer.write(data)
            await self._writer.drain()


Handle = Callable[[Exchange], Awaitable[None]]
Refuse = Callable[[Request, int], bytes]


class HttpEmulator:
    """Implements `Emulator` around what answers one request; `refuse` gives the body of a refusal with that status.

    `abandoned` counts requests whose client went away before it had the whole answer; `left` is set whenever one does,
    `asked` at every request.
    """

    def __init__(
        self,
        handle: Handle,
        *,
        refuse: Refuse = lambda request, status: b"emulated\n",
        kinds: Iterable[str] = (),
        faults: Sequence[Fault] = (),
        seed: int = 0,
        aclose: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._handle, self._refuse, self._aclose = handle, refuse, aclose
        self.kinds = (*GENERAL, *kinds)
        self._faults = Faults(faults, seed=seed)
        self._clients: set[asyncio.Task[None]] = set()
        self._under_way: set[Exchange] = set()
        self.connections = self.requests = self.abandoned = 0
        self.asked, self.left = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def serving(self, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._connected, host, port)
        bound = server.sockets[0].getsockname()
        try:
            yield f"{bound[0]}:{bound[1]}"
        finally:
            server.close()
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
            if self._aclose is not None:
                await self._aclose()

    async def inject(self, fault: Fault) -> None:
        self._faults.injected.append(fault)
        for exchange in tuple(self._under_way):
            exchange.suffer(fault)

    def heal(self) -> None:
        self._faults.injected.clear()
        for exchange in self._under_way:
            exchange.heal()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, h11.RemoteProtocolError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._clients.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = h11.Connection(h11.SERVER)
        while (request := await _request(parser, reader)) is not None:
            self.requests += 1
            self.asked.set()
            exchange = Exchange(request, parser, writer, self._faults.next_connection())
            self._under_way.add(exchange)
            try:
                await self._exchange(exchange, parser, reader)
            finally:
                self._under_way.discard(exchange)
            if parser.our_state is not h11.DONE or parser.their_state is not h11.DONE:
                return
            parser.start_next_cycle()

    async def _exchange(self, exchange: Exchange, parser: h11.Connection, reader: asyncio.StreamReader) -> None:
        """Answer, unless the client goes away before."""
        misbehaving = asyncio.create_task(exchange.misbehave())
        await asyncio.sleep(0)
        answering = asyncio.ensure_future(self._answer(exchange))
        gone = asyncio.create_task(_gone(parser, reader))
        try:
            await asyncio.wait((answering, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = (answering, misbehaving, gone)
            for task in tasks:
                task.cancel()
            outcome, *_ = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(outcome, ConnectionError | asyncio.CancelledError) and not exchange.broken_off:
            self.abandoned += 1
            self.left.set()
        if isinstance(outcome, Exception):
            raise outcome

    async def _answer(self, exchange: Exchange) -> None:
        if (fault := exchange.fault("refuse")) is not None:
            status = int(fault.number(429))
            waiting = {"retry_after": "7"} if status in (429, 503) else {}
            await exchange.answer(status, self._refuse(exchange.request, status), **waiting)
        else:
            await self._handle(exchange)


async def _request(parser: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection, whole; None where there is none any more."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(await reader.read(_PIECE))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            return Request(head.method.decode(), head.target.decode(), headers, bytes(body))
        else:
            return None


async def _gone(parser: h11.Connection, reader: asyncio.StreamReader) -> None:
    """Wait until the client closes; what it asks meanwhile is kept."""
    with suppress(ConnectionError):
        while data := await reader.read(_PIECE):
            parser.receive_data(data)
