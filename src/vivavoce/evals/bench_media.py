"""The benchmark of the media plane: many calls at real time, an agent on one core, the callers on another."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vivavoce.errors import ConfigError, MediaError
from vivavoce.evals.media_agent import AgentSettings, Interpreter
from vivavoce.evals.media_clips import LoadClips, cut_clips
from vivavoce.media.call import Policy
from vivavoce.media.engine import Scheduling
from vivavoce.models import ModelStore

WARM_UP_S = 4.0
CALLS_PER_S = 100.0
BARGE_AFTER_S = (2.0, 3.6)
"""With turns of two to four seconds, about 40 % of the callers speak at any time."""

Program = Literal["media_agent", "media_baseline"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaPlan:
    """`recording` is what callers say, cut into turns; the demo's, where none is named."""

    calls: int = 500
    seconds: float = 60.0
    interpreters: Sequence[Interpreter] = ("none",)
    scheduling: Scheduling = "real-time"
    baseline: bool = False
    patient: bool = True
    recording: Path | None = None

    @property
    def rounds(self) -> list[Round]:
        """What is run, one after another."""
        strict = [Round(interpreter=interpreter) for interpreter in self.interpreters]
        patient = [Round(policy="patient")] if self.patient else []
        duplex = Round(policy="off", voices=False, talkative=True)
        silent = Round(policy="off", scenario="stream")
        peers = [Round(program="media_baseline", interpreter=interpreter) for interpreter in self.interpreters]
        return [*strict, *patient, duplex, silent, *(peers if self.baseline else [])]


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    program: Program = "media_agent"
    interpreter: Interpreter = "none"
    policy: Policy = "strict"
    voices: bool = True
    talkative: bool = False
    scenario: Literal["turns", "stream"] = "turns"

    @property
    def name(self) -> str:
        if self.program == "media_baseline":
            return f"asyncio, interpreter {self.interpreter}"
        if self.scenario == "stream":
            return "silent callers"
        return "full duplex, no voices" if self.talkative else f"{self.policy}, interpreter {self.interpreter}"


@dataclass(slots=True)
class Measured:
    """What the callers report, and the agent's counts at the window's two ends."""

    round: Round
    callers: dict[str, Any]
    counts: list[dict[str, Any]] = field(default_factory=list)
    rss_mib: tuple[float, float] = (0.0, 0.0)

    @property
    def void_reason(self) -> str:
        if not self.callers["generator"]["valid"]:
            return "the callers themselves were late"
        gone = self.callers["calls"] - self.callers["alive"]
        if gone:
            return f"{gone} calls did not last"
        return "" if self._span_s else "too short to be measured"

    @property
    def _span_s(self) -> float:
        return float(self.counts[-1]["at_s"] - self.counts[0]["at_s"])

    def rate(self, name: str) -> float:
        """How much a count grew a second."""
        grown = self.counts[-1][name] - self.counts[0][name]
        return float(grown / self._span_s) if self._span_s else 0.0


class MediaBench:
    """Runs a plan; `figures` tells of the rounds that are done."""

    def __init__(
        self,
        plan: MediaPlan,
        *,
        store: ModelStore | None = None,
        on_progress: Callable[[str, float, float], None] = lambda *_: None,
    ) -> None:
        self._plan = plan
        self._store = store or ModelStore()
        self._tell = on_progress
        self._loadgen = find_loadgen()
        self._cores = sorted(os.sched_getaffinity(0))
        if len(self._cores) < 2:
            raise ConfigError("the benchmark needs two cores, one for the callers", hint="run it on a larger machine")
        self.done: list[Measured] = []

    @property
    def n(self) -> int:
        return self._plan.calls

    @property
    def void_reason(self) -> str:
        reasons = [f"{one.round.name}: {one.void_reason}" for one in self.done if one.void_reason]
        return "; ".join(reasons)

    async def run(self) -> None:
        recording = self._plan.recording or self._store.path("demo-en", "two_cities.wav")
        with tempfile.TemporaryDirectory() as folder:
            clips = await asyncio.to_thread(cut_clips, recording, Path(folder))
            for n, each in enumerate(self._plan.rounds):
                self.done.append(await self._measure(each, clips, n))

    async def _measure(self, each: Round, clips: LoadClips, n: int) -> Measured:
        plan = self._plan
        settings = AgentSettings(
            calls=plan.calls,
            reply=str(clips.reply),
            policy=each.policy,
            scheduling=plan.scheduling,
            interpreter=each.interpreter,
            voices=each.voices,
            talkative=each.talkative,
            core=self._cores[0],
        )
        each_s = plan.calls / CALLS_PER_S + WARM_UP_S + plan.seconds
        begun_s = asyncio.get_running_loop().time()
        counts: list[dict[str, Any]] = []

        async with _program(each.program, settings) as agent:
            first = await agent.line()
            callers = await self._callers(first["port"], each, clips)
            reading = asyncio.create_task(callers.communicate())
            while not reading.done():
                counts.append(await agent.line())
                spent_s = asyncio.get_running_loop().time() - begun_s
                late = counts[-1].get("late_ms", {})
                label = f"{each.name}: {counts[-1]['calls']} calls"
                if late:
                    label += f", late p99 {late['p99']:.1f} ms"
                self._tell(label, n * each_s + spent_s, len(plan.rounds) * each_s)
            said, _ = await reading
            if callers.returncode:
                raise MediaError("the callers ended early", hint="is the server's port reachable?")
        # The last line was said when the callers had gone.
        until_s = counts[-2]["at_s"] if len(counts) > 1 else counts[-1]["at_s"]
        window = [line for line in counts if until_s - plan.seconds + 1 <= line["at_s"] <= until_s] or counts
        return Measured(
            each, json.loads(said), window, (first.get("rss_mib", 0.0), max(c.get("rss_mib", 0.0) for c in counts))
        )

    async def _callers(self, port: int, each: Round, clips: LoadClips) -> asyncio.subprocess.Process:
        plan = self._plan
        turns = [word for path in clips.turns for word in ("--turn", str(path))]
        backchannels = [word for path in clips.backchannels for word in ("--backchannel", str(path))]
        return await asyncio.create_subprocess_exec(
            str(self._loadgen),
            *("--address", f"127.0.0.1:{port}", "--calls", str(plan.calls), "--cps", str(CALLS_PER_S)),
            *(
                "--scenario",
                each.scenario,
                "--seconds",
                str(plan.seconds),
                "--warm-up",
                str(WARM_UP_S),
                "--token",
                "load-",
            ),
            *("--barge-after", *map(str, BARGE_AFTER_S), "--core", str(self._cores[-1])),
            *turns,
            *(backchannels if each.policy == "patient" else []),
            stdout=asyncio.subprocess.PIPE,
        )

    def figures(self) -> dict[str, Any]:
        """The figures of every round, by its name."""
        return {
            "calls": self._plan.calls,
            "seconds": self._plan.seconds,
            **{one.round.name: ours(one) if one.round.program == "media_agent" else theirs(one) for one in self.done},
        }


def ours(measured: Measured) -> dict[str, Any]:
    """One round of ours. Latencies are the callers' where they can know them."""
    last, callers = measured.counts[-1], measured.callers
    frames = (measured.rate("frames_in") + measured.rate("frames_out")) / 2
    windows = measured.rate("silero_windows")
    counts = callers["counts"]
    return {
        "scheduling": last["scheduling"],
        "frames_in_per_s": measured.rate("frames_in"),
        "frames_out_per_s": measured.rate("frames_out"),
        "late_ms": last["late_ms"],
        "arrival_late_ms": callers["grid_late_ms"],
        "audio_late_ms": callers["audio_late_ms"],
        "ahead_ms": callers["ahead_ms"],
        "frames_lost": last["frames_lost"],
        "alive": callers["alive"],
        "cpu_us_per_pair": 1e6 * measured.rate("worker_cpu_s") / frames if frames else None,
        "worker_cores": measured.rate("worker_cpu_s"),
        "silero_us_per_window": 1e6 * measured.rate("silero_cpu_s") / windows if windows else None,
        "silero_cores": measured.rate("silero_cpu_s"),
        "silero_share": windows * 0.032 / callers["calls"],
        "silero_wait_ms": last["silero_wait_ms"],
        "clear_ms": last["clear_ms"],
        "barge_in_ms": callers["barge_in_ms"],
        "duck_ms": callers["duck_ms"],
        "turn_ms": callers["turn_ms"],
        "false_clears": _share(counts, "false_clears", "backchannels"),
        "missed_clears": _share(counts, "missed_clears", "interruptions"),
        "counts": counts,
        "event_age_ms": last["event_age_ms"],
        "door_cpu": measured.rate("interpreter_cpu_s"),
        "rss_mib_per_call": (measured.rss_mib[1] - measured.rss_mib[0]) / callers["calls"],
        "loadgen_late_ms": callers["generator"]["tick_late_ms"],
        "loadgen_cpu_percent": callers["generator"]["cpu_percent"],
    }


def theirs(measured: Measured) -> dict[str, Any]:
    callers = measured.callers
    return {
        "alive": callers["alive"],
        "arrival_late_ms": callers["grid_late_ms"],
        "audio_late_ms": callers["audio_late_ms"],
        "barge_in_ms": callers["barge_in_ms"],
        "cores": measured.rate("interpreter_cpu_s"),
        "loadgen_late_ms": callers["generator"]["tick_late_ms"],
    }


def _share(counts: dict[str, int], part: str, whole: str) -> float | None:
    return counts.get(part, 0) / counts[whole] if counts.get(whole) else None


def find_loadgen() -> Path:
    """The callers' program, where cargo builds it. Raises ConfigError that says how to."""
    named = os.environ.get("VIVAVOCE_LOADGEN")
    path = Path(named) if named else Path(__file__).parents[3] / "target" / "release" / "vivavoce-loadgen"
    if not path.is_file():
        raise ConfigError(f"{path} is missing", hint="cargo build --release --package vivavoce-loadgen")
    return path


class _Agent:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise MediaError(f"the agent ended with {await self._process.wait()}")
        said: dict[str, Any] = json.loads(line)
        return said


@asynccontextmanager
async def _program(name: Program, settings: AgentSettings) -> AsyncIterator[_Agent]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"vivavoce.evals.{name}",
        json.dumps(asdict(settings)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield _Agent(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.communicate(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
