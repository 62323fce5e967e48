"""How the legs of running processes are, for others to read: one small file a process, without anything that was said.

A file is `routes/PID.json` in the user's state folder. It is replaced once a second and removed at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from vivavoce.clock import Clock
from vivavoce.folders import replace_file, state_dir
from vivavoce.routing.route import EngineStatus, Route

_STALE: Final = timedelta(seconds=30)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LegStatus:
    """Engines in the order of the configuration. `serving` has most of the streams; where there are none it would be
    taken."""

    leg: str
    tier: str
    serving: str
    engines: list[EngineStatus]

    @classmethod
    def of(cls, route: Route) -> LegStatus:
        engines = route.status()
        busiest = max(engines, key=lambda status: status.serving)
        return cls(route.leg, route.tier, busiest.engine if busiest.serving else route.candidates()[0], engines)


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    pid: int
    command: str
    at: datetime
    legs: list[LegStatus]


_ADAPTER: Final = TypeAdapter(ProcessStatus)


def board_dir() -> Path:
    return state_dir() / "routes"


@asynccontextmanager
async def published(
    routes: Sequence[Route], *, command: str, clock: Clock, every_s: float = 1.0, folder: Path | None = None
) -> AsyncIterator[Path]:
    """Keep this process's file as long as this is open."""
    path = (folder or board_dir()) / f"{os.getpid()}.json"
    task = asyncio.create_task(_publish(path, routes, command, clock, every_s))
    try:
        yield path
    finally:
        task.cancel()
        await asyncio.wait([task])


def running(*, folder: Path | None = None) -> list[ProcessStatus]:
    """What running processes have told lately; files of processes that are gone are removed."""
    found = []
    for path in sorted((folder or board_dir()).glob("*.json")):
        try:
            status = _ADAPTER.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if not _alive(status.pid):
            _remove(path)
        elif datetime.now(UTC) - status.at < _STALE:
            found.append(status)
    return found


async def _publish(path: Path, routes: Sequence[Route], command: str, clock: Clock, every_s: float) -> None:
    try:
        while True:
            legs = [LegStatus.of(route) for route in routes]
            replace_file(path, _ADAPTER.dump_json(ProcessStatus(os.getpid(), command, datetime.now(UTC), legs)))
            await clock.sleep_until(clock.now_ns() + round(every_s * 1e9))
    except OSError as error:
        _log.warning("vivavoce routes will not show this process: %s", error)
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # a signal would end it there; age tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
