"""What time does to calls, on virtual time: a telephone that is made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from vivavoce.clock import NS_PER_MS, SystemClock, run_virtual
from vivavoce.errors import MediaError
from vivavoce.gateway.calls import Calls
from vivavoce.media import CallEvent, Closed, Started


class Telephone:
    """A call that has begun, and ends when it is hung up."""

    def __init__(self) -> None:
        self.format: Started | None = Started(8000, "MZ1", "CA1", {})
        self.ended_s: float | None = None
        self._closed = asyncio.Event()

    async def events(self) -> AsyncIterator[CallEvent]:
        await self._closed.wait()
        yield Closed("hung up")

    def hang_up(self) -> None:
        self.ended_s = self.ended_s or now_s()
        self._closed.set()


class Plane:
    def __init__(self) -> None:
        self.calls: list[Telephone] = []
        self.tokens: list[str] = []

    def expect(self, token: str, *, ttl_ms: int, piece_ms: int) -> Telephone:
        assert ttl_ms == 30_000
        self.tokens.append(token)
        self.calls.append(Telephone())
        return self.calls[-1]


def now_s() -> float:
    return SystemClock().now_ns() / 1e9


async def after(seconds: float) -> None:
    clock = SystemClock()
    await clock.sleep_until(clock.now_ns() + round(seconds * 1000) * NS_PER_MS)


def run(gateway: Any, work: Callable[[Calls, Plane], Coroutine[Any, Any, None]], **changes: Any) -> None:
    agent = changes.pop("agent", None) or gateway.Listener(changes.pop("script", gateway.SCRIPT))

    async def main() -> None:
        plane = Plane()
        async with asyncio.timeout(7200), asyncio.TaskGroup() as group:
            calls = Calls(
                agent,
                plane,  # type: ignore[arg-type]
                gateway.settings(**changes),
                group=group,
                clock=SystemClock(),
                admission=gateway.EVERYBODY,
            )
            await work(calls, plane)
            await calls.drain(0.0)

    run_virtual(main())


def test_a_call_that_is_too_long_goes_on_with_a_person(gateway: Any) -> None:
    async def work(calls: Calls, plane: Plane) -> None:
        calls.expect("one")
        await after(100)
        calls.expect("two")
        await after(401)
        assert [call.ended_s for call in plane.calls] == [500.0, None]
        assert await calls.after("one") == "+15550100"
        assert len(calls) == 1

    run(gateway, work, max_call_s=500.0)


def test_without_a_person_it_is_hung_up(gateway: Any) -> None:
    script = "name: n\nstart: a\nstates:\n  a: {say: Hello., hang_up: true}\n"

    async def work(calls: Calls, plane: Plane) -> None:
        calls.expect("one")
        await after(600)
        assert plane.calls[0].ended_s == 500.0
        assert await calls.after("one") is None

    run(gateway, work, max_call_s=500.0, script=script)


def test_how_a_call_goes_on_is_known_for_a_minute(gateway: Any) -> None:
    async def work(calls: Calls, plane: Plane) -> None:
        for name in ("one", "two"):
            calls.expect(name)
        await after(501)
        assert await calls.after("one") == "+15550100"
        await after(60)
        assert await calls.after("two") is None

    run(gateway, work, max_call_s=500.0)


def test_a_call_of_the_same_name_takes_the_place_of_the_former(gateway: Any) -> None:
    async def work(calls: Calls, plane: Plane) -> None:
        first, second = calls.expect("one"), calls.expect("one")
        assert first != second
        await after(1)
        assert len(calls) == 1
        assert [call.ended_s for call in plane.calls] == [0.0, None]

    run(gateway, work)


@pytest.mark.parametrize(("within_s", "took_s"), [(300.0, 200.0), (50.0, 52.0)])
def test_a_drain_waits_for_calls_and_not_for_ever(gateway: Any, within_s: float, took_s: float) -> None:
    async def work(calls: Calls, plane: Plane) -> None:
        calls.expect("one")

        async def ends() -> None:
            await after(200)
            plane.calls[0].hang_up()

        caller = asyncio.ensure_future(ends())
        await after(0)
        began_s = now_s()
        await calls.drain(within_s)
        assert now_s() - began_s == took_s
        assert calls.expect("two") is None
        assert await calls.after("one") == (None if within_s > 200 else "+15550100")
        caller.cancel()

    run(gateway, work)


def test_a_conversation_that_does_not_end_is_cancelled(gateway: Any) -> None:
    agent = gateway.Listener()
    cancelled: list[bool] = []

    async def converse(call: Any, *, clock: Any, key: str, **_: Any) -> None:
        try:
            await after(6000)
        finally:
            cancelled.append(True)

    agent.converse = converse

    async def work(calls: Calls, plane: Plane) -> None:
        calls.expect("one")
        await after(1)
        await calls.drain(10.0)
        assert now_s() == 16.0
        await after(0)
        assert cancelled == [True]

    run(gateway, work, agent=agent)


def test_a_call_that_cannot_be_hung_up_disturbs_no_other(gateway: Any, caplog: pytest.LogCaptureFixture) -> None:
    def full() -> None:
        raise MediaError("the media plane takes no more commands now")

    async def work(calls: Calls, plane: Plane) -> None:
        calls.expect("one")
        hang_up, plane.calls[0].hang_up = plane.calls[0].hang_up, full  # type: ignore[method-assign]
        await after(501)
        assert len(calls) == 1
        assert "takes no more commands" in caplog.text
        hang_up()

    run(gateway, work, max_call_s=500.0)
