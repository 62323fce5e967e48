"""How many calls a server carries on one core, before what it says comes late."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vivavoce.errors import MediaError
from vivavoce.evals.media_agent import AgentSettings, Interpreter
from vivavoce.evals.media_clips import LoadClips, cut_clips
from vivavoce.evals.media_load import Callers, Program, agent, command, find_loadgen, report, two_cores
from vivavoce.models import ModelStore

LATE_MS = 20.0
"""What is said may come so late at p99, counted from when the caller's buffer ran dry."""
CLEAR_MS = 1000.0
"""Who interrupts is given silence so soon at p95: a server whose detector is overrun does not do its work."""
BEHIND_MS = 200.0
"""What is said may fall so far behind real time within a reply, at p99."""
UNSERVED = 0.05
"""Share of interruptions that may get no `clear`, and of turns that may get no answer."""
GROWTH = 1.5
NARROW = 1.12
"""The search ends when a number that is carried and one that is not are so close."""
USUAL_STEPS = 8
RAMP_S = 8.0
"""In which all begin to call."""
OURS: tuple[tuple[str, Program, int], ...] = (("asyncio", "media_baseline", 150), ("vivavoce", "media_agent", 400))
"""Name, program, and the number of calls to begin with."""
START_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Other:
    """A server that is not ours: `{port}` in its command's words is where it is to listen."""

    name: str
    words: Sequence[str]
    path: str
    first: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacityPlan:
    others: Sequence[Other] = ()
    interpreters: Sequence[Interpreter] = ("none",)
    seconds: float = 10.0
    most: int = 2000
    recording: Path | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One number of calls, and what the callers measured."""

    calls: int
    callers: dict[str, Any]
    cores: float

    @property
    def is_valid(self) -> bool:
        """Whether the callers kept their own time."""
        return bool(self.callers["generator"]["valid"])

    @property
    def holds(self) -> bool:
        late_ms, clear_ms = self.callers["audio_late_ms"].get("p99"), self.callers["barge_in_ms"].get("p95")
        if late_ms is None or clear_ms is None:
            return False
        in_time = late_ms < LATE_MS and clear_ms < CLEAR_MS and self.callers["grid_late_ms"]["p99"] < BEHIND_MS
        counts = self.callers["counts"]
        unserved = max(_share(counts, "missed_clears", "interruptions"), _share(counts, "no_reply", "turns"))
        return self.is_valid and self.callers["alive"] == self.calls and in_time and unserved < UNSERVED


@dataclass(slots=True)
class Found:
    """The steps of one server in the order in which they were tried."""

    name: str
    steps: list[Step] = field(default_factory=list)
    is_whole: bool = False

    @property
    def best(self) -> Step | None:
        return max((step for step in self.steps if step.holds), key=lambda step: step.calls, default=None)

    @property
    def is_bound_by_callers(self) -> bool:
        """Whether more could not be tried: the callers could not keep their own time, or there were no more."""
        failed = [step for step in self.steps if not step.holds]
        return not failed or not min(failed, key=lambda step: step.calls).is_valid

    def next_calls(self, first: int, most: int) -> int | None:
        """The number to try next; None where it is known closely enough."""
        held = max((step.calls for step in self.steps if step.holds), default=0)
        failed = min((step.calls for step in self.steps if not step.holds), default=0)
        if not self.steps:
            return min(first, most)
        if failed == 0:
            return None if held >= most else min(most, round(held * GROWTH))
        if held == 0:
            return failed // 2 or None
        return None if failed <= held * NARROW or failed - held < 2 else (held + failed) // 2


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    pid: int
    path: str


Serve = Callable[[int], AbstractAsyncContextManager[Server]]


class CapacityBench:
    """Raises the number of calls of one server after another; `figures` tells of those that are done."""

    def __init__(
        self,
        plan: CapacityPlan,
        *,
        store: ModelStore | None = None,
        on_progress: Callable[[str, float, float], None] = lambda *_: None,
    ) -> None:
        self._plan = plan
        self._store = store or ModelStore()
        self._tell = on_progress
        self._loadgen = find_loadgen()
        self._cores = two_cores()
        self.done: list[Found] = []

    @property
    def n(self) -> int:
        return sum(len(found.steps) for found in self.done if found.is_whole)

    async def run(self) -> None:
        recording = self._plan.recording or self._store.path("demo-en", "two_cities.wav")
        with tempfile.TemporaryDirectory() as folder:
            clips = await asyncio.to_thread(cut_clips, recording, Path(folder))
            for other in self._plan.others:
                await self._search(other.name, other.first, clips, partial(self._theirs, other))
            for interpreter in self._plan.interpreters:
                for name, program, first in OURS:
                    shown = name if interpreter == "none" else f"{name}, interpreter {interpreter}"
                    await self._search(shown, first, clips, partial(self._ours, program, interpreter, clips))

    async def _search(self, name: str, first: int, clips: LoadClips, serve: Serve) -> None:
        found = Found(name)
        self.done.append(found)
        while (calls := found.next_calls(first, self._plan.most)) is not None:
            callers = Callers(
                loadgen=self._loadgen,
                calls=calls,
                seconds=self._plan.seconds,
                clips=clips,
                core=self._cores[1],
                calls_per_s=max(10.0, calls / RAMP_S),
            )
            self._show(name, calls, len(found.steps), callers.planned_s)
            found.steps.append(await self._step(calls, callers, serve))
        found.is_whole = True

    async def _step(self, calls: int, callers: Callers, serve: Serve) -> Step:
        async with (
            serve(calls) as server,
            callers.calling(server.port, path=server.path) as started,
            asyncio.TaskGroup() as group,
        ):
            ramp_s = callers.planned_s - callers.seconds
            usage = group.create_task(_cores_used(server.pid, after_s=ramp_s, for_s=min(5.0, callers.seconds)))
            try:
                measured = await report(started)
            except MediaError:
                # The server closed its port under the load.
                measured = _NOTHING | {"calls": calls}
        return Step(calls, measured, usage.result())

    def _show(self, name: str, calls: int, steps: int, step_s: float) -> None:
        """Each server takes about as many steps."""
        servers = len(self._plan.others) + len(OURS) * len(self._plan.interpreters)
        done = (len(self.done) - 1) * USUAL_STEPS + min(steps, USUAL_STEPS - 1)
        self._tell(f"{name}: {calls} calls", done * step_s, servers * USUAL_STEPS * step_s)

    @asynccontextmanager
    async def _ours(
        self, program: Program, interpreter: Interpreter, clips: LoadClips, calls: int
    ) -> AsyncIterator[Server]:
        settings = AgentSettings(calls=calls, reply=str(clips.reply), core=self._cores[0], interpreter=interpreter)
        async with agent(program, settings) as ours:
            port = (await ours.line())["port"]
            reading = asyncio.create_task(_read_all(ours.line))
            try:
                yield Server(port, ours.pid, "/twilio")
            finally:
                reading.cancel()

    def _theirs(self, other: Other, _calls: int) -> AbstractAsyncContextManager[Server]:
        return served_by(other, self._cores[0])

    def figures(self) -> dict[str, Any]:
        """By the servers' names: the most calls that were carried, what was measured then, and every step."""
        return {
            "late_ms": LATE_MS,
            "clear_ms": CLEAR_MS,
            "seconds": self._plan.seconds,
            "servers": {of.name: _figures(of) for of in self.done if of.is_whole},
        }


@asynccontextmanager
async def served_by(other: Other, *cores: int) -> AsyncIterator[Server]:
    """Another's server while inside. Raises ConfigError and MediaError where it does not start or listen."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [word.replace("{port}", str(port)) for word in other.words]
    async with command(words, *cores) as process:
        await _listens(other.name, process, port)
        yield Server(port, process.pid, other.path)


def _figures(found: Found) -> dict[str, Any]:
    best = found.best
    return {
        "calls_a_core": best.calls if best else 0,
        "or_more": found.is_bound_by_callers,
        "at_most": None if best is None else _measured(best),
        "steps": [{"calls": step.calls, "holds": step.holds, **_measured(step)} for step in found.steps],
    }


def _measured(step: Step) -> dict[str, Any]:
    callers = step.callers
    return {
        "audio_late_ms": callers["audio_late_ms"],
        "grid_late_ms": callers["grid_late_ms"],
        "barge_in_ms": callers["barge_in_ms"],
        "counts": callers["counts"],
        "alive": callers["alive"],
        "cores": step.cores,
        "loadgen_late_ms": callers["generator"]["tick_late_ms"],
        "valid": step.is_valid,
    }


async def _read_all(line: Callable[[], Any]) -> None:
    with suppress(MediaError):
        while True:
            await line()


async def _listens(name: str, process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until a server takes connections. Raises MediaError where it does not."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.1)
                    continue
                writer.close()
                return
    raise MediaError(f"{name} does not listen at port {port}", hint="run its command by hand and see what it says")


async def _cores_used(pid: int, *, after_s: float, for_s: float) -> float:
    """The share of a core that a process takes, children not counted; 0 for one that ends meanwhile."""
    import psutil

    await asyncio.sleep(after_s)
    try:
        process = psutil.Process(pid)
        before = process.cpu_times()
        await asyncio.sleep(for_s)
        after = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(after.user + after.system - before.user - before.system) / for_s


def _share(counts: Mapping[str, int], part: str, whole: str) -> float:
    return counts.get(part, 0) / counts[whole] if counts.get(whole) else 0.0


_NOTHING: dict[str, Any] = {
    "alive": 0,
    "counts": {},
    "generator": {"tick_late_ms": {"n": 0}, "valid": True},
    **{name: {"n": 0} for name in ("audio_late_ms", "grid_late_ms", "barge_in_ms")},
}
"""What callers would report of a server that was not there."""
