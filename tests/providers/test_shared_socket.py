from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from vivavoce.clock import run_virtual
from vivavoce.errors import LegError, LegLost
from vivavoce.providers.contexts import Ended, Event, Failed, Sound
from vivavoce.providers.shared_socket import SharedSocket


class _Socket:
    """One that answers each message with it as sound, or, `gone`, only notices that it is closed when it sends."""

    def __init__(self, *, gone: bool = False) -> None:
        self.alive, self.gone = True, gone
        self.sent: list[str] = []
        self.said: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(self, message: str | bytes) -> None:
        if self.gone:
            self.alive = False
            raise LegLost("it was closed")
        assert isinstance(message, str)
        self.sent.append(message)
        self.said.put_nowait(message)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (message := await self.said.get()) is not None:
            yield message
        self.alive = False
        raise LegLost("it broke off")

    async def aclose(self) -> None:
        self.alive = False


def decode(message: str | bytes) -> list[Event]:
    assert isinstance(message, str)
    context, _, text = message.partition(":")
    return [Ended(context)] if text == "end" else [Sound(context, text.encode())]


def shared(*sockets: _Socket, keep_alive: str = "") -> SharedSocket:
    waiting = list(sockets)

    async def take() -> _Socket:
        return waiting.pop(0)

    return SharedSocket(take, lambda: decode, provider="test", keep_alive=keep_alive, keep_alive_s=15)  # type: ignore[arg-type]


def test_what_comes_goes_to_its_context_and_to_nobody_once_that_has_ended() -> None:
    async def main() -> None:
        socket, one, two = _Socket(), list[Event](), list[Event]()
        over = shared(socket)
        await over.send("a", lambda: "a:1", sink=one.append)
        await over.send("b", lambda: "b:1", sink=two.append)
        await over.send("a", lambda: "a:end")
        await asyncio.sleep(1)
        socket.said.put_nowait("a:late")
        await over.send("a", lambda: "a:never sent")
        await over.end("b", lambda: "b:cancel")
        await asyncio.sleep(1)
        assert one == [Sound("a", b"1"), Ended("a")]
        assert two == [Sound("b", b"1")]
        assert socket.sent == ["a:1", "b:1", "a:end", "b:cancel"]
        await over.aclose()

    run_virtual(main())


def test_a_socket_that_breaks_fails_its_contexts_and_the_next_gets_another() -> None:
    async def main() -> None:
        first, second, events = _Socket(), _Socket(), list[Event]()
        over = shared(first, second)
        await over.send("a", lambda: "a:1", sink=events.append)
        first.said.put_nowait(None)
        await asyncio.sleep(1)
        await over.send("a", lambda: "a:never sent")
        assert [type(event) for event in events] == [Sound, Failed]
        await over.send("b", lambda: "b:1", sink=events.append)
        await asyncio.sleep(1)
        assert events[2:] == [Sound("b", b"1")]
        assert (first.sent, second.sent) == (["a:1"], ["b:1"])
        await over.aclose()

    run_virtual(main())


def test_a_socket_that_was_closed_unnoticed_is_no_error_for_who_begins() -> None:
    async def main() -> None:
        first, second, events = _Socket(gone=True), _Socket(), list[Event]()
        over = shared(first, second)
        await over.connect()
        await over.send("a", lambda: "a:1", sink=events.append)
        await asyncio.sleep(1)
        assert events == [Sound("a", b"1")]
        await over.aclose()

    run_virtual(main())


def test_failure_20_a_socket_over_which_nothing_comes_is_left_when_sound_is_overdue() -> None:
    async def main() -> None:
        first, second, events = _Socket(), _Socket(), list[Event]()
        over = shared(first, second)
        await over.send("a", lambda: "a:1", sink=events.append)
        await over.send("b", lambda: "b:1", sink=events.append)
        await asyncio.sleep(1)
        await over.send("c", lambda: "c:1", sink=events.append)
        await over.end("c", lambda: "c:cancel", overdue=True)
        assert first.sent[-1] == "c:cancel"  # something came just now
        await asyncio.sleep(3)
        await over.end("a", lambda: "a:cancel", overdue=True)
        assert [event.context for event in events if isinstance(event, Failed)] == ["b"]
        assert not first.alive
        await over.send("d", lambda: "d:1", sink=events.append)
        assert second.sent == ["d:1"]
        await over.aclose()

    run_virtual(main())


def test_what_is_opened_while_it_is_closed_is_closed_too() -> None:
    async def main() -> None:
        socket, opened = _Socket(), asyncio.Event()

        async def take() -> _Socket:
            await opened.wait()
            return socket

        over = SharedSocket(take, lambda: decode, provider="test")  # type: ignore[arg-type]
        connecting = asyncio.create_task(over.connect())
        await asyncio.sleep(1)
        await over.aclose()
        opened.set()
        with pytest.raises(LegError, match="closed"):
            await connecting
        assert not socket.alive
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_it_is_kept_open_while_nothing_is_sent() -> None:
    async def main() -> None:
        socket = _Socket()
        over = shared(socket, keep_alive=":stay")
        await over.connect()
        await asyncio.sleep(20)
        await over.send("a", lambda: "a:1", sink=list[Event]().append)
        await asyncio.sleep(31)
        assert socket.sent == [":stay", "a:1", ":stay", ":stay"]
        await over.aclose()
        await asyncio.sleep(60)
        assert len(socket.sent) == 4
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
