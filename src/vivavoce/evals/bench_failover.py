"""`vivavoce bench failover`: sessions over emulated providers, one fault in each, beside the same without fault."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vivavoce.config.settings import Settings
from vivavoce.contract.figures import latency_figures
from vivavoce.contract.stats import percentiles
from vivavoce.evals.clips import Clip, Recording, clips_of, load_recording, spread
from vivavoce.evals.failover_run import Outcome, plan, run_once
from vivavoce.evals.failover_stage import KEY, Backing, Stage, open_stage, write_script
from vivavoce.evals.failover_words import changes
from vivavoce.evals.offline import recognise_whole
from vivavoce.evals.router_cost import router_cost
from vivavoce.evals.shadow_shift import shadow_shift_ms
from vivavoce.legs.values import Word
from vivavoce.providers.whisper import Whisper
from vivavoce.routing.route import Switch
from vivavoce.translate.assembly import Voice, open_legs, session_settings

LONGEST_S = 8.0
RATE_HZ = 24000
_AFTER_S = 2.5
"""About how long after a recording its dub is over and the next session begins."""
Report = Callable[[str, float, float], None]
"""Told what is being done, and how many of the planned seconds are over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailoverPlan:
    """`runs` faults, half of them over each of the `backings`, over so many `recordings` of at most 8 s.

    `cost` also measures what the router and a shadow take of a session that is well.
    """

    clips: Sequence[Clip]
    source: str = "en"
    target: str = "pt"
    runs: int = 100
    recordings: int = 10
    backings: Sequence[Backing] = tuple(Backing)
    seed: int = 7
    cost: bool = True


class FailoverBench:
    """Figures can be taken at any time, from the sessions that are over."""

    def __init__(self, plan_: FailoverPlan, *, report: Report = lambda what, done_s, planned_s: None) -> None:
        self._plan, self._report = plan_, report
        self.outcomes: dict[Backing, list[Outcome]] = {backing: [] for backing in plan_.backings}
        self._said: dict[str, Sequence[Word]] = {}
        self._twins: dict[tuple[Backing, str], Outcome] = {}
        self._more: dict[str, Any] = {}
        self._done_s = self._planned_s = 0.0
        self.settings: Settings | None = None

    @property
    def n(self) -> int:
        return sum(map(len, self.outcomes.values()))

    async def run(self) -> None:
        chosen = self._plan
        short = [clip for clip in clips_of(chosen.clips, chosen.source) if clip.duration_s <= LONGEST_S]
        recordings = [load_recording(clip, RATE_HZ) for clip in spread(short, chosen.recordings)]
        session_s = sum(r.pcm.duration_ms for r in recordings) / 1000 / len(recordings) + _AFTER_S
        self._planned_s = session_s * (len(recordings) * len(chosen.backings) + chosen.runs)
        # Emulated providers take any key.
        os.environ.setdefault(KEY, "emulated-key-of-no-provider")
        with tempfile.TemporaryDirectory(prefix="vivavoce-failover-") as name:
            folder = Path(name)
            script = folder / "script.json"
            write_script(script, await self._recognised(recordings))
            shares = [chosen.runs // len(chosen.backings)] * len(chosen.backings)
            shares[0] += chosen.runs - sum(shares)
            for backing, runs in zip(chosen.backings, shares, strict=True):
                async with open_stage(backing, folder=folder, script=script) as stage:
                    self.settings = stage.settings
                    await self._sessions(stage, recordings, runs)
            if not chosen.cost or self.settings is None:
                return
            self._tell("router alone")
            self._more |= await router_cost(self.settings.routes.stt)
            self._tell("shadow")
            self._more["shadow_shift_ms"] = await shadow_shift_ms(script=script)

    async def _recognised(self, recordings: Sequence[Recording]) -> list[tuple[Recording, Sequence[Word]]]:
        recogniser = Whisper()
        try:
            for recording in recordings:
                self._tell("what is said")
                self._said[recording.clip.id] = await recognise_whole(recogniser, recording)
        finally:
            await recogniser.aclose()
        return [(recording, self._said[recording.clip.id]) for recording in recordings]

    async def _sessions(self, stage: Stage, recordings: Sequence[Recording], runs: int) -> None:
        chosen = self._plan
        switches: list[Switch] = []
        voice = Voice(stage.settings.routes.tts.order[0], chosen=False)
        wanted = session_settings(stage.settings, source=chosen.source, target=chosen.target, voice=voice)
        draw = random.Random(f"{chosen.seed} {stage.backing}").uniform
        async with open_legs(
            stage.settings, source=chosen.source, target=chosen.target, voice=voice, tell=switches.append
        ) as legs:
            # What loads at its first use is not to be measured.
            await run_once(stage, legs, wanted, recordings[0], switches)
            for recording in recordings:
                self._tell(f"{stage.backing}, without fault")
                twin = await run_once(stage, legs, wanted, recording, switches)
                self._twins[stage.backing, recording.clip.id] = twin
                self._done_s += recording.pcm.duration_ms / 1000 + _AFTER_S
            for recording, fault in plan(recordings, runs, draw):
                self._tell(f"{stage.backing}, {fault.leg} {fault.kind}")
                twin = self._twins[stage.backing, recording.clip.id]
                outcome = await run_once(stage, legs, wanted, recording, switches, fault=fault, twin=twin)
                self.outcomes[stage.backing].append(outcome)
                self._done_s += recording.pcm.duration_ms / 1000 + _AFTER_S

    def _tell(self, what: str) -> None:
        self._report(what, self._done_s, self._planned_s)

    def figures(self) -> dict[str, Any]:
        """What is there so far; what had nothing to rest on is left out."""
        every = [outcome for outcomes in self.outcomes.values() for outcome in outcomes]
        waits = [wait_ms for twin in self._twins.values() for wait_ms in twin.commit_waits_ms()]
        gaps = [self._extra_gap_ms(backing, o) for backing, outcomes in self.outcomes.items() for o in outcomes]
        figures: dict[str, Any] = {
            "runs": len(every),
            "survived": sum(outcome.survived for outcome in every),
            "felt": sum(bool(outcome.switches) for outcome in every),
            Backing.SCRIPTED: self._scripted(),
            Backing.MODELS: self._models(),
            "extra_gap_ms": latency_figures(gaps) if gaps else None,
            **_served(every),
            "commit_without_fault_ms": latency_figures(waits) if waits else None,
            "failed": [
                f"{o.fault.leg} {o.fault.kind}: {o.error or 'a line was not spoken'}"
                for o in every
                if o.fault and not o.survived
            ],
            **self._more,
        }
        return {name: value for name, value in figures.items() if value is not None}

    def _extra_gap_ms(self, backing: Backing, outcome: Outcome) -> float:
        return max(0.0, outcome.silence_ms - self._twin_of(backing, outcome).silence_ms)

    def _twin_of(self, backing: Backing, outcome: Outcome) -> Outcome:
        return self._twins[backing, outcome.recording.clip.id]

    def _scripted(self) -> dict[str, Any] | None:
        outcomes = self.outcomes.get(Backing.SCRIPTED)
        if not outcomes:
            return None
        # A word that the twin has not is lost by the ends of utterances; one that was said is not doubled.
        lost = [outcome.against(self._twin_of(Backing.SCRIPTED, outcome).words).lost for outcome in outcomes]
        doubled = [outcome.against(self._said[outcome.recording.clip.id]).added for outcome in outcomes]
        twins = [
            t.against(self._said[t.recording.clip.id]) for (b, _), t in self._twins.items() if b is Backing.SCRIPTED
        ]
        return {
            "runs": len(outcomes),
            "words_lost": sum(lost),
            "words_doubled": sum(doubled),
            "without_fault": {"words_lost": sum(t.lost for t in twins), "words_doubled": sum(t.added for t in twins)},
        }

    def _models(self) -> dict[str, Any] | None:
        outcomes = self.outcomes.get(Backing.MODELS)
        if not outcomes:
            return None
        excess = []
        for outcome in outcomes:
            said, twin = self._said[outcome.recording.clip.id], self._twin_of(Backing.MODELS, outcome)
            near_ms = outcome.fault_ms or 0.0
            found, without = (changes(said, each.words, near_ms=near_ms) for each in (outcome, twin))
            excess.append(float(max(0, found.lost + found.added - without.lost - without.added)))
        return {"runs": len(outcomes), "excess_words": {"p95": percentiles(excess).p95, "max": max(excess)}}


def _served(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How soon somebody else served, by what the fault was like, and by leg."""
    from_fault: dict[str, list[float]] = {}
    late: dict[str, list[float]] = {}
    for outcome in outcomes:
        if outcome.fault is None or outcome.served is None:
            continue
        how = "dead" if outcome.fault.dead else "stall"
        for name in (how, f"{outcome.fault.leg} {how}"):
            from_fault.setdefault(name, []).append(outcome.served.from_fault_ms)
            late.setdefault(name, []).append(outcome.served.late_ms)
    return {
        **{f"switch_{how}_ms": latency_figures(from_fault[how]) for how in ("dead", "stall") if how in from_fault},
        "by_leg": {
            name: {"from_fault_ms": latency_figures(values), "late_ms": latency_figures(late[name])}
            for name, values in sorted(from_fault.items())
        },
    }
