"""The emulated chat backed by the embedded translators, asked by our provider as it asks others."""

from __future__ import annotations

import asyncio

import pytest

from vivavoce.emulators.embedded_text import EmbeddedText
from vivavoce.emulators.openai import served
from vivavoce.errors import ConfigError, LegRefused, VivavoceError
from vivavoce.legs.values import Clause
from vivavoce.models import ModelStore
from vivavoce.providers.openai_chat import OpenAIChat

try:
    ModelStore().folder("bergamot-enpt")
except VivavoceError as error:
    pytest.skip(f"Bergamot cannot run: {error.message}", allow_module_level=True)


def test_it_translates_what_our_prompt_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_KEY", "sk-any")

    async def main() -> None:
        async with served(text=EmbeddedText()).serving() as address, asyncio.timeout(60):
            leg = OpenAIChat(url=f"http://{address}/v1", model="m", key="CHAT_KEY")

            async def said(text: str, source: str = "en", **more: object) -> str:
                chunks = leg.translate(Clause(text, 0, 1), source=source, target="pt", **more)  # type: ignore[arg-type]
                return "".join([chunk.text async for chunk in chunks])

            assert await said("The dog is in the park.") == "O cão está no parque."
            locked = await said("The heat pump is in the park.", glossary={"heat pump": "bomba de calor"})
            assert "bomba de calor" in locked
            with pytest.raises(LegRefused, match="no translation from 'xx'"):
                await said("The dog", source="xx")
            await leg.aclose()

    asyncio.run(main())


def test_a_prompt_without_languages_is_refused() -> None:
    async def main() -> None:
        text = EmbeddedText()
        with pytest.raises(ConfigError, match="names no languages"):
            await text.reply([{"role": "user", "content": "hello"}])
        await text.aclose()

    asyncio.run(main())
