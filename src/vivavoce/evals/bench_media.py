"""The benchmark of the media plane: many calls at real time, an agent on one core, the callers on another."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vivavoce.evals.media_agent import AgentSettings, Interpreter
from vivavoce.evals.media_clips import LoadClips, cut_clips
from vivavoce.evals.media_load import Callers, Program, Scenario, agent, find_loadgen, report, two_cores
from vivavoce.media.call import Policy
from vivavoce.media.engine import Scheduling
from vivavoce.models import ModelStore


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
    scenario: Scenario = "turns"

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
        self._cores = two_cores()
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
        callers = Callers(
            loadgen=self._loadgen, calls=plan.calls, seconds=plan.seconds, clips=clips, core=self._cores[1]
        )
        each_s = callers.planned_s
        begun_s = asyncio.get_running_loop().time()
        counts: list[dict[str, Any]] = []

        async with agent(each.program, settings) as server:
            first = await server.line()
            async with (
                callers.calling(
                    first["port"], scenario=each.scenario, backchannels=each.policy == "patient"
                ) as started,
                asyncio.TaskGroup() as group,
            ):
                reading = group.create_task(report(started))
                while not reading.done():
                    counts.append(await server.line())
                    spent_s = asyncio.get_running_loop().time() - begun_s
                    label = f"{each.name}: {counts[-1]['calls']} calls"
                    if late := counts[-1].get("late_ms", {}):
                        label += f", late p99 {late['p99']:.1f} ms"
                    self._tell(label, n * each_s + spent_s, len(plan.rounds) * each_s)
            measured = reading.result()
        # The last line was said when the callers had gone.
        until_s = counts[-2]["at_s"] if len(counts) > 1 else counts[-1]["at_s"]
        window = [line for line in counts if until_s - plan.seconds + 1 <= line["at_s"] <= until_s] or counts
        rss_mib = (first.get("rss_mib", 0.0), max(line.get("rss_mib", 0.0) for line in counts))
        return Measured(each, measured, window, rss_mib)

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
        "calls": callers["calls"],
        "interpreter": measured.round.interpreter,
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
        "silero_unheard": last["silero_unheard"],
        "clear_ms": last["clear_ms"],
        f"{measured.round.policy}_ms": callers["barge_in_ms"],
        f"{measured.round.policy}_duck_ms": callers["duck_ms"],
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
