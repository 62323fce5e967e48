"""The synthesis leg that decides who speaks, and goes on with another voice at the first word not heard.

What was passed on will be heard. Where an engine times its words, a word counts as heard when its sound was passed on
to its end; without times a stretch of text does when the next one has begun.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from vivavoce.accounts.spend import Interval, SpendGuard, Verdict
from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegCapped, LegError, LegLost, LegTimeout
from vivavoce.ledger.usage import UNMETERED, Meter, SoundMeter, Work
from vivavoce.legs.tts import SpeechStream, Synthesizer
from vivavoce.legs.values import SpeechChunk
from vivavoce.routing.engines import Engines, Openings, until
from vivavoce.routing.route import PATIENCE, Route

_CANCELLED = 64
"""So many epochs that were cancelled are remembered: their text may still be on its way here."""


class RoutedSynthesizer:
    """Implements `Synthesizer` over the engines of a route. Where `guard` says to degrade, nothing is spoken."""

    def __init__(
        self,
        route: Route,
        make: Callable[[str], Synthesizer],
        *,
        guard: SpendGuard | None = None,
        meter: Meter = UNMETERED,
    ) -> None:
        self._route, self._engines, self._guard, self._meter = route, Engines(route, make), guard, meter

    def metered_by(self, meter: Meter) -> RoutedSynthesizer:
        """This leg for one session; the engines and what is known of them are shared, and are closed with this one."""
        metered = copy.copy(self)
        metered._meter = meter
        return metered

    async def open(self, *, voice: str, language: str, rate_hz: int) -> RoutedSpeechStream:
        """`voice` is one of the route's, or the first engine's. Raises what the last candidate said."""

        async def open_(name: str) -> SpeechStream:
            named = self._route.voice(voice, name)
            return await self._engines.get(name).open(voice=named, language=language, rate_hz=rate_hz)

        def fits(name: str) -> bool:
            return self._engines.speaks(name, language)

        openings = Openings(self._route, open_, fits)
        stream = RoutedSpeechStream(self._route, openings, rate_hz=rate_hz, guard=self._guard, meter=self._meter)
        await stream.begin()
        return stream

    def engine(self, name: str) -> Synthesizer:
        """One of the engines, itself. Raises LegError where it cannot be made."""
        return self._engines.get(name)

    async def warm_up(self) -> None:
        await self._engines.warm_up()

    async def aclose(self) -> None:
        await self._engines.aclose()


@dataclass(slots=True)
class _Said:
    """One epoch: what was pushed, and what of it was passed on.

    `ends_ms` are those of its words, of an engine that times them; `begun` the stretches of text whose sound began, of
    one that does not. `since_s` is since when sound of it is waited for.
    """

    texts: list[str] = field(default_factory=list)
    speed: float = 1.0
    flushed: bool = False
    passed_ms: float = 0.0
    ends_ms: list[float] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    since_s: float | None = None
    granted: list[Interval] = field(default_factory=list)

    def rest(self) -> str:
        """The text from the first word on that was not heard."""
        words = " ".join(self.texts).split()
        heard = sum(end_ms <= self.passed_ms for end_ms in self.ends_ms)
        return " ".join(words[heard or sum(len(text.split()) for text in self.begun[:-1]) :])


@dataclass(slots=True, eq=False)
class _Serving:
    engine: str
    stream: SpeechStream
    over: asyncio.Future[None]
    sound: SoundMeter
    answered: bool = False


class RoutedSpeechStream:
    """Implements `SpeechStream`. Where nobody can speak, that is raised by `push`, which tries anew every time."""

    def __init__(
        self,
        route: Route,
        openings: Openings[SpeechStream],
        *,
        rate_hz: int,
        guard: SpendGuard | None = None,
        meter: Meter = UNMETERED,
    ) -> None:
        self._route, self._openings, self._guard, self._meter = route, openings, guard, meter
        self._silence = Pcm(np.zeros(0, np.int16), rate_hz)
        self._loop = asyncio.get_running_loop()
        self._serving: _Serving | None = None
        self._joining: SpeechStream | None = None
        self._recovering: asyncio.Task[None] | None = None
        self._said: dict[int, _Said] = {}
        self._cancelled: deque[int] = deque(maxlen=_CANCELLED)
        self._ended: deque[int] = deque()
        self._error: LegError | None = None
        self._closed = False
        self._changed = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def serving(self) -> str:
        """The engine that speaks now; empty while there is none."""
        return self._serving.engine if self._serving else ""

    async def begin(self) -> None:
        """Open the first stream. Raises what the last candidate said where none can."""
        name, stream = await self._openings.first()
        self._serve(name, stream, self._route.why(name, self._openings.refused))

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        serving = await self._ready()
        if epoch in self._cancelled:
            return
        interval = Interval(self._route.leg, serving.engine, len(text), "characters")
        if self._guard is not None and self._guard.ask(interval) is Verdict.DEGRADE:
            raise LegCapped(self._guard.reason)
        said = self._said.setdefault(epoch, _Said())
        said.texts.append(text)
        said.granted.append(interval)
        said.speed = speed
        self._watch()
        try:
            await serving.stream.push(text, epoch, speed=speed, lead_ms=lead_ms)
        except LegError as error:
            self._fail(serving, error)
        else:
            self._meter.used(self._route.leg, serving.engine, Work(characters=len(text), sound_ms=0.0))

    async def flush(self, epoch: int) -> None:
        while self._recovering is not None:
            await asyncio.wait([self._recovering])
        if epoch in self._cancelled:
            return
        serving = self._serving
        if serving is None:
            self._end([epoch])
            return
        self._said.setdefault(epoch, _Said()).flushed = True
        self._watch()
        try:
            await serving.stream.flush(epoch)
        except LegError as error:
            self._fail(serving, error)

    def cancel(self, epoch: int) -> None:
        self._done(epoch)
        self._cancelled.append(epoch)
        for stream in (self._serving.stream if self._serving else None, self._joining):
            if stream is not None:
                stream.cancel(epoch)
        self._watch()

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        while not self._closed:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            while self._ended:
                yield SpeechChunk(self._silence, self._ended.popleft(), last=True)
            serving = self._serving
            if serving is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            chunks = aiter(serving.stream)
            try:
                while (chunk := await until(serving.over, chunks)) is not None:
                    if not chunk.kept:
                        serving.sound.add(chunk.pcm.duration_ms)
                    if chunk.last:
                        serving.sound.tell()
                    if self._passed(serving, chunk):
                        yield chunk
                if not self._closed:
                    self._fail(serving, LegLost(f"{serving.engine} ended its stream"))
            except LegError as failed:
                self._fail(serving, failed)

    async def settle(self) -> None:
        while self._recovering is not None:
            await asyncio.wait([self._recovering])
        if self._serving is not None:
            await self._serving.stream.settle()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._disarm()
        if self._recovering is not None:
            self._recovering.cancel()
            await asyncio.gather(self._recovering, return_exceptions=True)
        serving, self._serving = self._serving, None
        if serving is not None:
            self._leave(serving)
        await self._openings.aclose()
        self._changed.set()

    async def _ready(self) -> _Serving:
        """Who speaks, waited for while somebody takes over. Raises LegError where nobody does."""
        while self._recovering is not None:
            await asyncio.wait([self._recovering])
        if self._closed:
            raise LegError("this voice was closed")
        if self._serving is None:
            name, stream = await self._openings.next(tried=set())
            if self._closed:
                await stream.aclose()
                raise LegError("this voice was closed")
            self._error = None  # of clauses that nobody waits for any more
            self._serve(name, stream, self._route.why(name))
            self._route.switched(None, name, "tried again")
        else:
            self._reconsider(self._serving)
        assert self._serving is not None
        return self._serving

    def _serve(self, name: str, stream: SpeechStream, why: str) -> None:
        self._meter.moved(self._route.leg, name, place=self._route.place(name), why=why)
        sound = SoundMeter(self._meter, self._route.leg, name)
        self._serving = _Serving(name, stream, self._loop.create_future(), sound)
        self._route.begin(name)
        self._changed.set()
        self._openings.prepare(serving=name)

    def _leave(self, serving: _Serving) -> None:
        """Fence who spoke: nothing of it is heard any more, and close its stream."""
        self._fence(serving)
        self._openings.leave(serving.stream)

    def _fence(self, serving: _Serving) -> None:
        if not serving.over.done():
            serving.over.set_result(None)
        serving.sound.tell()
        self._route.end(serving.engine)

    def _fail(self, serving: _Serving, error: LegError) -> None:
        if serving is not self._serving or self._closed:
            return
        self._serving = None
        self._disarm()
        self._route.failed(serving.engine, error)
        self._leave(serving)
        tried = self._openings.tried(serving.engine, error, answered=serving.answered)
        self._recovering = asyncio.create_task(self._take_over(serving.engine, error, tried))

    async def _take_over(self, failed: str, error: LegError, tried: set[str]) -> None:
        try:
            name, stream = await self._openings.join(tried=tried, take=self._say_rest)
        except LegError:
            # What was under way will not be spoken.
            flushed = [epoch for epoch, said in self._said.items() if said.flushed]
            for epoch in tuple(self._said):
                self._done(epoch)
            self._error = error
            self._end(flushed)
            self._route.switched(failed, None, str(error))
        else:
            self._serve(name, stream, self._route.why(name, error))
            again = sum(len(text) for said in self._said.values() for text in said.texts)
            self._meter.used(self._route.leg, name, Work(characters=again, sound_ms=0.0))
            self._watch()
            self._route.switched(failed, name, str(error))
        finally:
            self._joining = self._recovering = None

    async def _say_rest(self, stream: SpeechStream) -> None:
        self._joining = stream
        for epoch, said in tuple(self._said.items()):
            if epoch not in self._said:
                continue  # cancelled meanwhile
            text = said.rest()
            self._said[epoch] = _Said([text] if text else [], said.speed, said.flushed, granted=said.granted)
            if text:
                await stream.push(text, epoch, speed=said.speed)
            if said.flushed:
                await stream.flush(epoch)

    def _end(self, epochs: Iterable[int]) -> None:
        """Nothing more will be heard of these."""
        self._ended.extend(epochs)
        self._changed.set()

    def _done(self, epoch: int) -> None:
        said = self._said.pop(epoch, None)
        if said is not None and self._guard is not None:
            for interval in said.granted:
                self._guard.done(interval)

    def _passed(self, serving: _Serving, chunk: SpeechChunk) -> bool:
        """Note what the listener will have heard; False for a chunk that nobody waits for."""
        said = self._said.get(chunk.epoch)
        if said is None:
            return False
        serving.answered = True
        now_s = self._loop.time()
        asked = not said.passed_ms and said.since_s is not None and not chunk.kept
        latency_ms = 1000.0 * (now_s - (said.since_s or 0.0)) if asked else None
        self._route.succeeded(serving.engine, latency_ms)
        if latency_ms is not None:
            self._meter.used(self._route.leg, serving.engine, Work(sound_ms=0.0, latency_ms=latency_ms))
        if chunk.text:
            said.begun.append(chunk.text)
        if chunk.words is not None:
            said.ends_ms.extend(said.passed_ms + word.end_ms for word in chunk.words)
        said.passed_ms += chunk.pcm.duration_ms
        said.since_s = now_s
        if chunk.last:
            self._done(chunk.epoch)
        self._watch()
        return True

    def _watch(self) -> None:
        """Expect sound of the first epoch that is not over: within the deadline, later without a stall."""
        self._disarm()
        said = next(iter(self._said.values()), None)
        serving = self._serving
        if said is None or serving is None or (said.passed_ms and not said.flushed):
            return  # nothing is due, or more text is still to come
        if said.since_s is None:
            said.since_s = self._loop.time()
        triggers = self._route.triggers(serving.engine)
        wait_ms = triggers.stall_ms if said.passed_ms else triggers.deadline_ms
        self._deadline = self._loop.call_at(said.since_s + wait_ms / 1000, self._sound_is_late, serving, wait_ms)

    def _sound_is_late(self, serving: _Serving, waited_ms: float) -> None:
        if self._openings.others({serving.engine}):
            self._fail(serving, LegTimeout(f"{serving.engine} gave no sound for {waited_ms:.0f} ms"))
        else:
            longest_ms = PATIENCE * waited_ms
            error = LegTimeout(f"{serving.engine} gave no sound for {longest_ms:.0f} ms")
            self._deadline = self._loop.call_later((longest_ms - waited_ms) / 1000, self._fail, serving, error)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _reconsider(self, serving: _Serving) -> None:
        """Between clauses whoever is the first choice now takes over."""
        if self._said:
            return
        taken = self._openings.swap(serving.engine, serving.stream)
        if taken is None:
            self._openings.prepare(serving=serving.engine)
            return
        self._fence(serving)
        self._serve(*taken, self._route.why(taken[0]))
        self._route.switched(serving.engine, taken[0], "the better choice now")
