"""A translator that is a route over hops, and the pool of engines that its hops run on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from vivavoce.errors import PairUnavailable
from vivavoce.legs.values import Clause, TextChunk
from vivavoce.providers.pairs import PairTable, Route


class TextEngine(Protocol):
    """What a hop runs on: text to text in one of the engine's modes. Safe to call from many tasks."""

    async def translate_text(self, mode: str, text: str) -> str:
        """Takes text of any length and content; "" gives ""."""
        ...

    async def warm_up(self, mode: str) -> None: ...

    async def aclose(self) -> None: ...


class Engines:
    """The text engines of a process: each is made when a route first needs it, and shared by all routes."""

    def __init__(self, make: Callable[[str], TextEngine]) -> None:
        """`make` gives the engine of a name, or raises ConfigError or LegUnavailable."""
        self._make = make
        self._engines: dict[str, TextEngine] = {}

    def get(self, name: str) -> TextEngine:
        if name not in self._engines:
            self._engines[name] = self._make(name)
        return self._engines[name]

    def translator_for(self, route: Route) -> RouteTranslator:
        """Build the leg; raises what `make` raises. The engines load at `warm_up` or at the first clause."""
        for hop in route.hops:
            self.get(hop.engine)
        return RouteTranslator(route, self)

    async def aclose(self) -> None:
        """Close every engine; a task that still uses one gets an error."""
        engines, self._engines = list(self._engines.values()), {}
        await asyncio.gather(*(engine.aclose() for engine in engines))


class RouteTranslator:
    """Implements `Translator` for one pair; `context` and `glossary` are not used. One chunk a clause."""

    def __init__(self, route: Route, engines: Engines) -> None:
        self.route = route
        self._engines = engines

    async def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        if (source, target) != (self.route.source, self.route.target):
            raise PairUnavailable(f"this translator is for {self.route.name}, not {source}-{target}")
        yield TextChunk(await self._text(clause.text), clause.epoch, last=True)

    async def warm_up(self) -> None:
        for hop in self.route.hops:
            await self._engines.get(hop.engine).warm_up(hop.mode)

    async def aclose(self) -> None:
        """Nothing: the engines belong to the pool."""

    async def _text(self, text: str) -> str:
        for hop in self.route.hops:
            text = await self._engines.get(hop.engine).translate_text(hop.mode, text)
        return text


class Pairs:
    """Implements `Translator` for every pair of a table; PairUnavailable is raised for another one.

    `warm` are the pairs that `warm_up` loads; others load at their first clause.
    """

    def __init__(self, table: PairTable, make: Callable[[str], TextEngine], *, warm: Iterable[Route] = ()) -> None:
        """`make` is as `Engines` has it."""
        self._table = table
        self._engines = Engines(make)
        self._warm = [self._engines.translator_for(route) for route in warm]

    def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        translator = self._engines.translator_for(self._table.route(source, target))
        return translator.translate(clause, source=source, target=target, context=context, glossary=glossary)

    async def warm_up(self) -> None:
        for translator in self._warm:
            await translator.warm_up()

    async def aclose(self) -> None:
        await self._engines.aclose()
