"""Callers and servers of the media plane's benchmarks, each a process of its own on a core of its own."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vivavoce.errors import ConfigError, MediaError
from vivavoce.evals.media_agent import AgentSettings
from vivavoce.evals.media_clips import LoadClips

if TYPE_CHECKING:
    from vivavoce.evals.agent_server import ServerSettings

WARM_UP_S = 4.0
CALLS_PER_S = 100.0
BARGE_AFTER_S = (2.0, 3.6)
"""With turns of two to four seconds, about 40 % of the callers speak at any time."""
TOKEN = "load-"
STOP_S = 10.0

Program = Literal["media_agent", "media_baseline", "agent_server"]
Scenario = Literal["turns", "stream"]


def two_cores() -> tuple[int, int]:
    """A core for the server and one for the callers. Raises ConfigError where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise ConfigError("the benchmark needs two cores, one for the callers", hint="run it on a larger machine")
    return cores[0], cores[-1]


def find_loadgen() -> Path:
    """The callers' program, where cargo builds it. Raises ConfigError that says how to."""
    named = os.environ.get("VIVAVOCE_LOADGEN")
    path = Path(named) if named else Path(__file__).parents[3] / "target" / "release" / "vivavoce-loadgen"
    if not path.is_file():
        raise ConfigError(f"{path} is missing", hint="`make loadgen` builds it")
    return path


@dataclass(frozen=True, kw_only=True, slots=True)
class Callers:
    """How many call, and what they say."""

    loadgen: Path
    calls: int
    seconds: float
    clips: LoadClips
    core: int
    calls_per_s: float = CALLS_PER_S

    @property
    def planned_s(self) -> float:
        return self.calls / self.calls_per_s + WARM_UP_S + self.seconds

    @asynccontextmanager
    async def calling(
        self, port: int, *, path: str = "/twilio", scenario: Scenario = "turns", backchannels: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Let them call while inside; what they report is one JSON object on the process's output."""
        _raise_descriptor_limit()
        options: dict[str, object] = {
            "address": f"127.0.0.1:{port}",
            "path": path,
            "calls": self.calls,
            "cps": self.calls_per_s,
            "scenario": scenario,
            "seconds": self.seconds,
            "warm-up": WARM_UP_S,
            "token": TOKEN,
            "core": self.core,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        words += ["--barge-after", *map(str, BARGE_AFTER_S)]
        words += [word for clip in self.clips.turns for word in ("--turn", str(clip))]
        if backchannels:
            words += [word for clip in self.clips.backchannels for word in ("--backchannel", str(clip))]
        process = await asyncio.create_subprocess_exec(str(self.loadgen), *words, stdout=asyncio.subprocess.PIPE)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _raise_descriptor_limit() -> None:
    """A socket a call, and a few: as many as the system allows, for what is started from here."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def report(callers: asyncio.subprocess.Process) -> dict[str, Any]:
    """What the callers measured. Raises MediaError where they ended early."""
    said, _ = await callers.communicate()
    if callers.returncode:
        raise MediaError("the callers ended early", hint="did the server close its port, or are descriptors too few?")
    measured: dict[str, Any] = json.loads(said)
    return measured


class Agent:
    """A server of ours that tells its port and then its counts, a JSON line each."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            code = await self._process.wait()
            raise MediaError(f"the agent ended with {code}", hint="what it said stands above")
        said: dict[str, Any] = json.loads(line)
        return said

    def finish(self) -> None:
        """No more calls come: it says its last lines."""
        assert self._process.stdin is not None
        self._process.stdin.close()


@asynccontextmanager
async def agent(program: Program, settings: AgentSettings | ServerSettings) -> AsyncIterator[Agent]:
    """A program of ours that serves while inside."""
    _raise_descriptor_limit()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"vivavoce.evals.{program}", json.dumps(asdict(settings))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield Agent(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await _end(process)


@asynccontextmanager
async def command(words: Sequence[str], *cores: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Any program that serves while inside. Raises ConfigError where it does not start."""
    program = shutil.which(words[0])
    if program is None:
        raise ConfigError(f"{words[0]} is no program that can be run", hint="name it with its path")
    _raise_descriptor_limit()
    process = await asyncio.create_subprocess_exec(
        *("taskset", "--cpu-list", ",".join(map(str, cores)), program, *words[1:]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.communicate(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
