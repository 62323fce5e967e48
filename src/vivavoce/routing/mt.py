"""The translation leg that decides who translates. A clause that fails is begun again by the next.

A clause is passed on when it is whole: what was passed on cannot be taken back, and another translator begins anew.
By then the locked terms in it were checked, and mended where the engine did not render them so, see `routing.terms`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from vivavoce.accounts.spend import Interval, SpendGuard, Verdict
from vivavoce.errors import (
    ConfigError,
    LegCapped,
    LegError,
    LegTimeout,
    LegUnavailable,
    ModelError,
    PairUnavailable,
    VivavoceError,
)
from vivavoce.ledger.usage import UNMETERED, Meter, Work
from vivavoce.legs.mt import Translator
from vivavoce.legs.values import Clause, TextChunk, TokenUsage, summed
from vivavoce.routing.engines import Engines, lacking
from vivavoce.routing.route import Route
from vivavoce.routing.terms import Checked, checked, told_of
from vivavoce.text.terms import Locked, Terms, ready_terms

_MOST_ALONE: Final = 1000
_LONGEST_ALONE: Final = 60
"""Translations of terms by themselves that are remembered, and their characters."""


class RoutedTranslator:
    """Implements `Translator` over the engines of a route. Where `guard` says to degrade, the next one is taken."""

    def __init__(
        self,
        route: Route,
        make: Callable[[str], Translator],
        *,
        guard: SpendGuard | None = None,
        meter: Meter = UNMETERED,
    ) -> None:
        self._route, self._engines, self._guard, self._meter = route, Engines(route, make), guard, meter
        self._terms: dict[tuple[str, str], tuple[Mapping[str, str], Terms]] = {}
        self._alone: dict[tuple[str, str, str, str], str] = {}
        self.serving = ""
        self._down = False

    async def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        """Raises what the last candidate said where none translates it."""
        loop = asyncio.get_running_loop()
        terms = await self._terms_of(glossary, source, target) if glossary else None
        locked = terms.find(clause.text) if terms else []
        tried: set[str] = set()
        error: LegError | PairUnavailable | None = None
        while names := [name for name in self._route.candidates() if name not in tried]:
            name = names[0]
            tried.add(name)
            interval = Interval(self._route.leg, name, len(clause.text), "characters")
            asked = _Asks(name, clause, source=source, target=target)
            if self._guard is not None and self._guard.ask(interval) is Verdict.DEGRADE:
                error = LegCapped(self._guard.reason)
                continue
            if not self._down:
                self._goes_to(name, str(error) if error else "the better choice now", error)
            self._route.begin(name)
            begun_s = loop.time()
            try:
                engine = self._engines.get(name)
                due_ms = self._route.triggers(name).deadline_ms if names[1:] else self._route.patience_ms(name)
                text = await asked(engine, clause.text, due_ms / 1000, context=context, glossary=told_of(locked))
            except PairUnavailable as unable:
                error = error or unable  # no failure: it was never meant for this pair
            except LegError as failed:
                self._route.failed(name, error := failed)
            except (ModelError, ConfigError) as lacks:
                self._route.failed(name, error := lacking(name, lacks))
            else:
                latency_ms = 1000.0 * (loop.time() - begun_s)
                self._route.succeeded(name, latency_ms)
                self._goes_to(name, "tried again")
                said = (
                    await self._checked(asked, engine, text, locked, terms, due_ms / 1000) if terms else Checked(text)
                )
                usage = asked.usage
                work = Work(
                    characters=asked.characters,
                    tokens_in=usage.tokens_in if usage else None,
                    tokens_out=usage.tokens_out if usage else None,
                    latency_ms=1000.0 * (loop.time() - begun_s),
                    prompt_version=getattr(engine, "prompt_version", ""),
                )
                self._meter.used(self._route.leg, name, work)
                counts = {"terms": said.terms, "rescued": said.rescued, "missed": said.missed}
                yield TextChunk(said.text, clause.epoch, last=True, usage=usage, **counts)
                return
            finally:
                self._route.end(name)
                if self._guard is not None:
                    self._guard.done(interval)
        self._goes_to("", str(error))
        raise error or LegUnavailable("nobody is left for mt", hint="see: vivavoce routes")

    async def _terms_of(self, glossary: Mapping[str, str], source: str, target: str) -> Terms:
        """The glossary made ready: looked at again only where it is another one than the clause's before."""
        known, terms = self._terms.get((source, target), (None, None))
        if terms is None or known is not glossary:
            terms = await ready_terms(glossary, source, target)
            self._terms[source, target] = glossary, terms
        return terms

    async def _checked(
        self, asked: _Asks, engine: Translator, text: str, locked: Sequence[Locked], terms: Terms, deadline_s: float
    ) -> Checked:
        """The answer with its locked terms mended within another deadline, as far as the engine does it."""
        if not locked or not text.strip():
            return Checked(text, len(locked), missed=len(locked))

        async def ask(other: str) -> str:
            key = (asked.name, terms.source, terms.target, other)
            if (known := self._alone.get(key)) is not None:
                return known
            said = await asked(engine, other, deadline_s)
            if len(other) <= _LONGEST_ALONE:
                if len(self._alone) >= _MOST_ALONE:
                    self._alone.clear()
                self._alone[key] = said
            return said

        return await checked(asked.clause.text, text, locked, terms, ask, within_s=deadline_s)

    async def warm_up(self) -> None:
        await self._engines.warm_up()

    async def aclose(self) -> None:
        await self._engines.aclose()

    def _goes_to(self, name: str, reason: str, error: VivavoceError | None = None) -> None:
        """From now on `name` translates, "" is nobody. Who is the first to is nothing to tell."""
        if name != self.serving and (self.serving or self._down):
            self._route.switched(self.serving or None, name or None, reason)
        if name and name != self.serving:
            self._meter.moved(self._route.leg, name, place=self._route.place(name), why=self._route.why(name, error))
        self.serving, self._down = name, not name


class _Asks:
    """What an engine is asked for one clause, and what all of it used."""

    def __init__(self, name: str, clause: Clause, *, source: str, target: str) -> None:
        self.name, self.clause, self._source, self._target = name, clause, source, target
        self.characters = 0
        self._used: list[TokenUsage | None] = []

    async def __call__(
        self,
        engine: Translator,
        text: str,
        deadline_s: float,
        *,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> str:
        """Raises what the engine does, and LegTimeout."""
        clause = self.clause if text is self.clause.text else replace(self.clause, text=text)
        chunks = engine.translate(clause, source=self._source, target=self._target, context=context, glossary=glossary)
        said, usage = await _whole(chunks, deadline_s, self.name)
        self.characters += len(text)
        self._used.append(usage)
        return said

    @property
    def usage(self) -> TokenUsage | None:
        return summed(self._used)


async def _whole(chunks: AsyncIterator[TextChunk], deadline_s: float, name: str) -> tuple[str, TokenUsage | None]:
    """The text of all chunks, each of which comes within the deadline after the one before, and what it used."""
    parts: list[str] = []
    usage: TokenUsage | None = None
    try:
        while True:
            try:
                async with asyncio.timeout(deadline_s):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                break
            parts.append(chunk.text)
            usage = chunk.usage or usage
    except TimeoutError:
        how_far = f"stopped after {len(parts)} pieces" if parts else "gave nothing"
        raise LegTimeout(f"{name} {how_far} for {deadline_s:.1f} s") from None
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    return "".join(parts), usage
