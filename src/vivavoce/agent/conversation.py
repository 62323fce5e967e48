"""One call after a script: the plane's events and what is recognised on one side, a dialogue's steps on the other.

As soon as the caller falls silent the answer is thought: final text, choice, next step, and its sound. It is committed
when the silence has lasted, and dropped when the caller goes on; until then nothing of it is heard or kept. A caller
who goes on just afterwards takes it back: the turn was not over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVarTuple

import numpy as np

from vivavoce.agent.check import normalised
from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.dialogue import Allowed, Choice, Dialogue, Fetch, Moment, Step, Transfer
from vivavoce.agent.ears import Ears
from vivavoce.agent.heard import History
from vivavoce.agent.policy import Policy
from vivavoce.agent.script import Script, SlotType
from vivavoce.agent.telephone import Telephone
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

STIR_MS, STIRS = 40, 5
Ts = TypeVarTuple("Ts")
LONG_AGO_MS = 60_000.0
_SPELLED = frozenset({SlotType.PHONE, SlotType.EMAIL})
_IN_DIGITS = frozenset({SlotType.NUMBER, SlotType.TEXT, SlotType.NAME})

Fetcher = Callable[[Fetch], Awaitable[Mapping[str, SlotValue] | None]]


@dataclass(frozen=True, slots=True)
class _Regret:
    """What a decision is taken back to."""

    moment: Moment
    until_ns: int


class Conversation:
    """`run` once. `moment` and `history` are what there is to store: `keep` is told whenever that has changed, and
    `watch` of each of the call's events.

    `transfer` is the number that the call is to go on with, `failure` what broke it off; `turns`, of which the first
    `stood` cannot be taken back any more, `cuts` and `replies_ns`, when the first sound of what was said was given to
    the call, are for whoever measures.

    Who is at it: the caller from `SpeechStart` to `SpeechEnd` (`_spoken_to`), with ears open; a thought in their pauses
    (`_thought`); the agent from a decision until its lines were heard (`_speaking`), with ears held while it may be
    regretted; a request (`_busy`); or keys (`_keys`). What the caller says to an agent that is at it is no turn, except
    that it interrupts, or takes the decision back (`_again`).
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
        keep: Callable[[Conversation], None] = lambda _: None,
        watch: Callable[[CallEvent], None] = lambda _: None,
    ) -> None:
        self._call, self._policy, self._ears, self._voice = call, policy, ears, voice
        self._fetch, self._clock, self._settings, self._keep, self._watch = fetch, clock, turns, keep, watch
        self._dialogue = Dialogue(script)
        words = WORDS[script.language]
        self._open_ends = OpenEnds(words.never_last, words.seldom_last)
        self._digits = words.digits.keys()
        self.moment = Moment(script.start)
        self.history = History()
        self.turns: list[Turn] = []
        self.stood = 0
        self.cuts: list[Cut] = []
        self.replies_ns: list[int] = []
        self.transfer: str | None = None
        self.failure: LegError | MediaError | None = None
        self._epoch = self._mark = 0
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
                    self._watch(event)
                    await self._or_a_person(self._on, event)
            finally:
                self._drop_thought()
                for task in tasks:
                    task.cancel()
        if self.moment.visits:
            self._keep(self)

    async def _listen(self) -> None:
        async for pcm in self._call.audio():
            await self._ears.push(pcm)

    async def _on(self, event: CallEvent) -> None:
        match event:
            case Started():
                self._think(self._begin)
            case SpeechStart():
                await self._spoken(again=False)
            case SpeechPause() if not self._deaf and not self._ears.crowded:
                self._think(self._answer, self._ago_ns(PAUSE_MS))
            case SpeechResume():
                await self._spoken(again=not self._speaking)
            case SpeechEnd():
                self._spoken_to = self._again = False
                self._silent()
            case Confirmed(heard_ms=heard_ms):
                self._interrupted(heard_ms)
            case Mark(name=name, played=True) if name == str(self._mark) and self._speaking:
                self._finished()
            case Dtmf(digit=digit):
                await self._pressed(digit)
            case Closed():
                self._gone = True
                self._drop_thought()
                if self._speech is not None:
                    self._speech.cancel()

    def _silent(self) -> None:
        """The caller's speech is over."""
        if self._deaf:
            if self._regrets:
                self._ears.hold()
            else:
                # They did not mean to interrupt, or there is nothing to answer yet.
                self._ears.close()
        elif self._thought is None:
            if self._ears.listening:
                self._think(self._answer, self._ago_ns(END_MS))
            else:
                # It was answered already, without a word.
                self._think(self._silence)

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

    async def _spoken(self, *, again: bool) -> None:
        """The caller speaks: whatever was thought of the silence is void. Who types is not disturbed by it.

        `again` goes on with what the ears hold, which who regrets a decision does anyway.
        """
        self._spoken_to = True
        if not self._keys:
            self._drop_thought()
        self._again = self._speaking and self._regrets
        await self._ears.open(again=again or self._again)

    async def _begin(self) -> None:
        await self._say_so(self._dialogue.begin())

    async def _answer(self, silent_ns: int) -> None:
        """Think about what was said; it is said when the silence has lasted."""
        text, probability = await asyncio.gather(self._ears.final(), self._ears.complete())
        if not normalised(text):
            # A noise: the caller is silent still.
            self._ears.hold()
            await self._silence()
            return
        choice = await self._policy.choose(text, self._allowed)
        step = self._dialogue.hear(self.moment, choice, cut=self.history.cut)
        sure = certainty(Clues(text, probability, choice.likeness), open_ends=self._open_ends)
        speech = self._voice.speech(step.lines)
        try:
            await speech.ready()
            wait_ms = self._settings.wait_ms(sure, spelled=self._is_spelled(text, choice))
            await self._clock.sleep_until(silent_ns + round(wait_ms * NS_PER_MS))
            for _ in range(STIRS):
                if not self._ears.stirred:
                    break
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
        await self._say_so(self._dialogue.silence(self.moment))

    async def _say_so(self, step: Step) -> None:
        """Commit to a step when its first sound is there: until then who speaks up drops it."""
        speech = self._voice.speech(step.lines)
        try:
            await speech.ready()
        except asyncio.CancelledError:
            speech.cancel()
            raise
        await self._commit(step, speech)

    async def _commit(self, step: Step, speech: Speech) -> None:
        """From here on it happens: no thought is dropped any more that has come so far."""
        self._thought = None
        self._reach(step)
        await self._say(speech, last=not self._busy)
        while isinstance(step.action, Fetch):
            step = self._dialogue.answer(self.moment, await self._fetch(step.action))
            self._reach(step)
            await self._say(self._voice.speech(step.lines), last=not self._busy)
        if isinstance(step.action, Transfer):
            self.transfer = step.action.to
        if not self._speaking:
            self._finished()

    def _reach(self, step: Step) -> None:
        self._busy = isinstance(step.action, Fetch)
        self.moment = step.moment
        self._keep(self)

    async def _say(self, speech: Speech, *, last: bool) -> None:
        """Play lines as they are made, unless the caller interrupts; after what is being played, if anything is."""
        state = self._dialogue.script.states[self.moment.state]
        self._speech, line, rate_hz = speech, -1, 0
        if not self._speaking:
            self._epoch += 1
            self._speaking = bool(speech.lines)
        epoch = self._epoch
        try:
            self._call.policy("off" if self.moment.over else state.interrupt)
            async for n, piece in speech:
                if not self._speaking or epoch != self._epoch:
                    return
                if line < 0:
                    self.replies_ns.append(self._clock.now_ns())
                if n != line:
                    self.history.agent_begins(speech.lines[n].text, self.moment.state)
                    line = n
                self.history.agent_plays(piece.duration_ms)
                rate_hz = piece.rate_hz
                await self._call.play(piece, epoch)
        finally:
            speech.cancel()
        if not self._speaking or epoch != self._epoch:
            return
        if line >= 0:
            self.history.line_is_whole()
            if last:
                await self._call.play(Pcm(np.empty(0, np.int16), rate_hz), epoch, last=True)
            self._mark += 1
            self._call.mark(str(self._mark))
        elif speech.lines:
            self._speaking = False

    def _interrupted(self, heard_ms: float) -> None:
        self._speaking = False
        if self._speech is not None:
            self._speech.cancel()
        self.cuts.append(Cut(self._clock.now_ns(), heard_ms))
        self.history.interrupted(heard_ms)
        self._take_back()

    def _take_back(self) -> None:
        """If the caller goes on with the turn that was answered, it goes on from where it was, to be answered whole."""
        if self._again and self._regret is not None:
            self.moment = self._regret.moment
            self.history.caller_goes_on()
            self.turns.pop()
        self._regret, self._again, self.stood = None, False, len(self.turns)
        self._keep(self)

    def _finished(self) -> None:
        """All was heard: the call ends, or it is the caller's turn."""
        self._speaking = False
        self.history.finished()
        if self._gone:
            return
        if self.moment.over:
            self._call.hang_up()
            return
        self._take_back()
        if self._keys:
            if self._thought is None:
                self._think(self._typed, self._settings.key_ms)
        elif not self._spoken_to and not self._busy:
            self._think(self._silence)

    async def _pressed(self, digit: str) -> None:
        """Keys are one text, up to the key that ends it or until no more come; the first one interrupts.

        That key alone tells that what was said is all.
        """
        if self._busy or self.moment.over:
            return
        ends = digit == self._settings.key
        if self._speaking:
            if self._dialogue.script.states[self.moment.state].interrupt == "off":
                self._keys += "" if ends else digit
                return
            self._again = False
            self._interrupted(self.history.playing_ms - await self._call.clear())
        if ends and not self._keys:
            self._think(self._answer, self._ago_ns(LONG_AGO_MS))
            return
        self._keys += "" if ends else digit
        self._think(self._typed, 0.0 if ends else self._settings.key_ms)

    async def _typed(self, wait_ms: float) -> None:
        await self._clock.sleep_until(self._clock.now_ns() + round(wait_ms * NS_PER_MS))
        keys, self._keys = self._keys, ""
        step = self._dialogue.hear(self.moment, await self._policy.choose(keys, self._allowed), cut=self.history.cut)
        self._ears.close()
        self.history.caller_said(keys, self.moment.state)
        await self._commit(step, self._voice.speech(step.lines))

    @property
    def _allowed(self) -> Allowed:
        return self._dialogue.allowed(self.moment, said=self.history.utterances)

    def _is_spelled(self, text: str, choice: Choice) -> bool:
        """Whether more of what was said may come slowly."""
        script, state = self._dialogue.script, self._dialogue.script.states[self.moment.state]
        if state.patience is not None or choice.person or choice.way is not None:
            return state.patience == "more"
        types = {script.slots[name].type for name in state.fill}
        last = normalised(text).rpartition(" ")[2]
        letter_by_letter = last.isdigit() or len(last) == 1 or last in self._digits
        return bool(types & _SPELLED) or (letter_by_letter and bool(types & _IN_DIGITS))
