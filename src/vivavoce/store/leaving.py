"""The end of tasks that may be in the middle of a talk with a database."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_AGAIN_S, _GRACE_S = 1.0, 0.5
T = TypeVar("T")


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
    """Work that is let come to its end when this is cancelled, for half a second: SQLite's threads
    are left in peace so."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_GRACE_S)
        await leave(task)
        raise
