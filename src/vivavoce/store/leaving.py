"""The end of tasks that may be in the middle of a talk with a server."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_S = 1.0


async def leave(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they are gone.

    A driver may take ten seconds to take leave of a server that hangs, unless it is told again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)
