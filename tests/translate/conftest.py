"""A stage for whole sessions on virtual time: scripted speech in, events and a dub out.

The legs are peers at the protocol's boundary that follow a script: the recogniser knows which word is said when, the
translator writes capitals, the voice's samples have the line's number as their value, so that a test can tell from
the dub which line was heard when. The gate and the speech queue are the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from vivavoce.audio.pcm import FRAME_MS, Pcm, Samples
from vivavoce.clock import NS_PER_MS, Clock, SystemClock, run_virtual
from vivavoce.errors import AudioError, LegError
from vivavoce.legs.mt import Translator
from vivavoce.legs.values import Clause, Hypothesis, SpeechChunk, TextChunk, VoiceEvent, Word
from vivavoce.providers.speech_queue import SpeechQueue, Utterance
from vivavoce.providers.voice_gate import GateSettings, VoiceGate
from vivavoce.translate.clauses import CutSettings
from vivavoce.translate.dub import DubSettings
from vivavoce.translate.events import Event
from vivavoce.translate.interpreter import EarSettings
from vivavoce.translate.session import Legs, Session, SessionSettings

RATE_HZ = 16000
GATE = GateSettings(speech=0.5, silence=0.35, start_ms=60, pause_ms=60, resume_ms=20, end_ms=320)
CUT = CutSettings(hungry_ms=60_000, longest_ms=60_000, share=0, anywhere_ms=2000, min_words=3)
EAR = EarSettings(lead_in_ms=200, first_partial_ms=1000, partial_every_ms=500, edge_ms=100, min_confidence=0.4, cut=CUT)
DUB = DubSettings(pause_ms=160, short_pause_ms=40, relaxed_ms=900, hurried_ms=1700, max_speed=1.25)


def say(text: str, start_ms: float, *, word_ms: float = 250, confidence: float = 1.0) -> list[Word]:
    """The words of `text`, each `word_ms` long, one after another."""
    return [
        Word(word, start_ms + n * word_ms, start_ms + (n + 1) * word_ms, confidence)
        for n, word in enumerate(text.split())
    ]


class Detector:
    """Finds speech where the script has words, with the real gate."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        self._gate = VoiceGate(GATE)

    @property
    def silent(self) -> bool:
        return self._gate.silent

    def push(self, pcm: Pcm) -> list[VoiceEvent]:
        middle = (pcm.start_ms + pcm.end_ms) / 2
        speech = pcm.samples.any() and any(word.start_ms <= middle < word.end_ms for word in self._words)
        event = self._gate.push(float(speech), pcm.start_ms, pcm.end_ms)
        return [] if event is None else [event]

    def reset(self) -> None:
        self._gate.reset()


@dataclass
class Stt:
    """Recognises the words that lie in the sound it was given, `latency_ms` after it was asked.

    `waver(n, words)` may change the n-th partial hypothesis; the `failing` finals, counted from 0, fail.
    """

    words: Sequence[Word]
    language: str = "en"
    latency_ms: float = 100.0
    waver: Callable[[int, list[Word]], list[Word]] = lambda _, words: words
    failing: Sequence[int] = ()
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    partials_ms: list[float] = field(default_factory=list)
    finals_ms: list[float] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        self._heard: list[float] = []
        self._committed = 0
        self._generation = 0
        self._jobs: set[asyncio.Task[None]] = set()
        self._busy = False
        self._answers: asyncio.Queue[Hypothesis | LegError | None] = asyncio.Queue()

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> Stt:
        return self

    async def warm_up(self) -> None: ...

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        if not self._heard:
            self._heard = [pcm.start_ms, pcm.start_ms]
        if pcm.samples.any():
            self._heard[1] = pcm.end_ms

    def partial(self) -> None:
        if not self._busy:
            self._busy = True
            self.partials_ms.append(self._heard[-1])
            self._ask(final=False, epoch=0)

    async def finalise(self, epoch: int) -> None:
        self.finals_ms.append(self._heard[-1])
        self._ask(final=True, epoch=epoch)

    def commit(self, words: Sequence[Word]) -> None:
        self._committed += len(words)

    def reset(self) -> None:
        self._generation += 1
        self._heard, self._committed = [], 0

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        while (answer := await self._answers.get()) is not None:
            if isinstance(answer, LegError):
                raise answer
            yield answer

    async def settle(self) -> None:
        while self._jobs:
            await asyncio.wait(self._jobs)

    async def aclose(self) -> None:
        self.closed = True
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def _ask(self, *, final: bool, epoch: int) -> None:
        start_ms, end_ms = self._heard
        words = [word for word in self.words if word.start_ms >= start_ms and word.end_ms <= end_ms]
        if not final:
            words = self.waver(len(self.partials_ms) - 1, words)
        fails = final and len(self.finals_ms) - 1 in self.failing
        job = asyncio.create_task(self._answer(words, final, epoch, self._generation, fails=fails))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _answer(self, words: list[Word], final: bool, epoch: int, generation: int, *, fails: bool) -> None:
        self.entered.set()
        await asyncio.sleep(self.latency_ms / 1000)
        self._busy = self._busy and final
        if generation == self._generation and fails:
            await self._answers.put(LegError("the recogniser stumbled"))
        elif generation == self._generation:
            open_words = tuple(words[self._committed :])
            await self._answers.put(Hypothesis(open_words, 0.0, final, self.language, epoch))


@dataclass
class Capitals:
    """Translates into capitals, `latency_ms` later; the `failing` clauses, counted from 0, fail."""

    latency_ms: float = 30.0
    failing: Sequence[int] = ()
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)

    async def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        self.asked.append(clause.text)
        self.entered.set()
        number = len(self.asked) - 1
        await asyncio.sleep(self.latency_ms / 1000)
        if number in self.failing:
            raise LegError("the translator stumbled")
        yield TextChunk(clause.text.upper(), clause.epoch, True)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


@dataclass
class Voice:
    """Speaks a text in two pieces; the `failing` texts, counted from 0, fail after the first."""

    latency_ms: float = 80.0
    ms_per_character: float = 40.0
    failing: Sequence[int] = ()
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    speeds: list[float] = field(default_factory=list)
    leads_ms: list[float] = field(default_factory=list)
    closed: bool = False

    async def open(self, *, voice: str, language: str, rate_hz: int) -> SpeechQueue:
        self._queue = SpeechQueue(self._speak, rate_hz=rate_hz)
        return self._queue

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...

    async def _speak(self, utterance: Utterance) -> AsyncGenerator[SpeechChunk, None]:
        self.speeds.append(utterance.speed)
        self.leads_ms.append(utterance.lead_ms)
        number = len(self.speeds) - 1
        half = (len(utterance.text) + 1) // 2
        for text in (utterance.text[:half], utterance.text[half:]):
            self.entered.set()
            await asyncio.sleep(self.latency_ms / 1000)
            count = round(len(text) * self.ms_per_character / utterance.speed * RATE_HZ / 1000)
            yield SpeechChunk(Pcm(np.full(count, utterance.epoch, np.int16), RATE_HZ), utterance.epoch, text)
            if number in self.failing:
                raise LegError("the voice broke")


# Of a run's result `asyncio.Runner` takes the repr, which would be all of its sound.
@dataclass(repr=False)
class Stage:
    """One scripted session: what is said, who hears it, and after `run` what came of it."""

    words: Sequence[Word]
    source: str = "en"
    stt: Stt | None = None
    mt: Translator | None = field(default_factory=Capitals)
    voice: Voice | None = field(default_factory=Voice)
    ear: EarSettings = EAR
    dub_settings: DubSettings = DUB
    glossary: Mapping[str, str] = field(default_factory=dict)
    glossaries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    breaks_ms: float | None = None
    paced: bool = True
    clock: Clock = field(default_factory=SystemClock)
    events: list[Event] = field(default_factory=list)
    dub: list[Samples] = field(default_factory=list)
    original: int = 0
    playing: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.stt = self.stt or Stt(self.words)
        self.session = Session(
            legs=Legs(
                detector=Detector(self.words),
                stt=self.stt,
                translator=lambda language: self.mt,
                synthesizer=self.voice,
            ),
            settings=SessionSettings(
                source=self.source,
                target="pt",
                rate_hz=RATE_HZ,
                ear=self.ear,
                dub=self.dub_settings,
                glossary=self.glossary,
                glossaries=self.glossaries,
            ),
            clock=self.clock,
            tell=self.events.append,
            output=self._take,
            paced=self.paced,
        )

    async def _take(self, original: Samples, dub: Samples) -> None:
        self.original += len(original)
        self.dub.append(dub)
        if dub.any():
            self.playing.set()

    async def frames(self) -> AsyncIterator[Pcm]:
        end_ms = self.words[-1].end_ms + 100 if self.words else 2000.0
        at_ms = 0.0
        while at_ms < end_ms:
            if self.breaks_ms is not None and at_ms >= self.breaks_ms:
                raise AudioError("the microphone is gone")
            await self.clock.sleep_until(round((at_ms + FRAME_MS) * NS_PER_MS))
            yield Pcm(np.ones(RATE_HZ * FRAME_MS // 1000, np.int16), RATE_HZ, at_ms)
            at_ms += FRAME_MS

    async def interpret(self) -> None:
        await self.session.run(self.frames())

    def told(self, kind: type[Any]) -> list[Any]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def heard_lines(self) -> list[int]:
        """The numbers of the lines in the dub, in the order in which they were heard."""
        sound = np.concatenate(self.dub)
        sound = sound[sound > 0]
        return [] if not len(sound) else [int(sound[0]), *map(int, sound[1:][np.diff(sound) != 0])]


class Theatre:
    """What tests take from here; `run(stage)` plays a stage on virtual time and gives it back."""

    say = staticmethod(say)
    replace = staticmethod(replace)
    Stage, Stt, Capitals, Voice = Stage, Stt, Capitals, Voice
    ear, cut, dub, gate = EAR, CUT, DUB, GATE

    @staticmethod
    def run(make: Callable[[], Stage]) -> Stage:
        async def play() -> Stage:
            stage = make()
            await stage.interpret()
            return stage

        return run_virtual(play())

    @staticmethod
    def on_virtual_time(main: Coroutine[Any, Any, Any]) -> Any:
        return run_virtual(main)


@pytest.fixture(scope="session")
def theatre() -> type[Theatre]:
    return Theatre
