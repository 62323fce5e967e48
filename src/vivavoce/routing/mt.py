"""The translation leg that decides who translates. A clause that fails is begun again by the next.

A clause is passed on when it is whole: what was passed on cannot be taken back, and another translator begins anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from vivavoce.errors import LegError, LegTimeout, LegUnavailable, PairUnavailable
from vivavoce.legs.mt import Translator
from vivavoce.legs.values import Clause, TextChunk
from vivavoce.routing.engines import PATIENCE, Engines
from vivavoce.routing.route import Route


class RoutedTranslator:
    """Implements `Translator` over the engines of a route."""

    def __init__(self, route: Route, make: Callable[[str], Translator]) -> None:
        self._route, self._engines = route, Engines(route, make)
        self.serving = ""

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
            if self.serving not in ("", name):
                self._route.switched(self.serving, name, str(error) if error else "the better choice now")
            self.serving = name
            self._route.begin(name)
            begun_s = loop.time()
            try:
                chunks = self._engines.get(name).translate(
                    clause, source=source, target=target, context=context, glossary=glossary
                )
                deadline_s = self._route.triggers(name).deadline_ms / 1000 * (1 if names[1:] else PATIENCE)
                text = await _whole(chunks, deadline_s, name)
            except PairUnavailable as unable:
                error = error or unable  # no failure: it was never meant for this pair
            except LegError as failed:
                self._route.failed(name, error := failed)
            else:
                self._route.succeeded(name, 1000.0 * (loop.time() - begun_s))
                yield TextChunk(text, clause.epoch, last=True)
                return
            finally:
                self._route.end(name)
        if self.serving:
            self._route.switched(self.serving, None, str(error))
            self.serving = ""
        raise error or LegUnavailable("nobody is left for mt", hint="see: vivavoce routes")

    async def warm_up(self) -> None:
        await self._engines.warm_up()

    async def aclose(self) -> None:
        await self._engines.aclose()


async def _whole(chunks: AsyncIterator[TextChunk], deadline_s: float, name: str) -> str:
    """The text of all chunks, each of which comes within the deadline after the one before."""
    parts: list[str] = []
    try:
        while True:
            try:
                async with asyncio.timeout(deadline_s):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                break
            parts.append(chunk.text)
    except TimeoutError:
        how_far = f"stopped after {len(parts)} pieces" if parts else "gave nothing"
        raise LegTimeout(f"{name} {how_far} for {deadline_s:.1f} s") from None
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    return "".join(parts)
