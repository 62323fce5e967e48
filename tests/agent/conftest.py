"""A telephone, a recogniser and a voice that are made up, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.conversation import Conversation
from vivavoce.agent.dialogue import Allowed, Choice, Fetch
from vivavoce.agent.ears import Ears
from vivavoce.agent.load import read_script
from vivavoce.agent.signals import CallSignals
from vivavoce.agent.turns import TurnSettings
from vivavoce.agent.voice import Voice
from vivavoce.audio.pcm import Pcm
from vivavoce.clock import NS_PER_MS, SystemClock, run_virtual
from vivavoce.errors import LegError
from vivavoce.legs.values import Hypothesis, SpeechChunk, Word
from vivavoce.media import (
    END_MS,
    PAUSE_MS,
    CallEvent,
    Closed,
    Confirmed,
    Mark,
    SpeechEnd,
    SpeechPause,
    SpeechStart,
    Started,
)
from vivavoce.telemetry.signals import SessionSignals

RECOGNISED_MS, WORD_MS = 80, 200
TURNS = TurnSettings(sure_at=0.0, sure_ms=600.0, likely_at=0.0, likely_ms=600.0, most_ms=600.0)


async def after(ms: float) -> None:
    clock = SystemClock()
    await clock.sleep_until(clock.now_ns() + round(ms * NS_PER_MS))


def now_ms() -> float:
    return SystemClock().now_ns() / NS_PER_MS


class Telephone:
    """Plays at real time, answers marks, and notes what was asked of it, with the time."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[CallEvent] = asyncio.Queue()
        self._sound: asyncio.Queue[Pcm | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet_at_ms = 0.0
        self._playing: list[str] = []
        self._from_ms = 0.0
        self.played: list[tuple[float, int]] = []
        self.policies: list[str] = []

    async def events(self) -> AsyncIterator[CallEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, Closed):
                return

    async def audio(self) -> AsyncIterator[Pcm]:
        while (pcm := await self._sound.get()) is not None:
            yield pcm

    async def play(self, pcm: Pcm, epoch: int, *, last: bool = False) -> None:
        if not len(pcm.samples):
            return
        if not self.played or self.played[-1][1] != epoch:
            self._from_ms = max(now_ms(), self._quiet_at_ms)
        self.played.append((now_ms(), epoch))
        self._quiet_at_ms = max(now_ms(), self._quiet_at_ms) + pcm.duration_ms

    def mark(self, name: str) -> None:
        self._playing.append(name)
        task = asyncio.get_running_loop().create_task(self._reach(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reach(self, name: str) -> None:
        await after(self._quiet_at_ms - now_ms())
        if name in self._playing:
            self._playing.remove(name)
            self.tell(Mark(name, played=True))

    async def clear(self) -> float:
        dropped_ms = max(0.0, self._quiet_at_ms - now_ms())
        self._hush()
        return dropped_ms

    def policy(self, policy: str) -> None:
        self.policies.append(policy)

    def hang_up(self) -> None:
        self.tell(Closed("hung up"))

    # The caller's side.

    def tell(self, event: CallEvent) -> None:
        self._events.put_nowait(event)

    async def speaks(self, ms: float, *, interrupts: bool = False) -> None:
        self.tell(SpeechStart(0))
        self._sound.put_nowait(Pcm(np.zeros(160, np.int16), 16_000, now_ms()))
        if interrupts:
            heard_ms = now_ms() - self._from_ms
            self._hush()
            self.tell(Confirmed(100.0, heard_ms))
        await after(ms + PAUSE_MS)
        self.tell(SpeechPause(0))
        await after(END_MS - PAUSE_MS)
        self.tell(SpeechEnd(0))

    def sounds(self, level: int) -> None:
        """A piece of 40 ms."""
        self._sound.put_nowait(Pcm(np.full(640, level, np.int16), 16_000, now_ms() - 40))

    def _hush(self) -> None:
        self._quiet_at_ms = now_ms()
        for name in self._playing:
            self.tell(Mark(name, played=False))
        self._playing.clear()


class Recogniser:
    """Knows beforehand what will be said."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._said: asyncio.Queue[Hypothesis] = asyncio.Queue()
        self.resets = 0
        self.deaf = False

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        pass

    def partial(self) -> None:
        pass

    async def finalise(self, epoch: int) -> None:
        await after(RECOGNISED_MS)
        words = tuple(Word(word, 0.0, 1.0) for word in self._texts[self.resets].split())
        self._said.put_nowait(Hypothesis(words, 0.0, final=True, language="en", epoch=epoch))

    def commit(self, words: Sequence[Word]) -> None:
        pass

    def reset(self) -> None:
        self.resets += 1

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        while True:
            hypothesis = await self._said.get()
            if self.deaf:
                raise LegError("no ear")
            yield hypothesis

    async def settle(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Speaker:
    """So much sound a word, in no time."""

    def __init__(self) -> None:
        self._made: asyncio.Queue[SpeechChunk] = asyncio.Queue()
        self.texts: list[str] = []
        self.fails_after = -1

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        if len(self.texts) == self.fails_after:
            raise LegError("no voice")
        self.texts.append(text)
        samples = np.ones(8 * WORD_MS * len(text.split()), np.int16)
        self._made.put_nowait(SpeechChunk(Pcm(samples, 8000), epoch, text))

    async def flush(self, epoch: int) -> None:
        self._made.put_nowait(SpeechChunk(Pcm(np.empty(0, np.int16), 8000), epoch, last=True))

    def cancel(self, epoch: int) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        while True:
            yield await self._made.get()

    async def settle(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Chooser:
    """Takes the way whose example is said, or puts what is said into the slot that is missing."""

    async def choose(self, text: str, allowed: Allowed) -> Choice:
        for n, way in allowed.ways.items():
            if text in way.said:
                return Choice(way=n)
        return Choice(values={allowed.missing: text}) if allowed.missing and text != "?" else Choice()


class Stage:
    def __init__(
        self,
        script: str,
        texts: Sequence[str],
        *,
        answer: Mapping[str, SlotValue] | None = None,
        fails_after: int = -1,
        deaf: bool = False,
        turns: TurnSettings = TURNS,
        fetch_ms: float = 500.0,
        told: Callable[[Conversation], None] = lambda _: None,
    ) -> None:
        self.telephone, self.recogniser, self.speaker = (
            Telephone(),
            Recogniser(texts),
            Speaker(),
        )
        self.speaker.fails_after = fails_after
        self.recogniser.deaf = deaf
        self.fetched: list[Fetch] = []
        self._answer, self._fetch_ms, self._told = answer, fetch_ms, told
        self.kept: list[tuple[str, tuple[str, ...]]] = []
        self.signals = SessionSignals()
        watched = CallSignals(self.signals, clock=SystemClock())
        self.conversation = Conversation(
            self.telephone,
            read_script(script),
            Chooser(),
            ears=Ears(self.recogniser, signals=watched),
            voice=Voice(self.speaker),
            fetch=self._fetch,
            clock=SystemClock(),
            turns=turns,
            keep=self._keep,
            watch=watched.take,
        )

    def _keep(self, conversation: Conversation) -> None:
        said = tuple(one.text for one in conversation.history.utterances)
        self.kept.append((conversation.moment.state, said))
        self._told(conversation)

    async def _fetch(self, fetch: Fetch) -> Mapping[str, SlotValue] | None:
        self.fetched.append(fetch)
        await after(self._fetch_ms)
        return self._answer

    @property
    def said(self) -> list[tuple[str, str, bool]]:
        return [(one.who, one.text, one.cut) for one in self.conversation.history.utterances]


@pytest.fixture
def stage() -> SimpleNamespace:
    def play(script: str, texts: Sequence[str], caller: Any, **more: Any) -> Stage:
        made: list[Stage] = []

        async def main() -> None:
            stage = Stage(script, texts, **more)
            made.append(stage)
            async with asyncio.timeout(600), asyncio.TaskGroup() as group:
                group.create_task(stage.conversation.run())
                stage.telephone.tell(Started(8000, "MZ1", "CA1", {}))
                await caller(stage.telephone)

        run_virtual(main())
        return made[0]

    def chunk(epoch: int, word: str) -> SpeechChunk:
        return SpeechChunk(Pcm(np.ones(8 * WORD_MS, np.int16), 8000), epoch, word)

    return SimpleNamespace(play=play, after=after, now_ms=now_ms, chunk=chunk)
