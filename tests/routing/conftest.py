"""Legs that follow a script, for routes on virtual time: what goes wrong with them is set while they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import SystemClock
from vivavoce.config.routes import RouteSettings
from vivavoce.errors import LegError, LegLost, LegRefused
from vivavoce.legs.values import Hypothesis, SpeechChunk, Word
from vivavoce.providers.following import following
from vivavoce.providers.speech_queue import SpeechQueue, Utterance
from vivavoce.routing.route import Route, Switch
from vivavoce.routing.stt import RoutedStt, RoutedSttStream
from vivavoce.translate.stability import Agreement

RATE_HZ, FRAME_MS = 16000, 20
SETTINGS = {
    "deadline_ms": 400.0,
    "stall_ms": 400.0,
    "window_s": 60.0,
    "least": 10,
    "retry_s": 5.0,
    "longest_retry_s": 60.0,
}


def settings_of(*order: str, **more: Any) -> RouteSettings:
    return RouteSettings.model_validate({**SETTINGS, "order": list(order), **more})


@dataclass
class Recogniser:
    """Implements `SpeechToText` for words at known times. Streams are counted; `fault` is in force while it is set.

    Faults: refuse (no stream opens), dead (everything raises), stall (nothing is said any more), deaf (finals are not
    answered).
    """

    words: Sequence[Word]
    name: str = "one"
    cadence_ms: float | None = 100.0
    final_ms: float = 80.0
    fault: str = ""
    opened: int = 0
    closed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    pushes: int = 0

    async def open(self, **options: Any) -> RecogniserStream:
        if self.fault in ("refuse", "dead"):
            raise LegRefused(f"{self.name} refuses", status=503)
        self.opened += 1
        self.options = options
        return RecogniserStream(self)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


class RecogniserStream:
    def __init__(self, owner: Recogniser) -> None:
        self._owner = owner
        self.cadence_ms = owner.cadence_ms
        self._answers: asyncio.Queue[Hypothesis | LegError | None] = asyncio.Queue()
        self._jobs: set[asyncio.Task[None]] = set()
        self._forget()
        self._closed = False

    def _forget(self) -> None:
        self._from_ms: float | None = None
        self._until_ms = self._told_ms = 0.0
        self._committed: list[Word] = []

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        self._owner.pushes += 1
        if self._owner.fault == "dead":
            raise LegLost(f"{self._owner.name} broke off")
        if self._from_ms is None:
            self._from_ms = self._told_ms = pcm.start_ms
        self._until_ms = pcm.end_ms
        every_ms = self.cadence_ms
        if every_ms is not None and self._until_ms >= self._told_ms + every_ms:
            self._told_ms = self._until_ms
            self._say(self._hypothesis(final=False, epoch=0))

    def partial(self) -> None:
        if self._from_ms is not None:
            self._say(self._hypothesis(final=False, epoch=0))

    async def finalise(self, epoch: int) -> None:
        if self._owner.fault == "dead":
            raise LegLost(f"{self._owner.name} broke off")
        job = asyncio.create_task(self._final(epoch))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def commit(self, words: Sequence[Word]) -> None:
        self._committed.extend(words)

    def reset(self) -> None:
        self._forget()

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        while (answer := await self._answers.get()) is not None:
            if isinstance(answer, LegError):
                raise answer
            # Judged when it is taken: what was committed since it was heard must count.
            yield replace(answer, words=following(answer.words, self._committed))

    async def settle(self) -> None:
        while self._jobs:
            await asyncio.wait(self._jobs)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._owner.closed += 1
            for job in self._jobs:
                job.cancel()
            self._answers.put_nowait(None)

    async def _final(self, epoch: int) -> None:
        await asyncio.sleep(self._owner.final_ms / 1000)
        if self._owner.fault == "dead":
            self._answers.put_nowait(LegLost(f"{self._owner.name} broke off"))
        elif self._owner.fault != "deaf":
            self._say(self._hypothesis(final=True, epoch=epoch))

    def _say(self, hypothesis: Hypothesis) -> None:
        if self._owner.fault != "stall":
            self._answers.put_nowait(hypothesis)

    def _hypothesis(self, *, final: bool, epoch: int) -> Hypothesis:
        from_ms, until_ms = self._from_ms or 0.0, self._until_ms
        heard = [w for w in self._owner.words if w.start_ms >= from_ms - 1 and w.end_ms <= until_ms + 1]
        return Hypothesis(tuple(heard), 0.0, final, "en", epoch, heard_until_ms=until_ms)


def frame(at_ms: float, *, level: int = 1000) -> Pcm:
    return Pcm(np.full(RATE_HZ * FRAME_MS // 1000, level, np.int16), RATE_HZ, at_ms)


def said(text: str, *, start_ms: float = 200.0, word_ms: float = 250.0) -> list[Word]:
    return [Word(w, start_ms + n * word_ms, start_ms + (n + 1) * word_ms) for n, w in enumerate(text.split())]


@dataclass
class Take:
    """What came of a driven stream: committed words, the moments (ms) at which they came, and what was raised."""

    words: list[str] = field(default_factory=list)
    at_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(self.words)


class Drive:
    """Speaks frames into a routed stream at virtual real time, and commits what comes as an interpreter does."""

    def __init__(self, *engines: Recogniser, language: str = "en", keyterms: Sequence[str] = (), **more: Any) -> None:
        self.take = Take()
        self.engines = {engine.name: engine for engine in engines}
        settings = settings_of(*self.engines, **more)
        self.route = Route("stt", settings, clock=SystemClock(), tell=self.take.switches.append)
        self.routed = RoutedStt(self.route, self.engines.__getitem__)
        self._language, self._keyterms = language, keyterms
        self._agreement = Agreement(edge_ms=50)
        self._final = asyncio.Event()

    async def run(
        self,
        until_ms: float,
        *,
        faults: Sequence[tuple[float, str, str]] = (),
        voiced: Callable[[float], bool] = lambda at_ms: True,
    ) -> Take:
        """One utterance of so many ms, finalised at its end. Faults are (moment, engine, fault)."""
        loop = asyncio.get_running_loop()
        stream = await self.routed.open(language=self._language, keyterms=self._keyterms)
        begun_s = loop.time()
        taking = asyncio.create_task(self._take(stream, begun_s))
        left = sorted(faults)
        for number in range(round(until_ms / FRAME_MS)):
            while left and left[0][0] <= number * FRAME_MS:
                _, name, fault = left.pop(0)
                self.engines[name].fault = fault
            await asyncio.sleep(max(0.0, begun_s + (number + 1) * FRAME_MS / 1000 - loop.time()))
            await stream.push(frame(number * FRAME_MS), voiced=voiced(number * FRAME_MS))
        await stream.finalise(1)
        async with asyncio.timeout(30):
            await self._final.wait()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await stream.aclose()
        return self.take

    async def _take(self, stream: RoutedSttStream, begun_s: float) -> None:
        while not self._final.is_set():
            try:
                async for hypothesis in stream:
                    if hypothesis.final:
                        self._note(hypothesis.words, begun_s)
                        self._final.set()
                        return
                    settled = self._agreement.settled(hypothesis.words, heard_until_ms=hypothesis.heard_until_ms)
                    stream.commit(settled)
                    self._note(settled, begun_s)
            except LegError as error:
                self.take.errors.append(str(error))
                self._final.set()

    def _note(self, words: Sequence[Word], begun_s: float) -> None:
        now_ms = 1000.0 * (asyncio.get_running_loop().time() - begun_s)
        self.take.words += [word.text for word in words]
        self.take.at_ms += [now_ms] * len(words)


@dataclass
class Speaker:
    """Implements `Synthesizer`: every word is a chunk of 200 ms, `gap_ms` after the one before; `timed` or not.

    Faults: refuse, dead, stall (as of recognisers). Untimed, a chunk's text is its word: the finest of stretches.
    """

    name: str = "one"
    timed: bool = True
    first_ms: float = 50.0
    gap_ms: float = 40.0
    fault: str = ""
    opened: int = 0
    closed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    spoken: list[str] = field(default_factory=list)

    async def open(self, **options: Any) -> SpeakerStream:
        if self.fault in ("refuse", "dead"):
            raise LegRefused(f"{self.name} refuses", status=503)
        self.opened += 1
        self.options = options
        return SpeakerStream(self)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


class SpeakerStream:
    """A real queue of speech around a voice that follows its script."""

    def __init__(self, owner: Speaker) -> None:
        self._owner = owner
        self._queue = SpeechQueue(self._speak, rate_hz=RATE_HZ)

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        if self._owner.fault == "dead":
            raise LegLost(f"{self._owner.name} broke off")
        await self._queue.push(text, epoch, speed=speed, lead_ms=lead_ms)

    async def flush(self, epoch: int) -> None:
        await self._queue.flush(epoch)

    def cancel(self, epoch: int) -> None:
        self._queue.cancel(epoch)

    def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        return aiter(self._queue)

    async def settle(self) -> None:
        await self._queue.settle()

    async def aclose(self) -> None:
        self._owner.closed += 1
        await self._queue.aclose()

    async def _speak(self, utterance: Utterance) -> AsyncGenerator[SpeechChunk, None]:
        owner = self._owner
        wait_ms = owner.first_ms
        for word in utterance.text.split():
            await asyncio.sleep(wait_ms / 1000)
            wait_ms = owner.gap_ms
            if owner.fault == "stall":
                await asyncio.Event().wait()
            if owner.fault == "dead":
                raise LegLost(f"{owner.name} broke off")
            owner.spoken.append(word)
            words = (Word(word, 0.0, 200.0),) if owner.timed else None
            pcm = Pcm(np.full(RATE_HZ // 5, 1000, np.int16), RATE_HZ)
            yield SpeechChunk(pcm, utterance.epoch, text=word if not owner.timed else "", words=words)


@pytest.fixture(scope="session")
def kit() -> Any:
    """The scripted legs; as a fixture, since tests import no test modules."""
    return SimpleNamespace(
        Recogniser=Recogniser,
        Drive=Drive,
        Speaker=Speaker,
        said=said,
        frame=frame,
        settings_of=settings_of,
        FRAME_MS=FRAME_MS,
    )
