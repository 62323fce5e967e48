"""The translation leg that decides who translates. A clause that fails is begun again by the next.

A clause is passed on when it is whole: what was passed on cannot be taken back, and another translator begins anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

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
from vivavoce.legs.values import Clause, TextChunk, TokenUsage
from vivavoce.routing.engines import Engines, lacking
from vivavoce.routing.route import Route


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
        tried: set[str] = set()
        error: LegError | PairUnavailable | None = None
        while names := [name for name in self._route.candidates() if name not in tried]:
            name = names[0]
            tried.add(name)
            interval = Interval(self._route.leg, name, len(clause.text), "characters")
            if self._guard is not None and self._guard.ask(interval) is Verdict.DEGRADE:
                error = LegCapped(self._guard.reason)
                continue
            if not self._down:
                self._goes_to(name, str(error) if error else "the better choice now", error)
            self._route.begin(name)
            begun_s = loop.time()
            try:
                engine = self._engines.get(name)
                chunks = engine.translate(clause, source=source, target=target, context=context, glossary=glossary)
                due_ms = self._route.triggers(name).deadline_ms if names[1:] else self._route.patience_ms(name)
                text, usage = await _whole(chunks, due_ms / 1000, name)
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
                work = Work(
                    characters=len(clause.text),
                    tokens_in=usage.tokens_in if usage else None,
                    tokens_out=usage.tokens_out if usage else None,
                    latency_ms=latency_ms,
                    prompt_version=getattr(engine, "prompt_version", ""),
                )
                self._meter.used(self._route.leg, name, work)
                yield TextChunk(text, clause.epoch, last=True, usage=usage)
                return
            finally:
                self._route.end(name)
                if self._guard is not None:
                    self._guard.done(interval)
        self._goes_to("", str(error))
        raise error or LegUnavailable("nobody is left for mt", hint="see: vivavoce routes")

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
