from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect

from vivavoce.clock import run_virtual
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.line import Line
from vivavoce.emulators.websocket import WebSocketEmulator


async def _count(line: Line) -> None:
    """Say ten numbers, one every 100 ms, once asked."""
    async for _ in line:
        for number in range(10):
            await line.send(str(number))
            await asyncio.sleep(0.1)


@asynccontextmanager
async def counting(fault: Fault) -> AsyncIterator[tuple[ClientConnection, WebSocketEmulator]]:
    emulator = WebSocketEmulator(_count, faults=[fault])
    async with emulator.serving() as address, connect(f"ws://{address}", ping_interval=None) as socket:
        await socket.send("count")
        yield socket, emulator


def test_a_slow_line_is_late_and_no_slower() -> None:
    async def main() -> None:
        async with counting(Fault("slow", "800")) as (socket, _):
            loop = asyncio.get_running_loop()
            begun_s = loop.time()
            moments = []
            for number in range(10):
                assert await socket.recv() == str(number)
                moments.append(loop.time() - begun_s)
            assert moments == pytest.approx([0.8 + 0.1 * number for number in range(10)], abs=0.02)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_a_healed_line_keeps_the_order() -> None:
    async def main() -> None:
        async with counting(Fault("slow", "250")) as (socket, emulator):
            assert await socket.recv() == "0"
            emulator.heal()
            assert [await socket.recv() for _ in range(9)] == [str(number) for number in range(1, 10)]

    run_virtual(main())


def test_a_stalled_line_says_all_of_it_once_it_is_healed() -> None:
    async def main() -> None:
        async with counting(Fault("stall")) as (socket, emulator):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await socket.recv()
            emulator.heal()
            assert [await socket.recv() for _ in range(10)] == [str(number) for number in range(10)]

    run_virtual(main())
