"""Drives a shadow: makes on its leg the calls that a session makes on the primary, and tells what came of them.

The same code serves a shadow that runs beside the session and one that is given a session's calls after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace

from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.errors import LegLost, PairUnavailable
from vivavoce.legs.mt import Translator
from vivavoce.legs.stt import SpeechToText, SttStream
from vivavoce.legs.tts import SpeechStream, Synthesizer
from vivavoce.legs.values import TokenUsage, summed
from vivavoce.routing.shadow_calls import (
    Call,
    Cancel,
    Commit,
    Finalise,
    Flush,
    Half,
    Opening,
    Push,
    Reset,
    Say,
    Translate,
    translated,
)
from vivavoce.routing.terms import checked, told_of
from vivavoce.text.terms import ready_terms

_LATE_S = 2.0
"""How long a live shadow may let the next utterance wait for its final of the last one."""
_CLAUSES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Replay:
    """`live` counts latency from when the session asked, otherwise from when the shadow is asked.

    `wanted` are the numbers of work that makes pairs; not live, other work is left undone. `answered` takes results,
    `declined` the numbers of clauses that the leg is not for.
    """

    engine: str
    clock: Clock
    live: bool
    wanted: Container[int]
    answered: Callable[[Half], None]
    declined: Callable[[int], None]

    def skips(self, number: int) -> bool:
        return not self.live and number not in self.wanted

    def asked_ns(self, at_ns: int) -> int:
        return at_ns if self.live else self.clock.now_ns()

    def since_ms(self, asked_ns: int) -> float:
        return max(0.0, (self.clock.now_ns() - asked_ns) / NS_PER_MS)


async def replay_stt(leg: SpeechToText, opening: Opening, calls: AsyncIterator[Call], replay: Replay) -> None:
    """Raises what the leg does, in a group."""
    stream = await leg.open(language=opening.language, keyterms=opening.keyterms, rate_hz=opening.rate_hz)
    try:
        async with asyncio.TaskGroup() as group:
            finals = _Finals(stream, replay)
            listening = group.create_task(finals.listen())
            async for call in calls:
                await finals.make(call)
            listening.cancel()
    finally:
        await stream.aclose()


class _Finals:
    """One recognition stream: for what it was asked, when, and after how many seconds of sound."""

    def __init__(self, stream: SttStream, replay: Replay) -> None:
        self._stream, self._replay = stream, replay
        self._asked: dict[int, tuple[int, float]] = {}
        self._seconds = 0.0
        self._free_ns = 0
        self._answered = asyncio.Event()

    async def listen(self) -> None:
        async for hypothesis in self._stream:
            asked = self._asked.pop(hypothesis.epoch, None) if hypothesis.final else None
            if asked is None:
                continue
            asked_ns, seconds = asked
            self._replay.answered(
                Half(
                    hypothesis.epoch,
                    self._replay.engine,
                    self._replay.since_ms(asked_ns),
                    {"seconds": seconds},
                    hypothesis.text,
                    hypothesis.language,
                )
            )
            self._answered.set()
        raise LegLost(f"{self._replay.engine} ended its stream")

    async def make(self, call: Call) -> None:
        if isinstance(call, Push):
            await self._stream.push(call.pcm, voiced=call.voiced)
            self._seconds += call.pcm.duration_ms / 1000
        elif isinstance(call, Finalise) and not self._replay.skips(call.number):
            # What our own wait for the final before took is not this one's latency.
            asked_ns = max(self._replay.asked_ns(call.at_ns), self._free_ns)
            self._asked[call.number] = asked_ns, self._seconds
            await self._stream.finalise(call.number)
        elif isinstance(call, Commit):
            self._stream.commit(call.words)
        elif isinstance(call, Reset):
            if call.number in self._asked:
                await self._final_of(call.number)
            self._stream.reset()
            self._asked.clear()
            self._seconds = 0.0

    async def _final_of(self, number: int) -> None:
        """The primary has answered already; a reset now would take the shadow's answer away."""
        try:
            async with asyncio.timeout(_LATE_S if self._replay.live else None):
                while number in self._asked:
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            pass
        self._free_ns = self._replay.clock.now_ns()


async def replay_mt(leg: Translator, calls: AsyncIterator[Call], replay: Replay) -> None:
    """Raises what the leg does, in a group. Up to four clauses at once, where live.

    Not live, the first clause of each pair of languages is translated once before: what loads then is loaded by then.
    """
    pairs: set[tuple[str, str]] = set()
    room = asyncio.Semaphore(_CLAUSES_AT_ONCE if replay.live else 1)

    async def text_of(call: Translate) -> tuple[str, TokenUsage | None]:
        used: list[TokenUsage | None] = []

        async def ask(text: str, context: Sequence[str] = (), glossary: Mapping[str, str] | None = None) -> str:
            clause = replace(call.clause, text=text)
            chunks = leg.translate(clause, source=call.source, target=call.target, context=context, glossary=glossary)
            found = [chunk async for chunk in chunks]
            used.append(found[-1].usage if found else None)
            return "".join(chunk.text for chunk in found)

        text = call.clause.text
        terms = await ready_terms(call.glossary, call.source, call.target) if call.glossary else None
        locked = terms.find(text) if terms else []
        said = await ask(text, call.context, told_of(locked))
        if terms and locked:
            said = (await checked(text, said, locked, terms, ask)).text
        return said, summed(used)

    async def translate(call: Translate) -> None:
        try:
            if not replay.live and (call.source, call.target) not in pairs:
                pairs.add((call.source, call.target))
                await text_of(call)
            asked_ns = replay.asked_ns(call.at_ns)
            text, usage = await text_of(call)
            quantities = translated(call.clause, usage)
            replay.answered(Half(call.number, replay.engine, replay.since_ms(asked_ns), quantities, text, call.target))
        except PairUnavailable:
            replay.declined(call.number)
        finally:
            room.release()

    async with asyncio.TaskGroup() as group:
        async for call in calls:
            if isinstance(call, Translate) and not replay.skips(call.number):
                await room.acquire()
                group.create_task(translate(call))


async def replay_tts(leg: Synthesizer, opening: Opening, calls: AsyncIterator[Call], replay: Replay) -> None:
    """Raises what the leg does, in a group."""
    stream = await leg.open(voice=opening.voice, language=opening.language, rate_hz=opening.rate_hz)
    try:
        async with asyncio.TaskGroup() as group:
            speeches = _Speeches(stream, replay)
            listening = group.create_task(speeches.listen())
            async for call in calls:
                await speeches.make(call)
            await stream.settle()
            await asyncio.sleep(0)  # what was taken from the stream is being counted
            listening.cancel()
    finally:
        await stream.aclose()


@dataclass(slots=True)
class Speech:
    """One epoch of speech, as it comes."""

    asked_ns: int
    characters: int = 0
    first_ms: float | None = None
    seconds: float = 0.0

    def half(self, number: int, engine: str, *, at_s: float = 0.0) -> Half | None:
        """None where nothing was heard."""
        if self.first_ms is None:
            return None
        quantities = {"seconds": self.seconds, "characters": float(self.characters)}
        return Half(number, engine, self.first_ms, quantities, at_s=at_s)


class _Speeches:
    """One synthesis stream: epochs under way. Not live, each is spoken to its end before the next."""

    def __init__(self, stream: SpeechStream, replay: Replay) -> None:
        self._stream, self._replay = stream, replay
        self._under_way: dict[int, Speech] = {}
        self._ended = asyncio.Event()

    async def listen(self) -> None:
        async for chunk in self._stream:
            speech = self._under_way.get(chunk.epoch)
            if speech is None:
                continue
            if len(chunk.pcm.samples) and speech.first_ms is None:
                speech.first_ms = self._replay.since_ms(speech.asked_ns)
            speech.seconds += chunk.pcm.duration_ms / 1000
            if chunk.last:
                del self._under_way[chunk.epoch]
                if (half := speech.half(chunk.epoch, self._replay.engine)) is not None:
                    self._replay.answered(half)
                self._ended.set()
        raise LegLost(f"{self._replay.engine} ended its stream")

    async def make(self, call: Call) -> None:
        if not isinstance(call, Say | Flush | Cancel) or self._replay.skips(call.number):
            return
        if isinstance(call, Say):
            speech = self._under_way.get(call.number)
            if speech is None:
                speech = self._under_way[call.number] = Speech(self._replay.asked_ns(call.at_ns))
            speech.characters += len(call.text)
            await self._stream.push(call.text, call.number, speed=call.speed, lead_ms=call.lead_ms)
        elif isinstance(call, Flush):
            await self._stream.flush(call.number)
            while not self._replay.live and call.number in self._under_way:
                self._ended.clear()
                await self._ended.wait()
        else:
            self._stream.cancel(call.number)
            self._under_way.pop(call.number, None)
