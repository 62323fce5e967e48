"""One call after a script: the plane's events and what is recognised on one side, a dialogue's steps on the other.

As soon as the caller falls silent the answer is thought: final text, choice, next step, and its sound. It is committed
when the silence has lasted, and dropped when the caller goes on; until then nothing of it is heard or kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.dialogue import Dialogue, Fetch, Moment, Step, Transfer
from vivavoce.agent.ears import Ears
from vivavoce.agent.heard import History
from vivavoce.agent.policy import Policy
from vivavoce.agent.script import Script, SlotType
from vivavoce.agent.voice import Speech, Voice
from vivavoce.audio.pcm import Pcm
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.errors import CallOver, LegError
from vivavoce.media import CallEvent, Closed, Confirmed, Dtmf, Mark, SpeechEnd, SpeechStart, Started
from vivavoce.media.call import Policy as Interruption

_SPELLED = frozenset({SlotType.PHONE, SlotType.EMAIL})


class Telephone(Protocol):
    """A call, as `vivavoce.media.Call` is one."""

    def events(self) -> AsyncIterator[CallEvent]: ...

    def audio(self) -> AsyncIterator[Pcm]: ...

    async def play(self, pcm: Pcm, epoch: int, *, last: bool = False) -> None: ...

    def mark(self, name: str) -> None: ...

    def policy(self, policy: Interruption) -> None: ...

    def hang_up(self) -> None: ...


Fetcher = Callable[[Fetch], Awaitable[Mapping[str, SlotValue] | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnSettings:
    """A turn is over after so much silence; after more where something is spelled or the state asks for patience."""

    usual_ms: float = 600.0
    patient_ms: float = 1300.0
    key: str = "#"


class Conversation:
    """`run` once. `moment` and `history` are what there is to store after each turn.

    `transfer` is the number that the call is to go on with, `failure` what broke it off.
    """

    def __init__(
        self,
        call: Telephone,
        script: Script,
        policy: Policy,
        *,
        ears: Ears,
        voice: Voice,
        fetch: Fetcher,
        clock: Clock,
        turns: TurnSettings | None = None,
    ) -> None:
        self._call, self._policy, self._ears, self._voice = call, policy, ears, voice
        self._fetch, self._clock = fetch, clock
        self._turns = turns or TurnSettings()
        self._dialogue = Dialogue(script)
        self.moment = Moment(script.start)
        self.history = History()
        self.transfer: str | None = None
        self.failure: LegError | None = None
        self._epoch = 0
        self._speaking = self._busy = self._spoken_to = False
        self._thought: asyncio.Task[None] | None = None
        self._speech: Speech | None = None
        self._keys = ""

    async def run(self) -> None:
        """Talk until the call is over."""
        async with asyncio.TaskGroup() as self._group:
            works = (self._ears.run(), self._listen())
            tasks = [self._group.create_task(self._or_a_person(work)) for work in works]
            try:
                async for event in self._call.events():
                    await self._or_a_person(self._on(event))
            finally:
                self._drop_thought()
                for task in tasks:
                    task.cancel()

    async def _listen(self) -> None:
        async for pcm in self._call.audio():
            await self._ears.push(pcm)

    async def _on(self, event: CallEvent) -> None:
        match event:
            case Started():
                self._think(self._begin())
            case SpeechStart():
                self._spoken_to = True
                self._drop_thought()
                await self._ears.open()
            case SpeechEnd():
                self._spoken_to = False
                if self._speaking or self._busy:
                    # They did not mean to interrupt, or there is nothing to answer yet.
                    self._ears.close()
                else:
                    self._think(self._answer(self._clock.now_ns()))
            case Confirmed(heard_ms=heard_ms):
                self._speaking = False
                if self._speech is not None:
                    self._speech.cancel()
                self.history.interrupted(heard_ms)
            case Mark(name=name, played=True) if name == str(self._epoch) and self._speaking:
                self._finished()
            case Dtmf(digit=digit):
                self._pressed(digit)
            case Closed():
                self._drop_thought()

    def _think(self, thought: Awaitable[None]) -> None:
        self._drop_thought()
        self._thought = self._group.create_task(self._or_a_person(thought))

    async def _or_a_person(self, work: Awaitable[None]) -> None:
        try:
            await work
        except CallOver:
            return
        except LegError as error:
            # Without an ear or a voice nothing can be said any more: a person goes on, where there is one.
            self.failure = error
            script = self._dialogue.script
            self.transfer = script.states[script.person].transfer if script.person else None
            self._call.hang_up()

    def _drop_thought(self) -> None:
        if self._thought is not None:
            self._thought.cancel()
            self._thought = None

    async def _begin(self) -> None:
        step = self._dialogue.begin()
        await self._commit(step, self._voice.speech(step.lines))

    async def _answer(self, silent_ns: int) -> None:
        """Think about what was said; it is said when the silence has lasted."""
        text = await self._ears.final()
        step = self._dialogue.hear(self.moment, await self._policy.choose(text, self._dialogue.allowed(self.moment)))
        speech = self._voice.speech(step.lines)
        try:
            await speech.ready()
            await self._clock.sleep_until(silent_ns + round(self._patience_ms() * NS_PER_MS))
        except asyncio.CancelledError:
            speech.cancel()
            raise
        self._ears.close()
        self.history.caller_said(text, self.moment.state)
        await self._commit(step, speech)

    async def _silence(self) -> None:
        after_s = self._dialogue.script.silence_of(self.moment.state).after_s
        await self._clock.sleep_until(self._clock.now_ns() + round(after_s * 1000) * NS_PER_MS)
        step = self._dialogue.silence(self.moment)
        await self._commit(step, self._voice.speech(step.lines))

    async def _commit(self, step: Step, speech: Speech) -> None:
        """From here on it happens: no thought is dropped any more that has come so far."""
        self._thought = None
        self._busy = isinstance(step.action, Fetch)
        self.moment = step.moment
        await self._say(speech)
        while isinstance(step.action, Fetch):
            step = self._dialogue.answer(self.moment, await self._fetch(step.action))
            self.moment = step.moment
            await self._say(self._voice.speech(step.lines))
        self._busy = False
        if isinstance(step.action, Transfer):
            self.transfer = step.action.to
        if not self._speaking:
            self._finished()

    async def _say(self, speech: Speech) -> None:
        """Play lines as they are made, unless the caller interrupts."""
        state = self._dialogue.script.states[self.moment.state]
        self._call.policy("off" if self.moment.over else state.interrupt)
        self._speech, begun, rate_hz = speech, -1, 0
        try:
            async for n, piece in speech:
                if begun < 0:
                    self._epoch += 1
                    self._speaking = True
                if n != begun:
                    self.history.agent_begins(speech.lines[n].text, self.moment.state)
                    begun = n
                self.history.agent_plays(piece.duration_ms)
                rate_hz = piece.rate_hz
                await self._call.play(piece, self._epoch)
        finally:
            speech.cancel()
        if begun >= 0 and self._speaking:
            self.history.line_is_whole()
            await self._call.play(Pcm(np.empty(0, np.int16), rate_hz), self._epoch, last=True)
            self._call.mark(str(self._epoch))

    def _finished(self) -> None:
        """All was heard: the call ends, or it is the caller's turn."""
        self._speaking = False
        self.history.finished()
        if self.moment.over:
            self._call.hang_up()
        elif not self._spoken_to and not self._busy:
            self._think(self._silence())

    def _pressed(self, digit: str) -> None:
        self._keys += digit
        if digit == self._turns.key:
            keys, self._keys = self._keys.rstrip(digit), ""
            self._think(self._typed(keys))

    async def _typed(self, keys: str) -> None:
        choice = await self._policy.choose(keys, self._dialogue.allowed(self.moment))
        step = self._dialogue.hear(self.moment, choice)
        self.history.caller_said(keys, self.moment.state)
        await self._commit(step, self._voice.speech(step.lines))

    def _patience_ms(self) -> float:
        script, state = self._dialogue.script, self._dialogue.script.states[self.moment.state]
        spelled = any(script.slots[name].type in _SPELLED for name in state.fill)
        more = state.patience == "more" or (state.patience is None and spelled)
        return self._turns.patient_ms if more else self._turns.usual_ms
