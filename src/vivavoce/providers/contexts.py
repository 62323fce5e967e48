"""A synthesis stream over a connection that speaks contexts: what hosted synthesisers share.

A context is what a provider calls one piece of speech under an id of ours; an epoch is spoken in one, or in several
where text came too late for the first. Their sound arrives in any order and leaves in the order of their text. What
still arrives for a context that was cancelled is dropped by its id.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegError, LegTimeout
from vivavoce.legs.values import SpeechChunk, Word
from vivavoce.providers.voicing import Voicing

_TEXTS = 64
_BUFFERED_S = 60.0
_CLOSING_S = 1.0


@dataclass(frozen=True, slots=True)
class Sound:
    """16-bit little-endian samples of a context."""

    context: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Times:
    """Words of a context, timed from the first sample that was sent for it, silence included."""

    context: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A context has given all its sound."""

    context: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A context gives no more sound; "" is every context of the connection."""

    context: str
    error: LegError


Event = Sound | Times | Ended | Failed
Sink = Callable[[Event], None]


class Wire(Protocol):
    """How one voice asks its provider. Everything may raise LegError; events go to the sink given with the text."""

    async def speak(self, context: str, text: str, sink: Sink, *, speed: float, begins: bool) -> None:
        """Have text spoken; it follows what the context was given before, unless it `begins` it."""
        ...

    async def finish(self, context: str) -> None:
        """No more text for this context. The provider is to answer with its end."""
        ...

    async def cancel(self, context: str, *, overdue: bool = False) -> None:
        """Give a context up; `overdue` because nothing came of it any more."""
        ...

    async def aclose(self) -> None: ...


class _Context:
    """Text of one epoch on its way to becoming chunks. `open` takes more text, `over` gets no more sound."""

    def __init__(self, epoch: int, speed: float, *, made_hz: int, rate_hz: int) -> None:
        self.epoch, self.speed = epoch, speed
        self.unsent: deque[str] = deque()
        self.chunks: deque[SpeechChunk | LegError] = deque()
        self.open = True
        self.last = False
        self.watch: asyncio.TimerHandle | None = None
        self.begin(made_hz=made_hz, rate_hz=rate_hz)

    def begin(self, *, made_hz: int, rate_hz: int) -> None:
        self.id = uuid.uuid4().hex
        self.voicing = Voicing(self.epoch, made_hz=made_hz, rate_hz=rate_hz)
        self.begun = self.finished = self.over = False
        self.words = self.voiced = False
        self.heard_s = -1.0


class ContextStream:
    """Implements `SpeechStream`. What fails is raised to whoever iterates, in its place, who may go on iterating.

    `made_hz` is the rate of the sound that comes, `rate_hz` that of the chunks. `at_once` contexts at most are under
    way; text of later ones waits here. `expires_s` is how long after its last sound a context still takes text; later
    text gets another one. A context whose text is complete and of which nothing comes for `due_s` is given up with
    LegTimeout; one that ends without any sound is a LegError. `push` waits while a minute of sound was not taken.
    `settle` does not wait for text without `flush`.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        rate_hz: int,
        made_hz: int,
        at_once: int = 32,
        expires_s: float = float("inf"),
        due_s: float = 4.0,
    ) -> None:
        self._wire = wire
        self._rate_hz, self._made_hz = rate_hz, made_hz
        self._at_once, self._expires_s, self._due_s = at_once, expires_s, due_s
        self._order: deque[_Context] = deque()
        self._live: dict[str, _Context] = {}
        self._to_cancel: deque[tuple[str, bool]] = deque()
        self._dropped: set[int] = set()
        self._buffered = 0
        self._asked, self._arrived, self._taken = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._sender = asyncio.create_task(self._send())

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        await self._room()
        if not self._order:
            self._dropped &= {epoch}
        if epoch in self._dropped or not text.strip():
            return
        context = self._order[-1] if self._order else None
        if context is None or context.epoch != epoch or not context.open or context.over or self._expired(context):
            if context is not None:
                context.open = False
            context = _Context(epoch, speed, made_hz=self._made_hz, rate_hz=self._rate_hz)
            self._order.append(context)
        context.unsent.append(text)
        self._asked.set()

    async def flush(self, epoch: int) -> None:
        await self._room()
        if epoch in self._dropped:
            return
        context = self._order[-1] if self._order else None
        if context is None or context.epoch != epoch or not context.open or context.over:
            context = _Context(epoch, 1.0, made_hz=self._made_hz, rate_hz=self._rate_hz)
            context.over = True
            self._order.append(context)
        context.open, context.last = False, True
        if context.over:
            self._mark_last(context)
        self._asked.set()

    def cancel(self, epoch: int) -> None:
        self._dropped.add(epoch)
        for context in [context for context in self._order if context.epoch == epoch]:
            self._buffered -= sum(len(chunk.pcm.samples) for chunk in context.chunks if isinstance(chunk, SpeechChunk))
            context.chunks.clear()
            self._forget(context, cancelled=not context.over)
            self._order.remove(context)
        self._taken.set()
        self._wake()

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        while True:
            while (chunk := self._take()) is None:
                if self._closed:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            if isinstance(chunk, LegError):
                raise chunk
            yield chunk

    async def settle(self) -> None:
        while any(not context.open for context in self._order):
            self._taken.clear()
            await self._taken.wait()
        self._dropped.clear()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._sender.cancel()
        await asyncio.gather(self._sender, return_exceptions=True)
        for context in self._order:
            self._forget(context, cancelled=not context.over)
        self._order.clear()
        self._arrived.set()
        self._taken.set()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_S):
                    while self._to_cancel:
                        await self._cancel_next()
        finally:
            await self._wire.aclose()

    async def _room(self) -> None:
        while not self._closed and (
            self._buffered > _BUFFERED_S * self._rate_hz or sum(len(each.unsent) or 1 for each in self._order) > _TEXTS
        ):
            self._taken.clear()
            await self._taken.wait()
        if self._closed:
            raise LegError("this voice was closed")

    def _expired(self, context: _Context) -> bool:
        silent_s = self._loop.time() - context.heard_s
        return context.heard_s >= 0 and not context.unsent and silent_s > self._expires_s

    def _take(self) -> SpeechChunk | LegError | None:
        """The next chunk in order, None where it has not come yet."""
        self._drop_done()
        if not self._order or not self._order[0].chunks:
            return None
        chunk = self._order[0].chunks.popleft()
        if isinstance(chunk, SpeechChunk):
            self._buffered -= len(chunk.pcm.samples)
        self._taken.set()
        self._drop_done()
        return chunk

    def _drop_done(self) -> None:
        while self._order and self._order[0].over and not self._order[0].chunks:
            self._order.popleft()
            self._taken.set()

    async def _send(self) -> None:
        while True:
            self._asked.clear()
            while self._to_cancel:
                await self._cancel_next()
            context = self._next_to_send()
            if context is None:
                await self._asked.wait()
                continue
            try:
                await self._send_of(context)
            except LegError as error:
                self._fail(context, error)

    async def _cancel_next(self) -> None:
        context, overdue = self._to_cancel.popleft()
        with contextlib.suppress(LegError):  # it speaks no more either way
            await self._wire.cancel(context, overdue=overdue)

    def _next_to_send(self) -> _Context | None:
        under_way = 0
        for context in self._order:
            if context.over:
                continue
            if context.unsent or not (context.open or context.finished):
                return context
            under_way += 1
            if under_way == self._at_once:
                return None
        return None

    async def _send_of(self, context: _Context) -> None:
        if not context.unsent:
            context.finished = True
            self._watch(context)
            await self._wire.finish(context.id)
            return
        text = context.unsent.popleft()
        begins = not context.begun
        context.begun = True
        self._live[context.id] = context
        context.voicing.text(text)
        context.words = context.words or any(letter.isalnum() for letter in text)
        self._taken.set()
        await self._wire.speak(context.id, text, self._hear, speed=context.speed, begins=begins)

    def _hear(self, event: Event) -> None:
        context = self._live.get(event.context)
        if context is None:
            return
        context.heard_s = self._loop.time()
        if isinstance(event, Sound):
            self._add(context, context.voicing.sound(event.data))
        elif isinstance(event, Times):
            context.voicing.times(event.words)
        elif isinstance(event, Failed):
            self._fail(context, event.error)
        else:
            self._end(context)

    def _end(self, context: _Context) -> None:
        self._add(context, context.voicing.end())
        if context.words and not context.voiced:
            self._fail(context, LegError("no sound came for a text with words in it"))
            return
        self._forget(context, cancelled=False)
        if context.unsent:
            # It ended by itself while it took text, what is left of that gets another one.
            context.begin(made_hz=self._made_hz, rate_hz=self._rate_hz)
        elif context.last:
            self._mark_last(context)
        self._wake()

    def _fail(self, context: _Context, error: LegError) -> None:
        if context.over:
            return
        self._forget(context, cancelled=False)
        context.unsent.clear()
        context.chunks.append(error)
        if context.last:
            self._mark_last(context)
        self._wake()

    def _wake(self) -> None:
        self._asked.set()
        self._arrived.set()
        self._drop_done()

    def _mark_last(self, context: _Context) -> None:
        silence = Pcm(np.zeros(0, np.int16), self._rate_hz)
        context.chunks.append(SpeechChunk(silence, context.epoch, last=True))
        self._arrived.set()

    def _add(self, context: _Context, chunk: SpeechChunk | None) -> None:
        if chunk is not None:
            self._buffered += len(chunk.pcm.samples)
            context.voiced = context.voiced or len(chunk.pcm.samples) > 0
            context.chunks.append(chunk)
            self._arrived.set()

    def _forget(self, context: _Context, *, cancelled: bool) -> None:
        if self._live.pop(context.id, None) is not None and cancelled:
            self._to_cancel.append((context.id, False))
        if context.watch is not None:
            context.watch.cancel()
        context.over = True

    def _watch(self, context: _Context) -> None:
        asked_s = self._loop.time()

        def check() -> None:
            late_s = self._loop.time() - max(asked_s, context.heard_s)
            if late_s < self._due_s:
                context.watch = self._loop.call_later(self._due_s - late_s, check)
                return
            self._to_cancel.append((context.id, True))
            self._fail(context, LegTimeout(f"no sound for {self._due_s:g} s of a text that is not finished"))

        context.watch = self._loop.call_later(self._due_s, check)
