"""The recognition leg that decides who recognises, and goes on with somebody else in the middle of a word.

Sound is kept from 1.5 s before the last committed word on. Who takes over is told the committed words and hears that
sound again, as fast as it takes it; what it says after them is new.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from vivavoce.accounts.spend import SpendGuard
from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegCapped, LegError, LegLost, LegTimeout
from vivavoce.ledger.usage import UNMETERED, Meter, SoundMeter, Work
from vivavoce.legs.stt import SpeechToText, SttStream
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.routing.engines import Engines, Openings, until
from vivavoce.routing.grants import Grants
from vivavoce.routing.route import PATIENCE, Route

_REPLAY_MS = 1500.0
_MARGIN_MS = 60.0
_KEPT_MS = 28_000.0
"""Sound without a committed word that is heard again at most: more than that holds none."""
_HURRIED_MS, _HURRY_MS, _LEAST_MS = 2000.0, 200.0, 700.0
"""Who takes over in mid-speech and speaks only when asked is asked so often for so long, or until words are committed:
what the one before had said of them is lost, and the listener waits. Sound shorter than the last is not asked about.
"""
_AUTO = "auto"


class RoutedStt:
    """Implements `SpeechToText` over the engines of a route. Where `guard` says to degrade, the next one is taken."""

    def __init__(
        self,
        route: Route,
        make: Callable[[str], SpeechToText],
        *,
        guard: SpendGuard | None = None,
        meter: Meter = UNMETERED,
    ) -> None:
        self._route, self._engines, self._guard, self._meter = route, Engines(route, make), guard, meter

    def metered_by(self, meter: Meter) -> RoutedStt:
        """This leg for one session; the engines and what is known of them are shared, and are closed with this one."""
        metered = copy.copy(self)
        metered._meter = meter
        return metered

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> RoutedSttStream:
        """Raises what the last candidate said where none can open a stream."""

        async def open_(name: str) -> SttStream:
            return await self._engines.get(name).open(language=language, keyterms=keyterms, rate_hz=rate_hz)

        def fits(name: str) -> bool:
            return not grants.out(name) and (language == _AUTO or self._engines.speaks(name, language))

        grants = Grants(self._guard, self._route.leg)
        stream = RoutedSttStream(self._route, Openings(self._route, open_, fits), grants=grants, meter=self._meter)
        await stream.begin()
        return stream

    @property
    def best(self) -> SpeechToText:
        """The engine that a new stream would begin with. Raises what making it raises."""
        return self._engines.get(self._route.candidates()[0])

    async def warm_up(self) -> None:
        await self._engines.warm_up()

    async def aclose(self) -> None:
        await self._engines.aclose()


@dataclass(slots=True, eq=False)
class _Serving:
    """Who recognises now; `over` is done when somebody else does. It hurries while it owes its predecessor's words."""

    engine: str
    stream: SttStream
    over: asyncio.Future[None]
    sound: SoundMeter
    hurry_until_ms: float = 0.0
    answered: bool = False
    cadence_ms: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.cadence_ms = getattr(self.stream, "cadence_ms", None)


@dataclass(frozen=True, slots=True)
class _Sound:
    number: int
    pcm: Pcm
    voiced: bool


class RoutedSttStream:
    """Implements `SttStream`. Where nobody can serve, that is raised once to whoever iterates; `reset` tries anew."""

    def __init__(
        self,
        route: Route,
        openings: Openings[SttStream],
        *,
        grants: Grants,
        meter: Meter = UNMETERED,
    ) -> None:
        self._route, self._openings, self._grants, self._meter = route, openings, grants, meter
        self._loop = asyncio.get_running_loop()
        self._serving: _Serving | None = None
        self._joining: SttStream | None = None
        self._recovering: asyncio.Task[None] | None = None
        self._error: LegError | None = None
        self._down = self._closed = False
        self._changed = asyncio.Event()
        self._sound: deque[_Sound] = deque()
        self._pushed = 0
        self._committed: list[Word] = []
        self._asked: tuple[int, float] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._pushed_s = 0.0
        self._unanswered_ms = self._next_partial_ms = 0.0

    @property
    def serving(self) -> str:
        """The engine that recognises now; empty while there is none."""
        return self._serving.engine if self._serving else ""

    async def begin(self) -> None:
        """Open the first stream. Raises what the last candidate said where none can."""
        name, stream = await self._openings.first()
        self._serve(name, stream, self._route.why(name, self._openings.refused))

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        self._pushed += 1
        self._sound.append(_Sound(self._pushed, pcm, voiced))
        self._forget_sound(pcm.end_ms - _KEPT_MS)
        serving = self._serving
        if serving is None:
            self._recover()
            return
        if not self._grants.spend(serving.engine, pcm.duration_ms / 1000):
            self._fail(serving, LegCapped(self._grants.reason))
            return
        try:
            await serving.stream.push(pcm, voiced=voiced)
        except LegError as error:
            self._fail(serving, error)
            return
        serving.sound.add(pcm.duration_ms)
        self._watch(serving, pcm.duration_ms, voiced)
        if pcm.end_ms < serving.hurry_until_ms and voiced and serving.cadence_ms is None:
            self._hurry(serving, pcm.end_ms)

    def partial(self) -> None:
        if self._serving is not None:
            self._serving.stream.partial()

    async def finalise(self, epoch: int) -> None:
        self._asked = epoch, self._loop.time()
        serving = self._serving
        if serving is None:
            self._recover()
            return
        self._await_final(serving)
        try:
            await serving.stream.finalise(epoch)
        except LegError as error:
            self._fail(serving, error)

    def commit(self, words: Sequence[Word]) -> None:
        self._committed.extend(words)
        if words and self._serving is not None:
            self._serving.hurry_until_ms = 0.0
        if self._committed:
            last_ms = self._committed[-1].end_ms
            recent = [word for word in self._committed if word.start_ms >= last_ms - _REPLAY_MS]
            self._committed = recent or self._committed[-1:]
            self._forget_sound(self._committed[0].start_ms - _MARGIN_MS)
        for stream in (self._serving.stream if self._serving else None, self._joining):
            if stream is not None:
                stream.commit(words)

    def reset(self) -> None:
        self._sound.clear()
        self._committed.clear()
        self._asked = None
        self._unanswered_ms = self._next_partial_ms = 0.0
        self._disarm()
        self._down = False
        self._error = None
        if self._joining is not None:
            self._joining.reset()
        if self._serving is not None:
            self._serving.stream.reset()
            self._reconsider(self._serving)

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        while (serving := await self._someone()) is not None:
            answers = aiter(serving.stream)
            try:
                while (hypothesis := await until(serving.over, answers)) is not None:
                    self._answered(serving, hypothesis)
                    yield hypothesis
                if not self._closed:
                    self._fail(serving, LegLost(f"{serving.engine} ended its stream"))
            except LegError as error:
                self._fail(serving, error)

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
        serving, self._serving = self._serving, None
        if self._recovering is not None:
            self._recovering.cancel()
            await asyncio.gather(self._recovering, return_exceptions=True)
        if serving is not None:
            self._leave(serving)
        await self._openings.aclose()
        self._changed.set()

    async def _someone(self) -> _Serving | None:
        """Who serves, waited for; None when all is over. Raises why nobody does, once."""
        while not self._closed:
            if self._serving is not None:
                return self._serving
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            self._changed.clear()
            await self._changed.wait()
        return None

    def _serve(self, name: str, stream: SttStream, why: str) -> _Serving:
        self._meter.moved(self._route.leg, name, place=self._route.place(name), why=why)
        sound = SoundMeter(self._meter, self._route.leg, name)
        self._serving = serving = _Serving(name, stream, self._loop.create_future(), sound)
        self._unanswered_ms = 0.0
        self._pushed_s = self._loop.time()
        if self._asked is not None:
            self._asked = self._asked[0], self._pushed_s  # what it answers late is its own lateness
            self._await_final(serving)
        self._route.begin(name)
        self._changed.set()
        self._openings.prepare(serving=name)
        return serving

    def _leave(self, serving: _Serving) -> None:
        """Fence who served: nothing of it is taken any more, and close its stream."""
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
        if not isinstance(error, LegCapped):
            self._route.failed(serving.engine, error)
        self._leave(serving)
        tried = self._openings.tried(serving.engine, error, answered=serving.answered)
        self._recovering = asyncio.create_task(self._take_over(serving.engine, error, tried))

    def _give_up(self, failed: str | None, error: LegError) -> None:
        self._down, self._error = True, error
        if failed is not None:
            self._route.switched(failed, None, str(error))
        self._changed.set()

    def _recover(self) -> None:
        """Sound came while nobody serves, after everything was forgotten: try anew."""
        if self._recovering is None and not self._down and not self._closed:
            self._recovering = asyncio.create_task(self._take_over(None, None, set()))

    async def _take_over(self, failed: str | None, error: LegError | None, tried: set[str]) -> None:
        try:
            name, stream = await self._openings.join(tried=tried, take=self._replay, admit=self._grants.admit)
        except LegError as last:
            self._give_up(failed, error or (LegCapped(self._grants.reason) if self._grants.refused else last))
        else:
            self._go_on(self._serve(name, stream, self._route.why(name, error)))
            self._meter.used(self._route.leg, name, Work(sound_ms=sum(sound.pcm.duration_ms for sound in self._sound)))
            self._route.switched(failed, name, str(error) if error else "tried again")
        finally:
            self._joining = self._recovering = None

    async def _replay(self, stream: SttStream) -> None:
        """Let a new stream hear what is kept, and what comes meanwhile; it may all be forgotten meanwhile, too."""
        self._joining = stream
        stream.commit(tuple(self._committed))
        heard = 0
        asked: tuple[int, float] | None = None
        while (sound := self._sound_after(heard)) is not None or asked != self._asked:
            if sound is not None:
                heard = sound.number
                await stream.push(sound.pcm, voiced=sound.voiced)
                continue
            asked = self._asked
            if asked is not None:
                await stream.finalise(asked[0])

    def _sound_after(self, number: int) -> _Sound | None:
        at = max(0, number + 1 - self._sound[0].number) if self._sound else 0
        return self._sound[at] if at < len(self._sound) else None

    def _go_on(self, serving: _Serving) -> None:
        """Ask who took over for what its predecessor owes."""
        if not self._sound:
            return
        serving.hurry_until_ms = self._sound[-1].pcm.end_ms + _HURRIED_MS
        if self._asked is None:
            serving.stream.partial()

    def _answered(self, serving: _Serving, hypothesis: Hypothesis) -> None:
        self._unanswered_ms = 0.0
        serving.answered = True
        if hypothesis.final and self._asked is not None and hypothesis.epoch == self._asked[0]:
            latency_ms = 1000.0 * (self._loop.time() - self._asked[1])
            self._asked = None
            self._disarm()
            self._route.succeeded(serving.engine, latency_ms)
            self._meter.used(self._route.leg, serving.engine, Work(sound_ms=0.0, latency_ms=latency_ms))

    def _watch(self, serving: _Serving, pushed_ms: float, voiced: bool) -> None:
        """Count for how long speech was heard of which nothing was said; sound that comes at once takes no time."""
        now_s = self._loop.time()
        if voiced and serving.cadence_ms is not None:
            self._unanswered_ms += min(pushed_ms, 1000.0 * (now_s - self._pushed_s))
            if self._unanswered_ms > serving.cadence_ms + self._route.triggers(serving.engine).stall_ms:
                if self._openings.others({serving.engine}):
                    reason = f"{serving.engine} said nothing for {self._unanswered_ms:.0f} ms of speech"
                    self._fail(serving, LegTimeout(reason))
                self._unanswered_ms = 0.0
        self._pushed_s = now_s

    def _hurry(self, serving: _Serving, now_ms: float) -> None:
        if now_ms >= self._next_partial_ms and now_ms - self._sound[0].pcm.start_ms >= _LEAST_MS:
            self._next_partial_ms = now_ms + _HURRY_MS
            serving.stream.partial()

    def _await_final(self, serving: _Serving) -> None:
        self._disarm()
        deadline_ms = self._route.triggers(serving.engine).deadline_ms
        self._deadline = self._loop.call_later(deadline_ms / 1000, self._final_is_late, serving, deadline_ms)

    def _final_is_late(self, serving: _Serving, waited_ms: float) -> None:
        if self._openings.others({serving.engine}):
            self._fail(serving, LegTimeout(f"{serving.engine} did not finish within {waited_ms:.0f} ms"))
        else:
            longest_ms = PATIENCE * waited_ms
            error = LegTimeout(f"{serving.engine} did not finish within {longest_ms:.0f} ms")
            self._deadline = self._loop.call_later((longest_ms - waited_ms) / 1000, self._fail, serving, error)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _reconsider(self, serving: _Serving) -> None:
        """Between utterances whoever is the first choice now takes over."""
        taken = self._openings.swap(serving.engine, serving.stream, admit=self._grants.admit)
        if taken is None:
            self._openings.prepare(serving=serving.engine)
            return
        self._fence(serving)
        self._serve(*taken, self._route.why(taken[0]))
        self._route.switched(serving.engine, taken[0], "the better choice now")

    def _forget_sound(self, until_ms: float) -> None:
        while self._sound and self._sound[0].pcm.end_ms <= until_ms:
            self._sound.popleft()
