"""One round of the agent's benchmark: a process with the agent, and callers who talk to it until they have said all."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vivavoce.clock import NS_PER_MS
from vivavoce.contract.stats import quantile
from vivavoce.evals.agent_callers import STAGGER_S, CallLog, TalkingCaller, talk
from vivavoce.evals.agent_material import Material
from vivavoce.evals.agent_outcomes import Call, call_of, figures, latencies
from vivavoce.evals.agent_server import ServerSettings, Start
from vivavoce.evals.media_load import Agent, agent
from vivavoce.evals.spliced import Turn
from vivavoce.evals.usage import tree_cpu_s

TOKEN = "bench-"
CALLERS_LATE_MS = 5.0
"""A caller who speaks later than this at p99 measures himself."""
TURN_S, INTERRUPTED_S, START_S = 7.5, 6.0, 12.0
"""About so long, for who waits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """`calls` of `turns` each, `at_once` at the same time. `preset` is empty for the configuration's turn taking.

    With `admits` the agent lets in as many as it can bear.
    """

    name: str
    calls: int
    turns: int
    at_once: int = 1
    start: Start = "short"
    preset: str = ""
    rtt_ms: float = 0.0
    admits: bool = False
    stagger_s: float = STAGGER_S

    @property
    def planned_s(self) -> float:
        each_s = INTERRUPTED_S if self.start == "long" else TURN_S
        begun_s = self.stagger_s * (self.at_once - 1)
        return START_S + begun_s + math.ceil(self.calls / self.at_once) * self.turns * each_s

    def said(self, material: Material) -> list[list[Turn]]:
        """The turns of each call."""
        deal = {
            "short": material.long_turns,
            "expected": material.long_turns,
            "live": material.repeated,
            "long": material.interruptions,
        }
        return deal[self.start](self.calls, self.turns)


@dataclass(slots=True)
class Done:
    """What became of a round. `cores` is what the agent's process took meanwhile."""

    round: Round
    calls: list[Call]
    counts: dict[str, Any]
    recognition_ms: list[float]
    cores: float
    callers_late_ms: float = field(init=False)

    def __post_init__(self) -> None:
        self.callers_late_ms = quantile(sorted(ms for call in self.calls for ms in call.log.late_ms), 0.99)

    @property
    def void_reason(self) -> str:
        if self.callers_late_ms > CALLERS_LATE_MS:
            return f"the callers themselves were {self.callers_late_ms:.0f} ms late"
        return next((call.failure for call in self.calls if call.failure), "")

    @property
    def most_at_once(self) -> int:
        """How many calls talked at the same time, at most."""
        spans = [
            (call.log.began_ns, call.log.began_ns + round(call.log.heard[-1].at_ms * NS_PER_MS))
            for call in self.calls
            if call.log.heard and not call.refused
        ]
        return max((sum(begun <= one < ended for begun, ended in spans) for one, _ in spans), default=0)

    def figures(self) -> dict[str, Any]:
        return {
            **figures([call for call in self.calls if not call.refused]),
            "at_once": self.most_at_once,
            "refused": sum(call.refused for call in self.calls),
            "audio_late_ms": self.counts["late_ms"],
            "recognition_ms": latencies(self.recognition_ms),
            "cores": round(self.cores, 3),
            "rss_mib": round(self.counts["rss_mib"], 1),
            "callers_late_ms": {"p99": round(self.callers_late_ms, 2)},
        }


async def measured(
    each: Round, material: Material, *, config: Path | None, tell: Callable[[float], None] = lambda _: None
) -> Done:
    """Run a round; `tell` hears the seconds that it has taken. Raises MediaError where the agent ends early."""
    said = each.said(material)
    dice = [np.random.default_rng(n) for n in range(len(said))]
    callers = [
        TalkingCaller(turns, interrupts=each.start == "long", dice=own) for turns, own in zip(said, dice, strict=True)
    ]
    settings = ServerSettings(
        calls=len(callers),
        start=each.start,
        token=TOKEN,
        expected=material.texts if each.start == "expected" else (),
        preset=each.preset,
        config=str(config) if config else None,
        admits=each.admits,
    )
    clock = asyncio.get_running_loop().time
    began_s = clock()
    async with agent("agent_server", settings) as server:
        port = (await server.line())["port"]
        before_s, cpu_s = clock(), tree_cpu_s(server.pid)
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(
                talk(callers, port, token=TOKEN, at_once=each.at_once, stagger_s=each.stagger_s, rtt_ms=each.rtt_ms)
            )
            while not talking.done():
                await server.line()
                tell(clock() - began_s)
        cores = (tree_cpu_s(server.pid) - cpu_s) / (clock() - before_s)
        counts, last = await _last_words(server)
    logs: list[CallLog] = talking.result()
    calls = [call_of(log, one) for log, one in zip(logs, last["told"], strict=True)]
    return Done(each, calls, counts, last["recognition_ms"], cores)


async def _last_words(server: Agent) -> tuple[dict[str, Any], dict[str, Any]]:
    server.finish()
    counts: dict[str, Any] = {}
    while "told" not in (line := await server.line()):
        counts = line
    return counts, line
