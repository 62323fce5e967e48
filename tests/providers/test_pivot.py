from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from vivavoce.errors import ConfigError, LegUnavailable, PairUnavailable, VivavoceError
from vivavoce.legs.mt import Translator
from vivavoce.legs.values import Clause, TextChunk
from vivavoce.models import ModelStore
from vivavoce.providers.apertium import MODES, Apertium
from vivavoce.providers.bergamot import Bergamot
from vivavoce.providers.pairs import Hop, PairTable, Route
from vivavoce.providers.pivot import Engines, TextEngine

TABLE = PairTable.load()
DOG = {
    "en": "The dog drinks water. Where is the house?",
    "pt": "O cão bebe água. Onde está a casa?",
    "es": "El perro bebe agua. ¿Dónde está la casa?",
    "fr": "Le chien boit de l'eau. Où est la maison ?",
    "it": "Il cane beve acqua. Dov'è la casa?",
    "ca": "El gos beu aigua. On és la casa?",
}
WORDS = {
    "en": {"dog", "water", "house"},
    "pt": {"água", "casa"},
    "es": {"perro", "agua", "casa"},
    "fr": {"chien", "eau", "maison"},
    "it": {"cane", "acqua", "casa"},
    "ca": {"gos", "aigua", "casa"},
}


def make(name: str) -> TextEngine:
    if name == "bergamot":
        return Bergamot()
    if name == "apertium":
        return Apertium()
    raise ConfigError(f"no engine is named {name!r}")


@asynccontextmanager
async def engines() -> AsyncIterator[Engines]:
    pool = Engines(make)
    try:
        yield pool
    finally:
        await pool.aclose()


def need(route: Route) -> None:
    for hop in route.hops:
        if hop.engine == "apertium" and not (MODES / f"{hop.mode}.mode").is_file():
            pytest.skip(f"the Apertium mode {hop.mode} is not installed")
        if hop.engine == "bergamot":
            try:
                ModelStore().folder(f"bergamot-{hop.mode}")
            except VivavoceError as error:
                pytest.skip(f"Bergamot cannot run: {error.message}")


async def say(leg: Translator, text: str, route: Route) -> list[TextChunk]:
    clause = Clause(text, 0.0, 1000.0, epoch=7)
    spoken = leg.translate(clause, source=route.source, target=route.target)
    return [chunk async for chunk in spoken]


@pytest.mark.parametrize("route", TABLE.routes(), ids=lambda route: route.name)
def test_every_pair_translates(route: Route) -> None:
    need(route)

    async def main() -> None:
        async with engines() as pool:
            leg = pool.translator_for(route)
            await leg.warm_up()
            (chunk,) = await say(leg, DOG[route.source], route)
            assert (chunk.epoch, chunk.last) == (7, True)
            words = set("".join(c if c.isalpha() else " " for c in chunk.text.casefold()).split())
            assert words >= WORDS[route.target], chunk.text
            assert [c for c in chunk.text if c in ".?"] == [".", "?"]
            assert await say(leg, "", route) == [TextChunk("", 7, True)]

    asyncio.run(main())


def test_routes_share_processes_and_the_pool_ends_them() -> None:
    route = TABLE.route("pt", "es")
    need(route)

    async def main() -> None:
        async with engines() as pool:
            first, second = pool.translator_for(route), pool.translator_for(Route("gl", "es", route.hops))
            await first.warm_up()
            started = len(psutil.Process().children())
            await second.warm_up()
            assert len(psutil.Process().children()) == started
            await first.aclose()
            assert (await say(second, "Olá.", second.route))[0].text == "Hola."

    before = set(psutil.Process().children())
    asyncio.run(main())
    assert set(psutil.Process().children()) <= before


def test_another_pair_than_its_own_is_refused() -> None:
    async def main() -> None:
        async with engines() as pool:
            leg = pool.translator_for(Route("pt", "es", ()))
            with pytest.raises(PairUnavailable, match="pt-es, not en-pt"):
                await say(leg, "a", Route("en", "pt", ()))

    asyncio.run(main())


def test_a_route_over_what_is_not_there_says_so() -> None:
    async def main() -> None:
        async with engines() as pool:
            with pytest.raises(ConfigError, match="'babel'"):
                pool.translator_for(Route("a", "b", (Hop("babel", "x"),)))
            leg = pool.translator_for(Route("a", "b", (Hop("apertium", "xxx-yyy"),)))
            with pytest.raises(LegUnavailable, match="xxx-yyy is not installed"):
                await leg.warm_up()

    asyncio.run(main())
