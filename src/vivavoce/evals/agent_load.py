"""The agent and other servers under the callers of `bench capacity`, who know nothing of a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vivavoce.errors import MediaError
from vivavoce.evals.agent_server import ServerSettings
from vivavoce.evals.bench_capacity import Server
from vivavoce.evals.media_clips import LoadClips
from vivavoce.evals.media_load import TOKEN, Callers, agent, find_loadgen, report, two_cores
from vivavoce.evals.usage import tree_cpu_s

RAMP_S = 4.0


@dataclass(frozen=True, slots=True)
class LoadRow:
    """What the callers measured, and what the server took while they did, in cores."""

    callers: dict[str, Any]
    cores: float

    @property
    def void_reason(self) -> str:
        if not self.callers["generator"]["valid"]:
            return "the callers themselves were late"
        gone = self.callers["calls"] - self.callers["alive"]
        return f"{gone} calls did not last" if gone else ""

    def figures(self) -> dict[str, Any]:
        callers = self.callers
        counts = callers["counts"]
        interruptions, turns = counts.get("interruptions", 0), counts.get("turns", 0)
        return {
            "calls": callers["calls"],
            "alive": callers["alive"],
            "interrupt_ms": callers["barge_in_ms"],
            "turn_ms": callers["turn_ms"],
            "audio_late_ms": callers["audio_late_ms"],
            "grid_late_ms": callers["grid_late_ms"],
            "missed_clears": counts.get("missed_clears", 0) / interruptions if interruptions else None,
            "unanswered": counts.get("no_reply", 0) / turns if turns else None,
            "cpu_per_call": round(self.cores / callers["calls"], 4),
            "callers_late_ms": callers["generator"]["tick_late_ms"],
            "valid": not self.void_reason,
        }


async def under_load(
    serving: AbstractAsyncContextManager[Server], clips: LoadClips, *, calls: int, seconds: float
) -> LoadRow:
    """The callers have a core that others may use, too. Raises MediaError where the server ends early."""
    callers = Callers(
        loadgen=find_loadgen(),
        calls=calls,
        seconds=seconds,
        clips=clips,
        core=two_cores()[1],
        calls_per_s=max(10.0, calls / RAMP_S),
    )
    async with (
        serving as server,
        callers.calling(server.port, path=server.path) as started,
        asyncio.TaskGroup() as group,
    ):
        usage = group.create_task(_cores(server.pid, after_s=callers.planned_s - seconds, for_s=seconds))
        measured = await report(started)
    return LoadRow(measured, usage.result())


@asynccontextmanager
async def our_agent(*, calls: int, deaf: bool, config: Path | None) -> AsyncIterator[Server]:
    """The agent with long known lines, with or without recognition."""
    settings = ServerSettings(calls=calls, start="long", token=TOKEN, deaf=deaf, config=str(config) if config else None)
    async with agent("agent_server", settings) as ours:
        port = (await ours.line())["port"]
        reading = asyncio.create_task(_read_all(ours))
        try:
            yield Server(port, ours.pid, "/twilio")
        finally:
            reading.cancel()


async def _read_all(ours: Any) -> None:
    with suppress(MediaError):
        while True:
            await ours.line()


async def _cores(pid: int, *, after_s: float, for_s: float) -> float:
    await asyncio.sleep(after_s)
    before_s = tree_cpu_s(pid)
    await asyncio.sleep(for_s)
    return max(0.0, tree_cpu_s(pid) - before_s) / for_s
