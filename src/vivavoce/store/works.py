"""Works that go on as long as their process, and the end of those that are in the middle of a talk with a database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from vivavoce.clock import Clock

_AGAIN_S, _GRACE_S = 1.0, 0.5
_log = logging.getLogger(__name__)
T = TypeVar("T")


async def keep_on(what: str, work: Callable[[], Awaitable[None]], *, clock: Clock) -> None:
    """Do work that does not end, until cancelled. A mistake of ours in it is told, and costs no more than a second."""
    while True:
        try:
            await work()
        except Exception:  # the task's outermost edge: nobody waits for it, so it would end unnoticed
            _log.exception("%s begins again", what)
        await clock.sleep_until(clock.now_ns() + round(_AGAIN_S * 1e9))


async def leave(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they are gone.

    A driver may take ten seconds to take leave of a server that hangs, unless it is told again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do work that has half a second to come to its end when this is cancelled: so SQLite's threads end in peace."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_GRACE_S)
        await leave(task)
        raise
