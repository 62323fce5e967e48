"""The benchmark of the telephone agent: callers with real speech, embedded models, two cores, one configuration.

Neither the agent nor its callers are bound to a core, with one exception: load callers, a program of its own, have one
that the agent may use, too. Callers stand for other machines: they run before the agent where that is granted.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from vivavoce.evals.agent_callers import before_others
from vivavoce.evals.agent_load import RAMP_S, LoadRow, our_agent, under_load
from vivavoce.evals.agent_material import NOTHING_TO_SAY, Material, make_material
from vivavoce.evals.agent_rounds import START_S, Done, Round, measured
from vivavoce.evals.bench_capacity import Other, Server, served_by
from vivavoce.evals.bench_translate import BUSY_CORES
from vivavoce.evals.media_clips import LoadClips, cut_clips
from vivavoce.evals.media_load import WARM_UP_S, two_cores
from vivavoce.evals.usage import Usage
from vivavoce.models import ModelStore

USUAL, QUICK, PATIENT = "usual", "quick", "patient"
RTT_MS = 80.0
EXPECTED = "expected"
ROUND_TRIP, LIVE = f"{RTT_MS:.0f} ms of round trip", "live lines"
MANY, MANY_TURNS = 20, 4
INTERRUPTED, MANY_INTERRUPTED = "interruptions", f"interruptions, {MANY} calls"
WITHOUT_RECOGNITION = "no recognition"
ADMITTED = "as many as are let in"
OURS, OURS_DEAF = "vivavoce", "vivavoce, no recognition"
STEPS = (1, 2, 4, 8, 16)
"""Calls at once with recognition, until it does not go on."""
HELD, ENOUGH = 1.2, 3.0
"""Times the p95 of one call: so far calls count as carried, and so far more are tried."""
ARRIVALS, ARRIVAL_S, ADMITTED_TURNS = 24, 4.0, 14
"""Callers who come one after another to an agent that lets in what it can bear, and stay."""


class Row(StrEnum):
    TURNS = "turns"
    SETTINGS = "settings"
    RTT = "rtt"
    LIVE = "live"
    INTERRUPT = "interrupt"
    NO_RECOGNITION = "no-recognition"
    AT_ONCE = "at-once"
    PEERS = "peers"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """`calls` of `turns` each are made one after another where one call is measured. `clips` is a folder with a
    manifest; without it callers say the demo's recording. What has load callers lasts `seconds`."""

    calls: int = 6
    turns: int = 8
    clips: Path | None = None
    config: Path | None = None
    rows: Sequence[Row] = tuple(Row)
    others: Sequence[Other] = ()
    load_calls: int = 200
    seconds: float = 30.0

    @property
    def rounds(self) -> list[Round]:
        """What callers with a log do, but for the calls at once. The configuration's own turn taking is the usual."""
        usual = Round(name=USUAL, calls=self.calls, turns=self.turns)
        interrupted = replace(usual, name=INTERRUPTED, start="long")
        many = replace(interrupted, name=MANY_INTERRUPTED, at_once=MANY, calls=MANY, turns=MANY_TURNS)
        far = replace(usual, name=ROUND_TRIP, rtt_ms=RTT_MS)
        of_row = {
            Row.TURNS: [usual, _expected(usual)],
            Row.SETTINGS: [replace(usual, name=preset, preset=preset) for preset in (QUICK, PATIENT)],
            Row.RTT: [far, _expected(far)],
            Row.LIVE: [replace(usual, name=LIVE, start="live")],
            Row.INTERRUPT: [interrupted, many],
        }
        return [each for row, rounds in of_row.items() if row in self.rows for each in rounds]

    @property
    def steps(self) -> list[Round]:
        wanted = STEPS if Row.AT_ONCE in self.rows else ()
        return [Round(name=f"{n} at once", calls=2 * n, turns=MANY_TURNS, at_once=n) for n in wanted]

    @property
    def admission(self) -> list[Round]:
        one = Round(name=ADMITTED, calls=ARRIVALS, turns=ADMITTED_TURNS, at_once=ARRIVALS)
        return [replace(one, admits=True, stagger_s=ARRIVAL_S)] if Row.AT_ONCE in self.rows else []

    @property
    def all_rounds(self) -> list[Round]:
        return [*self.rounds, *self.steps, *self.admission]


def _expected(each: Round) -> Round:
    """The same turns to a script that expects what they say."""
    return replace(each, name=f"{each.name}, {EXPECTED}", start="expected")


class AgentBench:
    """Runs a plan; `figures` tells at any time of what is done."""

    def __init__(
        self,
        plan: Plan,
        *,
        store: ModelStore | None = None,
        on_progress: Callable[[str, float, float], None] = lambda *_: None,
    ) -> None:
        self._plan = plan
        self._store = store or ModelStore()
        self._tell = on_progress
        self._before_s = 0.0
        self.done: dict[str, Done] = {}
        self.steps: list[Done] = []
        self.admitted: Done | None = None
        self.load: dict[str, LoadRow] = {}
        self.others_cores: float | None = None

    @property
    def n(self) -> int:
        """How many turns were spoken to us by callers with a log."""
        return sum(len(call.log.said) for done in self._all for call in done.calls)

    @property
    def _all(self) -> list[Done]:
        return [*self.done.values(), *self.steps, *([self.admitted] if self.admitted else [])]

    @property
    def void_reason(self) -> str | None:
        named = {done.round.name: done.void_reason for done in self._all}
        named |= {name: row.void_reason for name, row in self.load.items()}
        reasons = [f"{name}: {reason}" for name, reason in named.items() if reason]
        if self.others_cores is not None and self.others_cores > BUSY_CORES:
            reasons.append(f"other programs kept {self.others_cores:.2f} cores busy")
        return "; ".join(reasons) or None

    async def run(self) -> None:
        plan = self._plan
        self._tell("cutting what callers say", 0.0, self._planned_s)
        wanted = max((each.calls * each.turns for each in plan.all_rounds), default=0)
        make = partial(make_material, plan.clips, wanted=wanted, store=self._store)
        material = await asyncio.to_thread(make) if wanted else NOTHING_TO_SAY
        usage = Usage()
        try:
            with before_others():
                for each in plan.rounds:
                    self.done[each.name] = await self._measure(each, material)
                for each in plan.steps:
                    self.steps.append(await self._measure(each, material))
                    if self._times_one(self.steps[-1]) > ENOUGH:
                        break
                for each in plan.admission:
                    self.admitted = await self._measure(each, material)
            await self._under_load()
        finally:
            self.others_cores = usage.others_cores()

    async def _measure(self, each: Round, material: Material) -> Done:
        def tell(spent_s: float) -> None:
            self._tell(each.name, self._before_s + min(spent_s, each.planned_s), self._planned_s)

        tell(0.0)
        done = await measured(each, material, config=self._plan.config, tell=tell)
        self._before_s += each.planned_s
        return done

    async def _under_load(self) -> None:
        if not (servers := list(self._servers())):
            return
        recording = self._store.path("demo-en", "two_cities.wav")
        with tempfile.TemporaryDirectory() as folder:
            clips: LoadClips = await asyncio.to_thread(cut_clips, recording, Path(folder))
            for name, calls, serving in servers:
                self._tell(name, self._before_s, self._planned_s)
                self.load[name] = await under_load(serving, clips, calls=calls, seconds=self._plan.seconds)
                self._before_s += self._load_s

    def _servers(self) -> Iterator[tuple[str, int, AbstractAsyncContextManager[Server]]]:
        plan = self._plan
        if Row.NO_RECOGNITION in plan.rows:
            serving = our_agent(calls=plan.load_calls, deaf=True, config=plan.config)
            yield WITHOUT_RECOGNITION, plan.load_calls, serving
        if Row.PEERS in plan.rows:
            for other in plan.others:
                yield other.name, 1, served_by(other, *two_cores())
            for name, deaf in ((OURS, False), (OURS_DEAF, True)):
                yield name, 1, our_agent(calls=1, deaf=deaf, config=plan.config)

    @property
    def _load_s(self) -> float:
        return START_S + RAMP_S + WARM_UP_S + self._plan.seconds

    @property
    def _planned_s(self) -> float:
        plan = self._plan
        loads = (Row.NO_RECOGNITION in plan.rows) + (Row.PEERS in plan.rows) * (len(plan.others) + 2)
        return sum(each.planned_s for each in plan.all_rounds) + loads * self._load_s

    def _times_one(self, step: Done) -> float:
        """A step's p95 from speech end to answer in those of one call; 0 where either is unknown."""
        both = [one.figures().get("speech_end_to_audio_ms", {}).get("p95") for one in (step, self.steps[0])]
        return both[0] / both[1] if all(both) else 0.0

    def figures(self) -> dict[str, Any]:
        """Each figure from the row that it is about, and every row by its name."""
        rows = {name: done.figures() for name, done in self.done.items()}
        rows |= {name: row.figures() for name, row in self.load.items() if name == WITHOUT_RECOGNITION}
        taken = {
            USUAL: ("decided_to_audio_ms", "speech_end_to_audio_ms", "false_cutoffs", "missed_ends"),
            LIVE: ("live_line_ms",),
            INTERRUPTED: ("interrupt_ms", "missed_clears", "heard_error_ms"),
            WITHOUT_RECOGNITION: ("audio_late_ms",),
        }
        main = {name: rows[row][name] for row, names in taken.items() for name in names if name in rows.get(row, {})}
        return {
            "calls": sum(len(done.calls) for done in self._all),
            "turns": self.n,
            **main,
            "rows": rows,
            **({"at_once": self._at_once()} if self.steps else {}),
            **({"others_cores": round(self.others_cores, 3)} if self.others_cores is not None else {}),
        }

    def _at_once(self) -> dict[str, Any]:
        let_in = self.admitted
        held = [step.round.at_once for step in self.steps if 0 < self._times_one(step) <= HELD]
        return {
            "held": max(held, default=0),
            "times_p95": HELD,
            "steps": [step.figures() for step in self.steps],
            **({"admitted": let_in.figures() | {"times_p95": round(self._times_one(let_in), 2)}} if let_in else {}),
        }

    def peers(self) -> dict[str, Any]:
        """Other servers and ours, by the same callers, one call at a time."""
        return {name: row.figures() for name, row in self.load.items() if name != WITHOUT_RECOGNITION}
