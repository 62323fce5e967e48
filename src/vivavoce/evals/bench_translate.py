"""The benchmark of live translation: its parts one after the other, one configuration, one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from vivavoce.config.settings import Settings
from vivavoce.errors import SourceMissing
from vivavoce.evals.bench_clips import ClipsPart, Report, latency
from vivavoce.evals.bench_continuous import ContinuousPart, SilencePart
from vivavoce.evals.clips import Clip, Recording, clips_of, load_recording, spread
from vivavoce.evals.usage import Usage
from vivavoce.providers.pairs import PairTable
from vivavoce.translate.assembly import choose_voice, session_settings

BUSY_CORES = 0.25
"""More than this taken by other programs while it ran voids a run."""


class PartName(StrEnum):
    CLIPS = "clips"
    ESPEAK = "espeak"
    CONTINUOUS = "continuous"
    SILENCE = "silence"
    PAIRS = "pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`voices`: the first speaks in every part, the second in the part that is named after espeak.

    `limit` bounds the clips of the main pair, `pairs_limit` those of each other pair.
    """

    source: str
    target: str
    clips: Sequence[Clip]
    voices: Sequence[str] = ("kokoro", "espeak")
    parts: Sequence[PartName] = tuple(PartName)
    limit: int | None = None
    pairs_limit: int = 8
    continuous_minutes: float = 10.0
    silence_minutes: float = 5.0


class Part(Protocol):
    @property
    def planned_s(self) -> float: ...

    async def run(self, report: Report) -> None: ...


@dataclass(slots=True)
class _Task:
    label: str
    part: Part
    done_s: float = 0.0


class TranslateBench:
    """`figures` tells at any time what was measured so far, so that an interrupted run is not lost.

    `on_progress` gets a part's label, the seconds done and the seconds planned, both over all parts.
    """

    def __init__(
        self, settings: Settings, plan: Plan, *, on_progress: Callable[[str, float, float], None] | None = None
    ) -> None:
        """Raises PairUnavailable, SourceMissing and AudioError before anything runs."""
        self._settings = settings
        self._plan = plan
        self._on_progress = on_progress or (lambda label, done_s, planned_s: None)
        self._usage = Usage()
        self._table = PairTable.load()
        self._table.route(plan.source, plan.target)
        self._recordings: dict[str, Recording] = {}
        self._main: ClipsPart | None = None
        self._second: ClipsPart | None = None
        self._continuous: ContinuousPart | None = None
        self._silence: SilencePart | None = None
        self._pairs: dict[str, ClipsPart] = {}
        self._tasks: list[_Task] = []
        self.others_cores: float | None = None
        self._arrange()

    async def run(self) -> None:
        """Measure every part that was planned, in order."""
        planned_s = sum(task.part.planned_s for task in self._tasks)
        before_s = 0.0
        try:
            for task in self._tasks:
                label, start_s, most_s = task.label, before_s, task.part.planned_s

                def report(done_s: float, label: str = label, start_s: float = start_s, most_s: float = most_s) -> None:
                    self._on_progress(label, start_s + min(done_s, most_s), planned_s)

                report(0.0)
                await task.part.run(report)
                before_s += most_s
                self._on_progress(label, before_s, planned_s)
        finally:
            self.others_cores = self._usage.others_cores()

    @property
    def n(self) -> int:
        """How many utterances of the main pair the latencies rest on."""
        part = self._main or self._second
        return sum(row.timed for row in part.rows) if part is not None else 0

    @property
    def void_reason(self) -> str | None:
        if self.others_cores is not None and self.others_cores > BUSY_CORES:
            return f"other programs kept {self.others_cores:.2f} cores busy"
        return None

    def figures(self) -> dict[str, Any]:
        """Figures of every part that has begun, under the names of the benchmark's table."""
        profile = self._settings.profile()
        figures: dict[str, Any] = {"pair": f"{self._plan.source}-{self._plan.target}"}
        if self._main is not None and self._main.rows:
            figures |= self._main.figures(profile)
        if self._second is not None and self._second.rows:
            figures["espeak"] = self._second.figures(profile)
        if self._continuous is not None and (continuous := self._continuous.figures()):
            figures["continuous"] = continuous
            figures |= {name: continuous[name] for name in ("lag_growth_ms_per_min", "voiced") if name in continuous}
        if self._silence is not None and (silence := self._silence.figures()):
            figures["silence"] = silence
        if pairs := {name: self._pair(part) for name, part in self._pairs.items() if part.rows}:
            figures["pairs"] = pairs
        if self.others_cores is not None:
            figures["others_cores"] = round(self.others_cores, 3)
        voices = {"clips": self._main, "espeak": self._second}
        rows = {name: [row.to_json() for row in part.rows] for name, part in voices.items() if part and part.rows}
        return figures | ({"clips": rows} if rows else {})

    def _pair(self, part: ClipsPart) -> dict[str, Any]:
        figures = part.figures(self._settings.profile())
        wanted = ("n", "void", "unspoken", "missed", "wer", "chrf_reference", "chrf_reference_n")
        heard = latency(row.heard_ms for row in part.rows if row.timed)
        return {
            "voice": part.voice.engine,
            **{name: figures[name] for name in wanted if name in figures},
            **({"heard_ms": heard} if heard else {}),
        }

    def _arrange(self) -> None:
        plan, settings = self._plan, self._settings
        own = spread(clips_of(plan.clips, plan.source), plan.limit)
        voices = [choose_voice(settings, wish, language=plan.target) for wish in plan.voices]
        for name in dict.fromkeys(plan.parts):
            if name is PartName.CLIPS:
                self._main = ClipsPart(settings, self._load(own), target=plan.target, voice=voices[0], whole=True)
                self._add(f"clips, {voices[0].engine}", self._main)
            elif name is PartName.ESPEAK and len(voices) > 1:
                self._second = ClipsPart(settings, self._load(own), target=plan.target, voice=voices[1])
                self._add(f"clips, {voices[1].engine}", self._second)
            elif name is PartName.CONTINUOUS:
                self._continuous = ContinuousPart(
                    settings, self._load(own), target=plan.target, voice=voices[0], minutes=plan.continuous_minutes
                )
                self._add("continuous speech", self._continuous)
            elif name is PartName.SILENCE:
                self._silence = SilencePart(
                    settings, source=plan.source, target=plan.target, voice=voices[0], minutes=plan.silence_minutes
                )
                self._add("silence, music and noise", self._silence)
            elif name is PartName.PAIRS:
                self._arrange_pairs()

    def _arrange_pairs(self) -> None:
        plan = self._plan
        for route in self._table.routes():
            try:
                own = clips_of(plan.clips, route.source)
            except SourceMissing:
                continue
            if (route.source, route.target) == (plan.source, plan.target):
                continue
            referenced = [clip for clip in own if route.target in clip.references]
            chosen = spread(referenced if len(referenced) >= plan.pairs_limit else own, plan.pairs_limit)
            voice = choose_voice(self._settings, "", language=route.target)
            part = ClipsPart(self._settings, self._load(chosen), target=route.target, voice=voice)
            self._pairs[route.name] = part
            self._add(f"{route.name}, {voice.engine}", part)

    def _add(self, label: str, part: Part) -> None:
        self._tasks.append(_Task(label, part))

    def _load(self, clips: Sequence[Clip]) -> list[Recording]:
        rate_hz = session_settings(self._settings, source="auto", target=self._plan.target, voice=None).rate_hz
        for clip in clips:
            if clip.id not in self._recordings:
                self._recordings[clip.id] = load_recording(clip, rate_hz)
        return [self._recordings[clip.id] for clip in clips]
