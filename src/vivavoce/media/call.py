"""One telephone call, as it is spoken to and heard."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import CallOver, MediaError
from vivavoce.media.events import (
    Arrivals,
    CallEvent,
    Closed,
    Confirmed,
    Dtmf,
    Ducked,
    Mark,
    Refuted,
    SpeechEnd,
    SpeechPause,
    SpeechResume,
    SpeechStart,
    Started,
    Underrun,
)

if TYPE_CHECKING:
    from vivavoce.media.engine import Engine

Policy = Literal["off", "strict", "patient"]

MARKS = 1 << 16
"""Names of marks that are told apart at the same time."""


class Call:
    """A call from the moment it is expected. Made by `Engine.expect`.

    Its events wait in room of their own; a call whose events nobody takes is closed when that is used up.
    """

    def __init__(self, engine: Engine, number: int) -> None:
        self._engine = engine
        self._number = number
        self._events: deque[CallEvent] = deque()
        self._pieces: deque[Pcm] = deque()
        self._changed = asyncio.Event()
        self._sounded: asyncio.Future[None] | None = None
        self._emptied = asyncio.Event()
        self._cleared: deque[asyncio.Future[float]] = deque()
        self._marks: dict[int, str] = {}
        self._next_mark = 0
        self.format: Started | None = None
        self.end: Closed | None = None

    async def started(self) -> Started:
        """Wait until the peer has begun.

        Raises `CallOver` where it never did.
        """
        while self.format is None:
            if self.end is not None:
                raise CallOver(f"the call ended before it began: {self.end.reason}")
            self._changed.clear()
            await self._changed.wait()
        return self.format

    async def events(self) -> AsyncIterator[CallEvent]:
        """What happens, until `Closed`, which is the last. For one reader."""
        while True:
            while self._events:
                event = self._events.popleft()
                self._engine.plane.taken(self._number)
                yield event
                if isinstance(event, Closed):
                    return
            if self.end is not None:
                return
            self._changed.clear()
            await self._changed.wait()

    async def audio(self) -> AsyncIterator[Pcm]:
        """What the caller says, in pieces of the length that was asked for, until the call is over. For one reader.

        Two seconds wait in Rust for a slow reader; what comes then is silence at its place, and counted as lost.
        """
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if self.end is not None:
                return
            self._engine.plane.want(self._number)
            self._sounded = asyncio.get_running_loop().create_future()
            await self._sounded

    async def play(self, pcm: Pcm, epoch: int, *, last: bool = False) -> None:
        """Queue speech at any rate; waits while the call's queue of 30 s is full.

        `last` ends the epoch. Sound of an epoch that was cleared, or of an older one, is dropped. Raises `CallOver`.
        """
        step = pcm.rate_hz // 2
        pieces = range(0, len(pcm.samples), step) if len(pcm.samples) else range(1)
        for at in pieces:
            samples = np.ascontiguousarray(pcm.samples[at : at + step])
            end = last and at + step >= len(pcm.samples)
            while wait_ms := self._do("play", epoch, samples, pcm.rate_hz, last=end):
                await self._emptied_within(wait_ms)

    def mark(self, name: str) -> None:
        """Ask to be told when all that is queued so far was heard. Raises `CallOver`."""
        number = self._next_mark
        if not self._do("mark", number):
            raise MediaError("too many marks or commands wait", hint="wait for some marks to be told")
        self._marks[number] = name
        self._next_mark = (number + 1) % MARKS

    async def clear(self) -> float:
        """Fall silent now; returns the ms that were dropped. Raises `CallOver`."""
        dropped_ms = asyncio.get_running_loop().create_future()
        self._command("clear")
        self._cleared.append(dropped_ms)
        return float(await dropped_ms)

    def policy(self, policy: Policy) -> None:
        """Change how the caller may interrupt. Raises `CallOver`."""
        self._command("policy", policy)

    def confirm(self) -> None:
        """What the caller is saying has meaning: under `patient` it is an interruption, however short."""
        self._command("confirm")

    def hang_up(self) -> None:
        """End the call; one that is over stays so."""
        if self.end is None:
            self._command("hang_up")

    def _command(self, name: str, *arguments: Any) -> None:
        if not self._do(name, *arguments):
            raise MediaError("the media plane takes no more commands now", hint="send fewer at once")

    def _do(self, name: str, *arguments: Any, **options: Any) -> Any:
        if self.end is not None:
            raise CallOver(f"the call is over: {self.end.reason}")
        try:
            return getattr(self._engine.plane, name)(self._number, *arguments, **options)
        except ConnectionError as error:
            raise CallOver(str(error)) from error

    async def _emptied_within(self, wait_ms: int) -> None:
        """Wait for what is queued to be played, or to be cleared."""
        self._emptied.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                await self._emptied.wait()

    # What the engine brings.

    def on_event(self, name: str, a: Any, b: int) -> None:
        if name == "cleared":
            self._engine.plane.taken(self._number)
            self._emptied.set()
            waiting = self._cleared.popleft()
            if not waiting.done():
                waiting.set_result(self._ms(a))
            return
        event = self._event(name, a, b)
        if isinstance(event, Started):
            self.format = event
        elif isinstance(event, Confirmed):
            self._emptied.set()
        elif isinstance(event, Closed):
            self.end = event
            self._emptied.set()
            for waiting in self._cleared:
                if not waiting.done():
                    waiting.set_result(0.0)
        self._events.append(event)
        self._changed.set()

    def on_sound(self, pcm: Pcm) -> None:
        self._pieces.append(pcm)
        self._wake_reader()

    def on_end(self) -> None:
        """All sound was brought: readers may see the end."""
        self._changed.set()
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._sounded is not None and not self._sounded.done():
            self._sounded.set_result(None)

    def _ms(self, samples: int) -> float:
        return 1000.0 * samples / (self.format.rate_hz if self.format else 8000)

    def _event(self, name: str, a: Any, b: int) -> CallEvent:
        match name:
            case "started":
                said = self._engine.plane.started(self._number)
                rate_hz, stream, call, parameters, codec = said or (8000, "", "", "{}", "ulaw")
                return Started(rate_hz, stream, call, _parameters(parameters), codec)
            case "speech_start":
                return SpeechStart(a)
            case "speech_pause":
                return SpeechPause(a)
            case "speech_resume":
                return SpeechResume(a)
            case "speech_end":
                return SpeechEnd(a)
            case "ducked":
                return Ducked()
            case "confirmed":
                return Confirmed(self._ms(a), self._ms(b))
            case "refuted":
                return Refuted()
            case "mark":
                return Mark(self._marks.pop(a), bool(b))
            case "dtmf":
                return Dtmf(chr(a))
            case "underrun":
                return Underrun(a / 1000.0)
            case "closed":
                arrivals = self._engine.plane.arrivals(self._number)
                return Closed(str(a), Arrivals(*arrivals) if arrivals else None)
        raise AssertionError(f"the plane tells of {name}, which nobody here knows")


def _parameters(text: str) -> dict[str, Any]:
    """What a peer said of itself, without its token; nothing of what cannot be read."""
    try:
        parameters = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {name: value for name, value in parameters.items() if name.lower() != "token"}
