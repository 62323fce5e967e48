"""Callers of an agent under test: each says its turns one after another, or talks over the agent, and keeps a log.

They stand for people on other machines: where it is granted their thread runs before the agent's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np

from vivavoce.agent.handset import FRAME, RATE_HZ, Handset, Playout
from vivavoce.audio.pcm import Samples
from vivavoce.evals.spliced import Pause, Turn

GIVE_UP_MS = 3000.0
"""After so much silence a caller thinks that nobody understood, and goes on."""
PAUSE_MS = 600.0
"""The agent must have been silent for so long before a caller goes on."""
INTERRUPT_MS = (1000.0, 1800.0)
"""So much of a reply is heard before it is talked over."""
NEVER_MS = 20_000.0
STAGGER_S = 0.37


@dataclass(frozen=True, slots=True)
class Said:
    """One turn as it was spoken: the frames with its first and last speech, and its pauses. `over_ms` is how much
    of the agent's sound still waited to be heard when it began."""

    start_ms: float
    end_ms: float
    pauses: tuple[Pause, ...] = ()
    over_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A message with sound: when it came, from when on it is heard, and for how long."""

    at_ms: float
    from_ms: float
    length_ms: float


@dataclass(slots=True)
class CallLog:
    """Times are ms since the call began, which was at `began_ns` of CLOCK_MONOTONIC; `late_ms` is the caller's own."""

    said: list[Said] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    clears_ms: list[float] = field(default_factory=list)
    began_ns: int = 0
    late_ms: list[float] = field(default_factory=list)


class TalkingCaller:
    """Says each turn when the agent has answered the last one and fell silent, or in the middle of its answer."""

    def __init__(self, turns: Sequence[Turn], *, interrupts: bool, dice: np.random.Generator) -> None:
        self._turns = list(turns)
        self._interrupts = interrupts
        self._dice = dice
        self.playout = Playout()
        self.log = CallLog()
        self._frames: Iterator[Samples] = iter(())
        self._rest = np.zeros(FRAME, np.int16)
        self._rest_at = 0
        self._said_ms = 0.0
        self._reply_ms: float | None = None
        self._interrupt_ms = self._next_interruption()

    def speak(self, now_ms: float) -> Samples | None:
        frame = next(self._frames, None)
        if frame is not None:
            return frame
        if not self.log.heard and now_ms > NEVER_MS:
            return None
        if not self._may_go_on(now_ms):
            return self._resting()
        return self._begin(self._turns.pop(0), now_ms) if self._turns else None

    def _may_go_on(self, now_ms: float) -> bool:
        until_ms = self.playout.until_ms
        if self._reply_ms is None:
            return bool(self.log.said) and now_ms - max(self._said_ms, until_ms) >= GIVE_UP_MS + PAUSE_MS
        if self._interrupts and self._turns and until_ms > now_ms:
            return now_ms - self._reply_ms >= self._interrupt_ms
        return now_ms - until_ms >= PAUSE_MS

    def _begin(self, turn: Turn, now_ms: float) -> Samples:
        end_ms = now_ms + turn.speech.end_ms // 20 * 20
        pauses = tuple(Pause(now_ms + pause.start_ms, pause.length_ms) for pause in turn.pauses)
        over_ms = max(0.0, self.playout.until_ms - now_ms)
        self.log.said.append(Said(now_ms + turn.speech.start_ms // 20 * 20, end_ms, pauses, over_ms))
        self._said_ms, self._reply_ms = end_ms, None
        self._interrupt_ms = self._next_interruption()
        self._rest, self._rest_at = turn.rest, 0
        self._frames = iter(turn.samples.reshape(-1, FRAME))
        return next(self._frames)

    def _resting(self) -> Samples:
        frame = self._rest[self._rest_at : self._rest_at + FRAME]
        self._rest_at = (self._rest_at + FRAME) % len(self._rest)
        return frame

    def _next_interruption(self) -> float:
        return float(self._dice.uniform(*INTERRUPT_MS))

    def hear(self, samples: Samples, now_ms: float, from_ms: float) -> None:
        self.log.heard.append(Heard(now_ms, from_ms, 1000.0 * len(samples) / RATE_HZ))
        if self._reply_ms is None and now_ms >= self._said_ms:
            self._reply_ms = from_ms

    def cleared(self, now_ms: float) -> None:
        self.log.clears_ms.append(now_ms)


async def talk(
    callers: Sequence[TalkingCaller],
    port: int,
    *,
    token: str,
    at_once: int,
    stagger_s: float = STAGGER_S,
    rtt_ms: float = 0.0,
) -> list[CallLog]:
    """Each calls once, `at_once` of them at the same time, begun `stagger_s` after each other; caller n shows `token`n.

    Their logs, when all have hung up.
    """
    free = asyncio.Semaphore(at_once)

    async def one(n: int, caller: TalkingCaller) -> CallLog:
        async with free:
            await asyncio.sleep(stagger_s * (n % at_once))
            handset = Handset(caller, one_way_ms=rtt_ms / 2)
            await handset.call(f"ws://127.0.0.1:{port}/twilio", f"{token}{n}")
        caller.log.began_ns, caller.log.late_ms = handset.began_ns, handset.late_ms
        return caller.log

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(n, caller)) for n, caller in enumerate(callers)]
    return [task.result() for task in tasks]


@contextmanager
def before_others() -> Iterator[None]:
    """Let this thread run before the machine's others, where that is granted; what it starts is not affected."""
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(0, policy, priority)
