"""One shadow of one leg in one session: it takes the calls, never makes the caller wait, and gathers both halves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from vivavoce.clock import Clock
from vivavoce.errors import LegRefused, VivavoceError, first_of_ours
from vivavoce.routing.shadow_calls import Call, Half, Opening, size_bytes
from vivavoce.routing.shadow_replay import Replay, replay_mt, replay_stt, replay_tts

LIVE_CALLS = 512
"""Calls that a live shadow may be behind: about 10 s of sound."""
KEPT_BYTES = 64 << 20
"""What is kept of a session for a shadow that runs afterwards: half an hour of speech at 16 kHz."""
PAIRS = 4096
"""Pairs of a run, whose texts are in memory until the session is over."""


@dataclass(slots=True)
class Run:
    """`calls` are kept for afterwards, or None where the shadow is live. `void` says why nothing of the run counts.

    `declined` are the numbers of clauses in a pair of languages that the shadow is not for, `foreign` is a stream in a
    language that it is not for: no pairs, and no failures.
    """

    session: str
    leg: str
    primary_engine: str
    engine: str
    opening: Opening
    at_s: float
    calls: list[Call] | None = None
    void: str = ""
    primary: dict[int, Half] = field(default_factory=dict)
    shadow: dict[int, Half] = field(default_factory=dict)
    declined: set[int] = field(default_factory=set)
    foreign: bool = False
    user: str = ""

    def answered(self, half: Half) -> None:
        """Take what the shadow made."""
        if len(self.shadow) < PAIRS:
            self.shadow[half.number] = half


async def replay(run: Run, engine: Any, calls: AsyncIterator[Call], *, clock: Clock, live: bool) -> None:
    """Have the engine, a leg, do what was called; fills `run.shadow`. Raises what the engine raises, in a group."""
    languages = getattr(engine, "LANGUAGES", None)
    if run.leg != "mt" and languages is not None and run.opening.language not in (*languages, "auto"):
        run.foreign = True
        return
    how = Replay(run.engine, clock, live, run.primary, run.answered, run.declined.add)
    if run.leg == "stt":
        await replay_stt(engine, run.opening, calls, how)
    elif run.leg == "mt":
        await replay_mt(engine, calls, how)
    else:
        await replay_tts(engine, run.opening, calls, how)


def reason(error: BaseException) -> str:
    """Why a run is void, in words that cannot hold what was said, or a key: the error's kind alone."""
    known: BaseException = first_of_ours(error) or error
    while isinstance(known, BaseExceptionGroup):
        known = known.exceptions[0]
    kind = type(known).__name__ if isinstance(known, VivavoceError) else f"internal {type(known).__name__}"
    return f"{kind} {known.status}" if isinstance(known, LegRefused) else kind


class Mirror:
    """What a leg around a leg tells: the calls, and what the primary made of them. Nothing here waits or raises."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def call(self, call: Call) -> None: ...

    def heard(self, half: Half) -> None:
        """The primary answered."""
        if not self.run.void and len(self.run.primary) < PAIRS:
            self.run.primary[half.number] = half

    def end(self) -> None: ...


class Recording(Mirror):
    """For a shadow that runs afterwards: keeps the session's calls, up to a size; what comes then makes no pairs."""

    def __init__(self, run: Run, *, kept_bytes: int = KEPT_BYTES) -> None:
        super().__init__(run)
        self._room = kept_bytes
        self._calls: list[Call] = []
        run.calls = self._calls

    def call(self, call: Call) -> None:
        self._room -= size_bytes(call)
        if self._room >= 0:
            self._calls.append(call)

    def heard(self, half: Half) -> None:
        if self._room >= 0:
            super().heard(half)


class Live(Mirror):
    """For a hosted shadow: hands calls on through a bounded queue to a task. Who falls behind is void."""

    def __init__(
        self, run: Run, engine: Any, *, clock: Clock, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    ) -> None:
        super().__init__(run)
        self._calls: asyncio.Queue[Call | None] = asyncio.Queue(LIVE_CALLS)
        self._task = spawn(self._work(engine, clock))

    def call(self, call: Call | None) -> None:
        if self._task.done():
            return
        try:
            self._calls.put_nowait(call)
        except asyncio.QueueFull:
            self.run.void = self.run.void or "fell behind"
            self._task.cancel()

    def end(self) -> None:
        self.call(None)

    async def _work(self, engine: Any, clock: Clock) -> None:
        try:
            await replay(self.run, engine, self._taken(), clock=clock, live=True)
        except Exception as error:  # the task's edge: nothing that a shadow does may end a session
            self.run.void = self.run.void or reason(error)

    async def _taken(self) -> AsyncIterator[Call]:
        while (call := await self._calls.get()) is not None:
            yield call
