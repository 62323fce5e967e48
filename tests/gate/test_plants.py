"""What is planted: that it is there, and that the sound run of the same has none of it."""

from __future__ import annotations

import asyncio
import os

import pytest

from vivavoce.config.engines import load_engine
from vivavoce.config.load import default_settings
from vivavoce.config.settings import config_hash
from vivavoce.emulators.openai import ChatScript, served
from vivavoce.evals.failover_stage import KEY
from vivavoce.gate.plants import asking, forgetful_prompt, plants
from vivavoce.legs.values import Clause
from vivavoce.prompts import Prompt, mt_prompt

TERMS = {"server": "servidor de casa"}


def test_every_plant_has_a_leg_and_figures_that_are_meant_for_it() -> None:
    found = plants()
    assert [plant.name for plant in found] == ["prompt", "recogniser", "invention", "voice"]
    assert {plant.leg for plant in found} == {"stt", "mt", "tts"}
    assert [plant.name for plant in found if plant.paced] == ["voice"]


def test_the_forgetful_prompt_lacks_the_terms_and_nothing_else() -> None:
    asked = mt_prompt().messages("A clause.", source="en", target="pt", terms=TERMS)
    forgotten = forgetful_prompt().messages("A clause.", source="en", target="pt", terms=TERMS)
    assert "servidor de casa" in asked[0]["content"]
    assert forgotten == mt_prompt().messages("A clause.", source="en", target="pt")


@pytest.mark.parametrize(("prompt", "told"), [(None, True), (forgetful_prompt(), False)])
def test_a_chat_endpoint_is_the_only_translator_and_is_asked_with_the_prompt(prompt: Prompt | None, told: bool) -> None:
    os.environ.setdefault(KEY, "emulated-key-of-no-provider")

    class Asked(ChatScript):
        async def reply(self, messages: object) -> str:
            seen.append(str(messages))
            return "o servidor de casa"

    seen: list[str] = []

    async def translated() -> str:
        async with served(text=Asked()).serving() as address:
            settings = asking(default_settings(), f"http://{address}/v1", prompt)
            (name,) = settings.routes.mt.order
            engine = load_engine(settings, name)
            try:
                chunks = engine.translate(Clause("the server", 0.0, 0.0), source="en", target="pt", glossary=TERMS)
                return "".join([chunk.text async for chunk in chunks])
            finally:
                await engine.aclose()

    assert asyncio.run(translated()) == "o servidor de casa"
    assert ("server = servidor de casa" in seen[0]) is told


def test_settings_with_another_prompt_are_others() -> None:
    first, second = (asking(default_settings(), "http://x/v1", prompt) for prompt in (None, forgetful_prompt()))
    assert config_hash(first) != config_hash(second)
    assert config_hash(first) == config_hash(asking(default_settings(), "http://x/v1"))
