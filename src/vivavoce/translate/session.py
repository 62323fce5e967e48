"""One session of interpretation: legs, ear, voiceover and dub in one task group, driven by the source's frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vivavoce.audio.pcm import FRAME_MS, Pcm, Samples
from vivavoce.audio.resample import Resampler
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.contract.spans import SpanRecorder
from vivavoce.errors import AudioError, LegTimeout, first_of_ours
from vivavoce.legs.mt import Translator
from vivavoce.legs.stt import SpeechToText
from vivavoce.legs.tts import Synthesizer
from vivavoce.legs.vad import VoiceDetector
from vivavoce.routing.route import Route
from vivavoce.text.terms import ready_terms
from vivavoce.translate.dub import DubSettings, DubTrack
from vivavoce.translate.events import Event
from vivavoce.translate.interpreter import EarSettings, Interpreter
from vivavoce.translate.voiceover import Voiceover

EAR_RATE_HZ = 16000
_TAIL_MS = 60_000.0
_AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """`translator` gives the leg from a source language to the session's target, or None where there is no route.

    `routes` are those of the legs that are routed.
    """

    detector: VoiceDetector
    stt: SpeechToText
    translator: Callable[[str], Translator | None]
    synthesizer: Synthesizer | None
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """`source` may be "auto". `rate_hz` is that of the source's frames, the dub and the mix.

    `glossaries` lock terms to their renderings, by the language that is spoken; `glossary` those of every other.
    """

    source: str
    target: str
    voice: str = ""
    rate_hz: int = 24000
    ear: EarSettings = field(default_factory=EarSettings)
    dub: DubSettings = field(default_factory=DubSettings)
    glossary: Mapping[str, str] = field(default_factory=dict)
    glossaries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def glossary_from(self, language: str) -> Mapping[str, str]:
        """What is locked in what is said in a language."""
        return self.glossaries.get(language, self.glossary)


Output = Callable[[Samples, Samples], Awaitable[None]]
"""Takes a frame of the original and the dub's frame that is heard with it."""


class Session:
    """Interprets one source from its first frame to the last word of the dub.

    `paced` is False where the source is read faster than real time: then each frame waits for what it set off, and
    latency has no meaning. The original is put out one frame late, when a listener of the dub hears it.
    """

    def __init__(
        self,
        *,
        legs: Legs,
        settings: SessionSettings,
        clock: Clock,
        tell: Callable[[Event], None],
        output: Output,
        paced: bool = True,
    ) -> None:
        self._legs = legs
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._output = output
        self.paced = paced
        self._origin_ns: int | None = None
        self._frame = settings.rate_hz * FRAME_MS // 1000
        self._ear_samples = 0
        self._resampler = Resampler(settings.rate_hz, EAR_RATE_HZ)
        self.dub = DubTrack(settings.rate_hz)
        self.spans = SpanRecorder(clock.now_ns)

    @property
    def routes(self) -> tuple[Route, ...]:
        """Those of its legs."""
        return self._legs.routes

    @property
    def now_ms(self) -> float:
        """Session time: what sample would arrive now."""
        return 0.0 if self._origin_ns is None else (self._clock.now_ns() - self._origin_ns) / NS_PER_MS

    @property
    def idle(self) -> bool:
        """While it runs: whether all speech so far was interpreted and the listener has heard all of the dub."""
        return not self._unfinished

    async def run(self, frames: AsyncIterable[Pcm]) -> None:
        """Interpret all frames and speak to the end. A source that breaks is raised after its sound was finished."""
        settings = self._settings
        if settings.source != _AUTO and (glossary := settings.glossary_from(settings.source)):
            await ready_terms(glossary, settings.source, settings.target)  # by the first clause it is ready then
        self._legs.detector.reset()
        stt = await self._legs.stt.open(language=settings.source, rate_hz=EAR_RATE_HZ)
        voice = None
        try:
            if self._legs.synthesizer is not None:
                voice = await self._legs.synthesizer.open(
                    voice=settings.voice, language=settings.target, rate_hz=settings.rate_hz
                )
            self._voiceover = Voiceover(
                translator=self._legs.translator,
                voice=voice,
                dub=self.dub,
                pacing=settings.dub,
                target=settings.target,
                now_ms=lambda: self.now_ms,
                tell=self._tell,
                glossary=settings.glossary_from,
            )
            self._ear = Interpreter(
                detector=self._legs.detector,
                stt=stt,
                voiceover=self._voiceover,
                language=settings.source,
                settings=settings.ear,
                spans=self.spans,
                now_ms=lambda: self.now_ms,
                tell=self._tell,
            )
            broken = await self._work(frames)
        except BaseExceptionGroup as group:
            raise first_of_ours(group) or group from None
        finally:
            await stt.aclose()
            if voice is not None:
                await voice.aclose()
        if broken is not None:
            raise broken

    async def _work(self, frames: AsyncIterable[Pcm]) -> AudioError | None:
        async with asyncio.TaskGroup() as group:
            works = (self._ear.run(), self._voiceover.run(), self._ready_glossaries())
            workers = [group.create_task(work) for work in works]
            broken = await self._drive(frames)
            for worker in workers:
                worker.cancel()
        return broken

    async def _ready_glossaries(self) -> None:
        """Where any language may come, make theirs ready meanwhile, so that no clause waits for it."""
        if self._settings.source == _AUTO:
            for language, glossary in self._settings.glossaries.items():
                await ready_terms(glossary, language, self._settings.target)

    async def _drive(self, frames: AsyncIterable[Pcm]) -> AudioError | None:
        await self._output(np.zeros(0, np.int16), self.dub.read(self._frame))
        broken: AudioError | None = None
        end_ms = 0.0
        try:
            async for frame in frames:
                self._note_origin(frame)
                await self._tick(frame)
                end_ms = frame.end_ms
        except AudioError as error:
            broken = error
        silence = np.zeros(self._frame, np.int16)
        last_ms = end_ms + _TAIL_MS + self.dub.behind_ms
        quiet_ms = end_ms + 500.0
        while end_ms < quiet_ms or self._unfinished:
            if end_ms >= last_ms:
                raise LegTimeout("the last words were not spoken in a minute", hint="an engine hangs: see the report")
            frame = Pcm(silence, self._settings.rate_hz, end_ms)
            end_ms = frame.end_ms
            await self._clock.sleep_until((self._origin_ns or 0) + round(end_ms * NS_PER_MS))
            await self._tick(frame)
        return broken

    @property
    def _unfinished(self) -> bool:
        return self._ear.unfinished or self._voiceover.unfinished or self.dub.behind_ms > 0

    def _note_origin(self, frame: Pcm) -> None:
        """The earliest arrival, relative to its sample time, tells when sample 0 was."""
        origin_ns = self._clock.now_ns() - round(frame.end_ms * NS_PER_MS)
        self._origin_ns = origin_ns if self._origin_ns is None else min(self._origin_ns, origin_ns)

    async def _tick(self, frame: Pcm) -> None:
        heard = self._resampler.push(frame.samples)
        if len(heard):
            start_ms = 1000.0 * self._ear_samples / EAR_RATE_HZ
            self._ear_samples += len(heard)
            await self._ear.hear(Pcm(heard, EAR_RATE_HZ, start_ms))
        if not self.paced:
            await self._settle()
        dubbed = self.dub.read(len(frame.samples))
        self._voiceover.listened()
        await self._output(frame.samples, dubbed)

    async def _settle(self) -> None:
        """Wait until everything that was set off has come to rest."""
        before = -1
        while before != self._ear.activity:
            before = self._ear.activity
            await self._ear.settle()
            await self._voiceover.settle()
            # Answers pass through queues to their tasks: let those run.
            for _ in range(4):
                await asyncio.sleep(0)
