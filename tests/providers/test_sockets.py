"""Pools of sockets over real ones: what they keep open, how often they try, what they tell and what they leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.datastructures import Headers

from vivavoce.clock import run_virtual
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.line import Line
from vivavoce.emulators.websocket import Refusal, WebSocketEmulator
from vivavoce.errors import LegRefused
from vivavoce.providers.secrets import Secret
from vivavoce.providers.sockets import SocketPool, SocketPools

CANARY = "canary-5b1d94c07e"


async def echo(line: Line) -> None:
    async for message in line:
        await line.send(message)


class House:
    """An emulator that counts handshakes, and refuses them while `refusing` says so."""

    def __init__(self) -> None:
        self.refusing: Refusal | None = None
        self.asked = 0
        self.emulator = WebSocketEmulator(echo, refusal=self._refusal)

    @asynccontextmanager
    async def pool(self, **options: Any) -> AsyncIterator[SocketPool]:
        async with self.emulator.serving() as address:
            key = Secret("A_KEY", CANARY)
            pool = SocketPool(f"ws://{address}", provider="test", headers={"x-key": CANARY}, key=key, **options)
            try:
                yield pool
            finally:
                await pool.aclose()

    async def empty(self) -> None:
        """Wait until no connection is left."""
        async with asyncio.timeout(10):
            while self.emulator.lines:  # noqa: ASYNC110
                await asyncio.sleep(0)

    def _refusal(self, path: str, headers: Headers) -> Refusal | None:
        self.asked += 1
        return self.refusing


def test_no_part_of_a_key_is_told_wherever_it_stands() -> None:
    async def main() -> None:
        house = House()
        async with house.pool(spare=0) as pool:
            for before in range(150, 200, 3):
                house.refusing = 401, f"{'x' * before}{CANARY}"
                with pytest.raises(LegRefused) as refused:
                    await pool.take()
                assert refused.value.status == 401
                assert CANARY[:4] not in refused.value.message

    asyncio.run(main())


def test_a_spare_that_is_refused_is_tried_again_after_a_while() -> None:
    async def main() -> None:
        house = House()
        async with house.pool(idle_every_s=1.0) as pool:
            await pool.warm()
            house.refusing = 503, ""
            socket = await pool.take()
            await asyncio.sleep(100)
            assert 3 <= house.asked - 1 <= 5
            house.refusing = None
            await asyncio.sleep(40)
            asked = house.asked
            await (await pool.take()).aclose()
            await asyncio.sleep(1)
            assert house.asked == asked + 1  # the next spare one
            await socket.aclose()

    run_virtual(main())


def test_a_socket_that_is_opened_while_the_pool_closes_is_closed_too() -> None:
    async def main() -> None:
        house = House()
        async with house.pool() as pool:
            warming = asyncio.create_task(pool.warm())
            await asyncio.sleep(0)
            await pool.aclose()
            await warming
            await house.empty()
            assert asyncio.current_task() in asyncio.all_tasks()
            assert not any("_refill" in repr(task) for task in asyncio.all_tasks())

    asyncio.run(main())


def test_no_socket_is_lost_where_one_is_taken_while_others_are_opened() -> None:
    async def main() -> None:
        house = House()
        async with house.pool(spare=2) as pool:
            warming = asyncio.create_task(pool.warm())
            sockets = [await pool.take() for _ in range(3)]
            await warming
            await pool.warm()
            assert len(house.emulator.lines) == 5
            await asyncio.gather(*(socket.aclose() for socket in sockets))
            await pool.aclose()
            await house.empty()

    asyncio.run(main())


def test_closing_does_not_wait_for_who_does_not_read_and_may_be_cancelled() -> None:
    async def main() -> None:
        house = House()
        async with house.pool(spare=0) as pool:
            loop = asyncio.get_running_loop()
            one, two = await pool.take(), await pool.take()
            await house.emulator.inject(Fault("freeze"))
            begun_s = loop.time()
            await one.aclose()
            assert loop.time() - begun_s < 1.5
            closing = asyncio.create_task(two.aclose())
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
            await house.empty()

    run_virtual(main())


def test_sockets_of_the_last_few_urls_are_kept() -> None:
    async def main() -> None:
        house = House()
        async with house.emulator.serving() as address:
            pools = SocketPools(provider="test", headers={})
            for number in range(8):
                await (await pools.take(f"ws://{address}/{number}")).aclose()
            await pools.warm()
            async with asyncio.timeout(10):
                while len(house.emulator.lines) > 4:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            assert {line.path for line in house.emulator.lines} == {"/4", "/5", "/6", "/7"}
            asked = house.asked
            socket = await pools.take(f"ws://{address}/7")
            assert house.asked == asked
            await socket.aclose()
            await pools.aclose()
            await house.empty()

    asyncio.run(main())
