from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from vivavoce.errors import ModelMissing, VivavoceError
from vivavoce.models import ModelStore
from vivavoce.providers.bergamot import Bergamot

try:
    for model in ("bergamot-enpt", "bergamot-pten"):
        ModelStore().folder(model)
except VivavoceError as error:
    pytest.skip(f"Bergamot cannot run: {error.message}", allow_module_level=True)

UNBROKEN = (
    "the quick brown fox jumped over the lazy dog while the children were singing an old song about a river that runs "
    "through the green valley where my grandmother was born and raised many years ago before the war came and took "
    "everything that we had built with our own hands"
)


@asynccontextmanager
async def bergamot() -> AsyncIterator[Bergamot]:
    engine = Bergamot()
    try:
        yield engine
    finally:
        await engine.aclose()


def test_it_translates_both_ways() -> None:
    async def main() -> None:
        async with bergamot() as engine:
            await engine.warm_up("enpt")
            assert await engine.translate_text("enpt", "The dog is in the park.") == "O cão está no parque."
            assert await engine.translate_text("pten", "O cão está no parque.") == "The dog is in the park."

    asyncio.run(main())


def test_long_text_is_translated_to_its_end() -> None:
    async def main() -> None:
        async with bergamot() as engine:
            text = " ".join(f"The number is {n}." for n in range(200, 300))
            out = await engine.translate_text("enpt", text)
            assert [n for n in range(200, 300) if str(n) not in out] == []
            out = await engine.translate_text("enpt", UNBROKEN)
            assert [word for word in ("raposa", "rio", "avó", "guerra", "mãos") if word not in out] == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "text",
    [
        "😀",
        "<b>Hi</b> &amp; bye",
        "\ud800",
        "\x00\x01",
        "日本語",
        "?!",
        "¿",
        "<unk> </s>",
        "`x` $y$ \\(z\\)",
        "x" * 2000,
    ],
)
def test_odd_text_is_survived(text: str) -> None:
    async def main() -> None:
        async with bergamot() as engine:
            await engine.translate_text("enpt", text)
            assert await engine.translate_text("enpt", "Hello.\nHow are you?") == "Olá. Como você está?"

    asyncio.run(main())


def test_nothing_gives_nothing() -> None:
    async def main() -> None:
        async with bergamot() as engine:
            assert await engine.translate_text("enpt", " \n\t ") == ""

    asyncio.run(main())


def test_the_loop_runs_on_while_it_translates() -> None:
    async def main() -> None:
        async with bergamot() as engine:
            await engine.warm_up("enpt")
            work = asyncio.create_task(engine.translate_text("enpt", "and then they came home again " * 6))
            turns = 0
            while not work.done():
                await asyncio.sleep(0)
                turns += 1
            assert turns > 50

    asyncio.run(main())


def test_a_cancelled_translation_stops_and_leaves_no_thread() -> None:
    async def main() -> None:
        async with bergamot() as engine:
            await engine.warm_up("enpt")
            work = asyncio.create_task(engine.translate_text("enpt", "This is a sentence. " * 500))
            await asyncio.sleep(0)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert await engine.translate_text("enpt", "Hello.") == "Olá."

    before = set(threading.enumerate())
    asyncio.run(main())
    assert set(threading.enumerate()) <= before


def test_a_mode_it_has_no_model_for_is_refused() -> None:
    async def main() -> None:
        async with bergamot() as engine:
            with pytest.raises(ModelMissing, match="bergamot-ende") as caught:
                await engine.translate_text("ende", "Hello.")
            assert "bergamot-enpt" in caught.value.hint

    asyncio.run(main())
