"""One run of the gate: pair by pair through the whole path, and each leg alone."""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from vivavoce.config.engines import engine_class
from vivavoce.config.routes import PAIRS
from vivavoce.config.settings import Settings, config_hash
from vivavoce.contract.envelope import package_versions, this_machine
from vivavoce.errors import ConfigError, LegUnavailable, VivavoceError, first_of_ours
from vivavoce.evals.bench_translate import BUSY_CORES
from vivavoce.evals.clips import Clip, load_recording
from vivavoce.evals.usage import Usage
from vivavoce.gate.alone import hear_alone, read_alone
from vivavoce.gate.plan import Plan, read_inflections
from vivavoce.gate.replay import PairReplay
from vivavoce.gate.run import MtAlone, Run, SttAlone
from vivavoce.gate.speed import machine_speed
from vivavoce.translate.assembly import Voice, choose_voice, open_legs
from vivavoce.translate.session import Legs

HEAR_SHARE = 0.08
"""About how many seconds recognition alone takes per second of sound."""
READ_S = 0.15
"""About how many seconds translation alone takes per clip."""
MOST_LATE_MS = 1000.0
"""Sound that is played later makes a session wait, which no listener would have: the machine slept, or was taken."""
_OPEN_S = 4.0
_ALONE_HZ = 16_000

Progress = Callable[[str, float, float], None]
"""Told what is under way, the seconds done and the seconds planned, both over all."""
Around = Callable[[Legs], Legs]
"""Puts something around the legs of a session."""


def _as_they_are(legs: Legs) -> Legs:
    return legs


@dataclass(slots=True)
class _Pair:
    """What is to be done for one pair, in one opening of its legs."""

    name: str
    source: str
    target: str
    voice: Voice | None
    replay: PairReplay | None
    heard: list[Clip] = field(default_factory=list)
    read: list[Clip] = field(default_factory=list)

    @property
    def planned_s(self) -> float:
        replayed_s = self.replay.planned_s if self.replay else 0.0
        return _OPEN_S + replayed_s + self.heard_s + READ_S * len(self.read)

    @property
    def heard_s(self) -> float:
        return HEAR_SHARE * sum(clip.duration_s for clip in self.heard)


class GateRunner:
    """`result` tells at any time what was measured so far, so that an interrupted run is not lost."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        *,
        around: Around = _as_they_are,
        on_progress: Progress = lambda label, done_s, planned_s: None,
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self._settings = settings
        self._plan = plan
        self._around = around
        self._on_progress = on_progress
        self._usage: Usage | None = None
        self._others_cores: float | None = None
        self._lost: str | None = None
        self._at_ms = round(time.time() * 1000)
        self._speed_ms = 0.0
        self._pairs = self._arranged()
        self._heard: list[SttAlone] = []
        self._read: list[MtAlone] = []

    @property
    def planned_s(self) -> float:
        return sum(pair.planned_s for pair in self._pairs)

    async def run(self) -> None:
        """Do all that is planned, in order. What one clip or pair cannot do is told in the result."""
        self._at_ms, self._speed_ms = round(time.time() * 1000), machine_speed()
        await asyncio.to_thread(read_inflections, [clip for part in self._plan.parts for clip in part])
        self._usage = Usage()
        begun_s = 0.0
        try:
            for pair in self._pairs:
                await self._do(pair, begun_s)
                begun_s += pair.planned_s
        finally:
            self._others_cores = self._usage.others_cores()

    def result(self, *, void_reason: str | None = None) -> Run:
        """What was measured so far; `void_reason` says why it cannot be judged, where the run itself does not know."""
        return Run(
            id=self.id,
            at_ms=self._at_ms,
            plan=self._plan.label,
            paced=self._plan.paced,
            machine=this_machine(),
            versions=package_versions(),
            config_hash=config_hash(self._settings),
            speed_ms=round(self._speed_ms, 3),
            engines=self._engines(),
            prompts=prompts_of(self._settings),
            caps_ms={
                str(stage): budget.cap_ms
                for stage, budget in self._settings.profile().stages.items()
                if budget.cap_ms is not None
            },
            clips=tuple(run for pair in self._pairs if pair.replay for run in pair.replay.runs),
            stt=tuple(self._heard),
            mt=tuple(self._read),
            latest_tick_ms=round(self._latest_tick_ms, 1),
            void_reason=void_reason or self._lost or self._busy() or self._late(),
        )

    def _arranged(self) -> list[_Pair]:
        plan, settings = self._plan, self._settings
        pairs = []
        for turn, name in enumerate(plan.pairs):
            replayed, heard, read = ([clip for clip in part if clip.pair == name] for part in plan.parts)
            first = (replayed or heard or read)[0]
            voice = choose_voice(settings, "", language=first.target) if plan.paced and replayed else None
            replay = None
            if replayed:
                replay = PairReplay(
                    settings, replayed, voice=voice, paced=plan.paced, silence_s=plan.silence_s, turn=turn
                )
            pairs.append(_Pair(name, first.language, first.target, voice, replay, heard, read))
        return pairs

    async def _do(self, pair: _Pair, begun_s: float) -> None:
        def report(done_s: float) -> None:
            self._on_progress(pair.name, begun_s + min(done_s, pair.planned_s), self.planned_s)

        report(0.0)
        if pair.replay:
            pair.replay.load()
        try:
            async with open_legs(self._settings, source=pair.source, target=pair.target, voice=pair.voice) as opened:
                legs = self._around(opened)
                done_s = _OPEN_S
                if pair.replay:
                    await pair.replay.play(legs, lambda played_s: report(_OPEN_S + played_s), meter=self._usage)
                    done_s += pair.replay.planned_s
                await self._alone(pair, legs, lambda more_s: report(done_s + more_s))
        except (VivavoceError, BaseExceptionGroup) as error:
            known = first_of_ours(error)
            if known is None:
                raise
            if isinstance(known, ConfigError):
                raise known from error  # what is configured wrongly is wrong for every pair, and no regression
            self._lose(pair, known)
        report(pair.planned_s)

    async def _alone(self, pair: _Pair, legs: Legs, report: Callable[[float], None]) -> None:
        done_s = 0.0
        for clip in pair.heard:
            try:
                self._heard.append(await hear_alone(legs.stt, load_recording(clip, _ALONE_HZ)))
            except VivavoceError as error:
                self._heard.append(_unheard(clip, error))
            done_s += HEAR_SHARE * clip.duration_s
            report(done_s)
        translator = legs.translator(pair.source)
        for clip in pair.read:
            if translator is not None:
                self._read.append(await read_alone(translator, clip))
            done_s += READ_S
            report(done_s)

    def _lose(self, pair: _Pair, error: VivavoceError) -> None:
        """A pair whose legs cannot be had, or break: clips that were not played fail. Without such the run is void."""
        if not (pair.replay and pair.replay.fail(error)):
            self._lost = self._lost or f"{pair.name} could not be evaluated: {error}"

    def _engines(self) -> Mapping[str, str]:
        routes = self._settings.routes
        voices = _joined(pair.voice.engine for pair in self._pairs if pair.voice is not None)
        found = {"stt": routes.stt.order[0], "mt": routes.mt.order[0], "tts": voices}
        return {leg: engine for leg, engine in found.items() if engine}

    def _busy(self) -> str | None:
        if self._plan.paced and self._others_cores is not None and self._others_cores > BUSY_CORES:
            return f"other programs kept {self._others_cores:.2f} cores busy"
        return None

    @property
    def _latest_tick_ms(self) -> float:
        return max((pair.replay.latest_tick_ms for pair in self._pairs if pair.replay), default=0.0)

    def _late(self) -> str | None:
        if self._plan.paced and self._latest_tick_ms > MOST_LATE_MS:
            return f"sound was played up to {self._latest_tick_ms:.0f} ms late"
        return None


def prompts_of(settings: Settings) -> tuple[str, ...]:
    """The versions of prompts that engines of the translation's route have, as far as they have one."""
    found = []
    for name in settings.routes.mt.order:
        if name == PAIRS:
            continue
        try:
            parameter = inspect.signature(engine_class(settings, name)).parameters.get("prompt")
        except LegUnavailable:
            continue
        if parameter is not None:
            prompt = settings.engines.options.get(name, {}).get("prompt", parameter.default)
            found.append(str(getattr(prompt, "version", prompt)))
    return tuple(dict.fromkeys(found))


def _unheard(clip: Clip, error: VivavoceError) -> SttAlone:
    return SttAlone(
        id=clip.id,
        language=clip.language,
        register=clip.register,
        reference=clip.transcript,
        transcript="",
        problem=str(error),
    )


def _joined(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
