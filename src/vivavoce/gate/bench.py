"""The gate held against regressions that are known: two sound runs of a plan, and one of it for every plant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vivavoce.config.settings import Settings
from vivavoce.errors import SourceMissing
from vivavoce.evals.bench_clips import DUB_S
from vivavoce.evals.clips import Clip, load_recording, spread
from vivavoce.gate.bars import bar_of
from vivavoce.gate.baseline import Baseline, new_baseline
from vivavoce.gate.metric import Metric
from vivavoce.gate.metrics import measure
from vivavoce.gate.plan import Plan, few_pairs
from vivavoce.gate.plants import Plant, asking, chat_over_pairs, plants
from vivavoce.gate.run import Run
from vivavoce.gate.runner import GateRunner, Progress
from vivavoce.gate.verdict import Verdict, judge

UTTERANCES = 66
"""Labelled utterances of the part at real time: p95 needs 60, and the session hears some two as one."""
_REPLAYED_S = 75.0
_HEARD_S = 150.0
_LABEL_HZ = 16_000


@dataclass(slots=True)
class Planted:
    """What the gate said of one regression. `run` and `verdict` are None until it was run."""

    plant: Plant
    run: Run | None = None
    verdict: Verdict | None = None

    @property
    def caught(self) -> tuple[str, ...]:
        """Which of the figures that are meant for it blocked it."""
        blocked = self.verdict.blocked if self.verdict else ()
        return tuple(name for name in blocked if name in self.plant.meant)

    @property
    def also(self) -> tuple[str, ...]:
        """What else blocked it."""
        blocked = self.verdict.blocked if self.verdict else ()
        return tuple(name for name in blocked if name not in self.plant.meant)

    @property
    def placed(self) -> str:
        """The leg on which the verdict puts it."""
        return self.verdict.placed[0] if self.verdict and self.verdict.placed else ""

    @property
    def holds(self) -> bool:
        return bool(self.caught) and self.placed == self.plant.leg

    def to_json(self) -> dict[str, Any]:
        moved = [] if self.verdict is None else [each for each in self.verdict.findings if each.strain >= 0.5]
        return {
            "plant": self.plant.name,
            "what": self.plant.what,
            "leg": self.plant.leg,
            "meant": list(self.plant.meant),
            "done": self.run is not None,
            "blocked_by": list(self.caught),
            "also_blocked": list(self.also),
            "placed": self.placed,
            "holds": self.holds,
            "void_reason": self.run.void_reason if self.run else None,
            "moved": {
                each.name: {
                    "value": each.metric.value,
                    "baseline": each.baseline,
                    "threshold": each.threshold,
                    "n": each.metric.n,
                    "status": each.status,
                }
                for each in moved
            },
        }


@dataclass(slots=True)
class _Part:
    """Plants that are run on one plan, after it was run twice without any: `again` is the second, against the first."""

    plan: Plan
    planted: list[Planted]
    sound: Run | None = None
    again: Verdict | None = None

    @property
    def holds(self) -> bool:
        sound = self.again is not None and self.again.void_reason is None and self.again.outcome != "blocked"
        return sound and all(each.holds for each in self.planted)


class GateBench:
    """`figures` tells of what was run so far, so that an interrupted bench is not lost."""

    def __init__(
        self,
        settings: Settings,
        clips: Sequence[Clip],
        *,
        only: Sequence[str] = (),
        on_progress: Progress = lambda label, done_s, planned_s: None,
    ) -> None:
        """`only` names the plants that are run. Raises SourceMissing where the clips are too few, AudioError."""
        self._settings = settings
        self._on_progress = on_progress
        chosen = [plant for plant in plants() if not only or plant.name in only]
        quality = [Planted(plant) for plant in chosen if not plant.paced]
        paced = [Planted(plant) for plant in chosen if plant.paced]
        self._quality = _Part(quality_plan(clips), quality) if quality else None
        self._paced = _Part(latency_plan(clips), paced) if paced else None
        self._begun_s = 0.0
        self._planned_s = sum(
            GateRunner(settings, part.plan).planned_s * (2 + len(part.planted)) for part in self._parts
        )

    @property
    def n(self) -> int:
        """How many of the plants were run."""
        return sum(planted.run is not None for part in self._parts for planted in part.planted)

    @property
    def holds(self) -> bool:
        """Whether nothing blocks without a plant, and what is meant for it blocks each plant, placed on its leg."""
        return all(part.holds for part in self._parts)

    def figures(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "sound": {
                part.plan.label: {
                    "outcome": part.again.outcome if part.again else "undecided",
                    "blocked": list(part.again.blocked if part.again else ()),
                    "undecided": list(part.again.undecided if part.again else ()),
                    "void_reason": part.sound.void_reason,
                }
                for part in self._parts
                if part.sound is not None
            },
            "plants": [planted.to_json() for part in self._parts for planted in part.planted],
        }

    async def run(self) -> None:
        """Run the plants of quality through an emulated chat endpoint, then those of latency at real time."""
        if self._quality is not None:
            async with chat_over_pairs() as url:
                await self._judged(
                    self._quality, lambda plant: asking(self._settings, url, plant.prompt if plant else None)
                )
        if self._paced is not None:
            await self._judged(self._paced, lambda plant: self._settings)

    @property
    def _parts(self) -> list[_Part]:
        return [part for part in (self._quality, self._paced) if part is not None]

    async def _judged(self, part: _Part, settings_of: Callable[[Plant | None], Settings]) -> None:
        part.sound = sound = await self._once(settings_of(None), part.plan, None)
        if sound.void_reason is not None:
            return  # nothing can be held against it: `figures` tells why
        metrics = await self._measured(sound)
        baseline = new_baseline([(sound, metrics)])
        _, part.again = await self._against(baseline, settings_of(None), part.plan, None)
        for planted in part.planted:
            settings = settings_of(planted.plant)
            planted.run, planted.verdict = await self._against(baseline, settings, part.plan, planted.plant)

    async def _against(
        self, baseline: Baseline, settings: Settings, plan: Plan, plant: Plant | None
    ) -> tuple[Run, Verdict]:
        run = await self._once(settings, plan, plant)
        return run, judge(await self._measured(run), run, baseline)

    async def _measured(self, run: Run) -> list[Metric]:
        """At real time only the latencies: the words of so few clips lie on either side of a bar by chance."""
        metrics = await asyncio.to_thread(measure, run)
        return [each for each in metrics if not run.paced or bar_of(each).harness == "latency"]

    async def _once(self, settings: Settings, plan: Plan, plant: Plant | None) -> Run:
        label = plant.name if plant else "nothing planted"

        def on_progress(pair: str, done_s: float, planned_s: float) -> None:
            self._on_progress(f"{label}, {pair}", self._begun_s + done_s, self._planned_s)

        around = {"around": plant.around} if plant else {}
        runner = GateRunner(settings, plan, on_progress=on_progress, **around)
        await runner.run()
        self._begun_s += runner.planned_s
        return runner.result()


def quality_plan(clips: Sequence[Clip]) -> Plan:
    """Clips of two pairs: all to read, some to hear, fewer to replay. Raises SourceMissing."""
    pairs = few_pairs(clips)
    own = [clip for clip in clips if clip.pair in pairs]
    if not any(clip.terms for clip in own):
        raise SourceMissing("no clip has terms", hint="the bench of the gate needs clips with a glossary")
    with_terms = sorted(own, key=lambda clip: not clip.terms)
    return Plan(
        name="short-plants",
        replayed=tuple(_at_most(with_terms, _REPLAYED_S)),
        heard=tuple(_at_most(own, _HEARD_S)),
        read=tuple(clip for clip in own if clip.transcript),
        paced=False,
        silence_s=0.0,
    )


def _at_most(clips: Sequence[Clip], longest_s: float) -> list[Clip]:
    """As many as fit, evenly spaced over all."""
    for count in range(len(clips), 1, -1):
        found = spread(clips, count)
        if sum(clip.duration_s for clip in found) <= longest_s:
            return found
    return list(clips[:1])


def latency_plan(clips: Sequence[Clip]) -> Plan:
    """The clips that hold most utterances for the time they take, as many as it takes. Raises SourceMissing."""
    counted = [(clip, len(load_recording(clip, _LABEL_HZ).utterances)) for clip in clips if clip.target]
    counted.sort(key=lambda each: -each[1] / (each[0].duration_s + DUB_S))
    found: list[Clip] = []
    utterances = 0
    for clip, count in counted:
        if utterances >= UTTERANCES:
            break
        found.append(clip)
        utterances += count
    if utterances < UTTERANCES:
        raise SourceMissing(
            f"the clips hold {utterances} utterances, {UTTERANCES} are needed", hint="name more folders with --clips"
        )
    ids = {clip.id for clip in found}
    return Plan(name="plants", replayed=tuple(clip for clip in clips if clip.id in ids), silence_s=0.0)
