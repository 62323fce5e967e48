"""One call after a script: the plane's events and what is recognised on one side, a dialogue's steps on the other.

As soon as the caller falls silent the answer is thought: final text, choice, next step, and its sound. It is committed
when the silence has lasted, and dropped when the caller goes on; until then nothing of it is heard or kept. A caller
who goes on just afterwards takes it back: the turn was not over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVarTuple

import numpy as np

from vivavoce.agent.check import normalised
from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.dialogue import Dialogue, Fetch, Moment, Step, Transfer
from vivavoce.agent.ears import Ears
from vivavoce.agent.heard import History
from vivavoce.agent.policy import Policy
from vivavoce.agent.script import Script, SlotType
from vivavoce.agent.turns import PRESETS, Clues, Cut, OpenEnds, Turn, TurnSettings, certainty
from vivavoce.agent.voice import Speech, Voice
from vivavoce.agent.words import WORDS
from vivavoce.audio.pcm import Pcm
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.errors import CallOver, LegError, MediaError
from vivavoce.media import (
    END_MS,
    PAUSE_MS,
    CallEvent,
    Closed,
    Confirmed,
    Dtmf,
    Mark,
    SpeechEnd,
    SpeechPause,
    SpeechResume,
    SpeechStart,
    Started,
)
from vivavoce.media.call import Policy as Interruption

STIR_MS = 40
Ts = TypeVarTuple("Ts")
_SPELLED = frozenset({SlotType.PHONE, SlotType.EMAIL})


class Telephone(Protocol):
    """A call, as `vivavoce.media.Call` is one."""

    def events(self) -> AsyncIterator[CallEvent]: ...

    def audio(self) -> AsyncIterator[Pcm]: ...

    async def play(self, pcm: Pcm, epoch: int, *, last: bool = False) -> None: ...

    def mark(self, name: str) -> None: ...

    async def clear(self) -> float: ...

    def policy(self, policy: Interruption) -> None: ...

    def hang_up(self) -> None: ...


Fetcher = Callable[[Fetch], Awaitable[Mapping[str, SlotValue] | None]]


@dataclass(frozen=True, slots=True)
class _Regret:
    """What a decision is taken back to."""

    moment: Moment
    until_ns: int


class Conversation:
    """`run` once. `moment` and `history` are what there is to store after each turn.

    `transfer` is the number that the call is to go on with, `failure` what broke it off; `turns` and `cuts` are for
    whoever measures.
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
        turns: TurnSettings = PRESETS["usual"],
        keep: Callable[[Conversation], Coroutine[None, None, None]] | None = None,
    ) -> None:
        self._call, self._policy, self._ears, self._voice = call, policy, ears, voice
        self._fetch, self._clock, self._settings, self._keep = fetch, clock, turns, keep
        self._dialogue = Dialogue(script)
        words = WORDS[script.language]
        self._open_ends = OpenEnds(words.never_last, words.seldom_last)
        self.moment = Moment(script.start)
        self.history = History()
        self.turns: list[Turn] = []
        self.cuts: list[Cut] = []
        self.transfer: str | None = None
        self.failure: LegError | MediaError | None = None
        self._epoch = 0
        self._speaking = self._busy = self._spoken_to = self._again = self._gone = False
        self._thought: asyncio.Task[None] | None = None
        self._speech: Speech | None = None
        self._regret: _Regret | None = None
        self._keys = ""

    async def run(self) -> None:
        """Talk until the call is over."""
        async with asyncio.TaskGroup() as self._group:
            works = (self._ears.run, self._listen)
            tasks = [self._group.create_task(self._or_a_person(work)) for work in works]
            try:
                async for event in self._call.events():
                    await self._or_a_person(self._on, event)
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
                self._think(self._begin)
            case SpeechStart():
                self._spoken_to = True
                self._goes_on()
                self._again = self._speaking and self._regrets
                await self._ears.open(again=self._again)
            case SpeechPause() if not self._deaf and not self._ears.crowded:
                self._think(self._answer, self._ago_ns(PAUSE_MS))
            case SpeechResume():
                self._goes_on()
            case SpeechEnd():
                self._spoken_to = False
                if self._deaf:
                    # They did not mean to interrupt, or there is nothing to answer yet.
                    self._ears.close()
                elif self._thought is None:
                    self._think(self._answer, self._ago_ns(END_MS))
            case Confirmed(heard_ms=heard_ms):
                self._interrupted(heard_ms)
            case Mark(name=name, played=True) if name == str(self._epoch) and self._speaking:
                self._finished()
            case Dtmf(digit=digit):
                await self._pressed(digit)
            case Closed():
                self._gone = True
                self._drop_thought()
                if self._speech is not None:
                    self._speech.cancel()

    @property
    def _deaf(self) -> bool:
        """Whether what the caller says now is no turn, unless it interrupts."""
        return self._speaking or self._busy or bool(self._keys)

    @property
    def _regrets(self) -> bool:
        """Whether who speaks up now had not finished when we began to answer."""
        return self._regret is not None and self._clock.now_ns() < self._regret.until_ns

    def _ago_ns(self, ms: float) -> int:
        return self._clock.now_ns() - round(ms * NS_PER_MS)

    def _think(self, thought: Callable[[*Ts], Awaitable[None]], *about: *Ts) -> None:
        self._drop_thought()
        self._thought = self._group.create_task(self._or_a_person(thought, *about))

    async def _or_a_person(self, work: Callable[[*Ts], Awaitable[None]], *about: *Ts) -> None:
        try:
            await work(*about)
        except CallOver:
            return
        except (LegError, MediaError) as error:
            # Without an ear or a voice nothing can be said any more: a person goes on, where there is one.
            self.failure = error
            script = self._dialogue.script
            self.transfer = script.states[script.person].transfer if script.person else None
            self._call.hang_up()

    def _drop_thought(self) -> None:
        if self._thought is not None:
            self._thought.cancel()
            self._thought = None

    def _goes_on(self) -> None:
        """The caller speaks: whatever was thought of the silence is void. Who types is not disturbed by it."""
        if not self._keys:
            self._drop_thought()

    async def _begin(self) -> None:
        step = self._dialogue.begin()
        await self._commit(step, self._voice.speech(step.lines))

    async def _answer(self, silent_ns: int) -> None:
        """Think about what was said; it is said when the silence has lasted."""
        text, probability = await asyncio.gather(self._ears.final(), self._ears.complete())
        if not normalised(text):
            # A noise: the caller is silent still.
            self._ears.close()
            await self._silence()
            return
        choice = await self._policy.choose(text, self._dialogue.allowed(self.moment))
        step = self._dialogue.hear(self.moment, choice)
        sure = certainty(Clues(text, probability, choice.likeness), open_ends=self._open_ends)
        speech = self._voice.speech(step.lines)
        try:
            await speech.ready()
            wait_ms = self._settings.wait_ms(sure, spelled=self._is_spelled)
            await self._clock.sleep_until(silent_ns + round(wait_ms * NS_PER_MS))
            while self._ears.stirred:
                # If it is a voice, we shall be told.
                await self._clock.sleep_until(self._clock.now_ns() + STIR_MS * NS_PER_MS)
        except asyncio.CancelledError:
            speech.cancel()
            raise
        self._ears.hold()
        now_ns = self._clock.now_ns()
        if not step.moment.over and not isinstance(step.action, Fetch):
            self._regret = _Regret(self.moment, now_ns + round(self._settings.regret_ms * NS_PER_MS))
        fixed = bool(step.lines) and step.lines[0].fixed
        self.turns.append(Turn(text, self.moment.state, silent_ns, now_ns, fixed, sure))
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
        self._reach(step.moment)
        await self._say(speech)
        while isinstance(step.action, Fetch):
            step = self._dialogue.answer(self.moment, await self._fetch(step.action))
            self._reach(step.moment)
            await self._say(self._voice.speech(step.lines))
        self._busy = False
        if isinstance(step.action, Transfer):
            self.transfer = step.action.to
        if not self._speaking:
            self._finished()

    def _reach(self, moment: Moment) -> None:
        self.moment = moment
        if self._keep is not None:
            self._group.create_task(self._keep(self))

    async def _say(self, speech: Speech) -> None:
        """Play lines as they are made, unless the caller interrupts."""
        state = self._dialogue.script.states[self.moment.state]
        self._speech, begun, rate_hz = speech, -1, 0
        try:
            self._call.policy("off" if self.moment.over else state.interrupt)
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

    def _interrupted(self, heard_ms: float) -> None:
        self._speaking = False
        if self._speech is not None:
            self._speech.cancel()
        self.cuts.append(Cut(self._clock.now_ns(), heard_ms))
        self.history.interrupted(heard_ms)
        if self._again and self._regret is not None:
            # It was no end: the turn goes on from where it was, and is answered as a whole.
            self.moment = self._regret.moment
            self.history.caller_goes_on()
            self.turns.pop()
        self._regret = None

    def _finished(self) -> None:
        """All was heard: the call ends, or it is the caller's turn."""
        self._speaking = False
        self._regret = None
        self.history.finished()
        if self._gone:
            return
        if self.moment.over:
            self._call.hang_up()
        elif not self._spoken_to and not self._busy:
            self._think(self._silence)

    async def _pressed(self, digit: str) -> None:
        """Keys are one text, up to the key that ends it or until no more come; the first one interrupts."""
        if self._busy or self.moment.over:
            return
        if self._speaking and self._dialogue.script.states[self.moment.state].interrupt != "off":
            self._interrupted(self.history.playing_ms - await self._call.clear())
        ends = digit == self._settings.key
        self._keys += "" if ends else digit
        self._think(self._typed, 0.0 if ends else self._settings.key_ms)

    async def _typed(self, wait_ms: float) -> None:
        await self._clock.sleep_until(self._clock.now_ns() + round(wait_ms * NS_PER_MS))
        keys, self._keys = self._keys, ""
        choice = await self._policy.choose(keys, self._dialogue.allowed(self.moment))
        step = self._dialogue.hear(self.moment, choice)
        self._ears.close()
        self.history.caller_said(keys, self.moment.state)
        await self._commit(step, self._voice.speech(step.lines))

    @property
    def _is_spelled(self) -> bool:
        script, state = self._dialogue.script, self._dialogue.script.states[self.moment.state]
        spelled = any(script.slots[name].type in _SPELLED for name in state.fill)
        return state.patience == "more" or (state.patience is None and spelled)
