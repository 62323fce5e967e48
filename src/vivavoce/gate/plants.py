"""Regressions that are planted to see that the gate finds them: what each is, and which figure is meant to block it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from vivavoce.config.settings import Settings
from vivavoce.emulators.embedded_text import EmbeddedText
from vivavoce.emulators.openai import served
from vivavoce.evals.failover_stage import KEY
from vivavoce.gate.metric import Owner
from vivavoce.gate.planted_legs import InventingTranslators, SlowSynthesizer, WrongStt
from vivavoce.prompts import Prompt, mt_prompt
from vivavoce.translate.session import Legs

SLOWER_MS: Final = 500.0
CHANGED: Final = 0.08
DROPPED: Final = 0.04
INVENTED: Final = 0.12

_CHAT: Final = "chat-emulated"
_PATIENCE_MS: Final = 30_000.0
"""The emulator's first answer of a pair waits for its models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One regression. One of `meant` must block it, and it must be placed on `leg`; other figures may move.

    `around` makes legs worse, `prompt` is what the chat endpoint is asked with. A `paced` one shows at real time only.
    """

    name: str
    what: str
    leg: Owner
    meant: tuple[str, ...]
    paced: bool = False
    around: Callable[[Legs], Legs] = lambda legs: legs
    prompt: Prompt | None = None


def forgetful_prompt() -> Prompt:
    """The prompt in force without the line that tells the locked terms."""
    prompt = mt_prompt()
    lines = [line for line in prompt.system.splitlines() if "{terms}" not in line]
    return Prompt(version=f"{prompt.version}-without-terms", system="\n".join(lines))


def _slow(legs: Legs) -> Legs:
    voice = legs.synthesizer
    return legs if voice is None else replace(legs, synthesizer=SlowSynthesizer(voice, by_ms=SLOWER_MS))


def _mishearing(legs: Legs) -> Legs:
    return replace(legs, stt=WrongStt(legs.stt, changed=CHANGED, dropped=DROPPED))


def _inventing(legs: Legs) -> Legs:
    return replace(legs, translator=InventingTranslators(legs.translator, share=INVENTED))


def plants() -> list[Plant]:
    return [
        Plant(
            name="prompt",
            what="the chat prompt does not tell the locked terms",
            leg="mt",
            meant=("mt.glossary.unaided",),
            prompt=forgetful_prompt(),
        ),
        Plant(
            name="recogniser",
            what=f"{CHANGED:.0%} of the words are taken for others, {DROPPED:.0%} are left out",
            leg="stt",
            meant=("stt.wer", "wer"),
            around=_mishearing,
        ),
        Plant(
            name="invention",
            what=f"a sentence that nobody said follows {INVENTED:.0%} of the clauses",
            leg="mt",
            meant=("mt.hallucination", "hallucination"),
            around=_inventing,
        ),
        Plant(
            name="voice",
            what=f"the first sound of each clause comes {SLOWER_MS:.0f} ms later",
            leg="tts",
            meant=("stage.tts.p50", "stage.tts.p95", "heard.p50", "heard.p95"),
            paced=True,
            around=_slow,
        ),
    ]


@asynccontextmanager
async def chat_over_pairs() -> AsyncIterator[str]:
    """The address of an emulated chat endpoint, behind which stand the embedded pairs; it does what prompts say."""
    os.environ.setdefault(KEY, "emulated-key-of-no-provider")  # emulated providers take any
    async with served(text=EmbeddedText()).serving() as address:
        yield f"http://{address}/v1"


def asking(settings: Settings, url: str, prompt: Prompt | None = None) -> Settings:
    """The settings with a chat endpoint as the only translator, asked with `prompt` or the one in force."""
    options: dict[str, Any] = {
        "url": url,
        "model": "emulated",
        "key": KEY,
        "prompt": prompt or mt_prompt(),
        "first_timeout_ms": _PATIENCE_MS,
        "stall_timeout_ms": _PATIENCE_MS,
    }
    patience = {"deadline_ms": _PATIENCE_MS, "stall_ms": _PATIENCE_MS}
    changes = {
        "engines": {_CHAT: "vivavoce.providers.openai_chat:OpenAIChat", "options": {_CHAT: options}},
        "routes": {"mt": {"order": [_CHAT], "tiers": {}, "shadow": {}, "engines": {_CHAT: patience}}},
    }
    return Settings.model_validate(_merged(settings.model_dump(), changes))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables key by key; an empty one replaces."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        deeper = isinstance(value, Mapping) and isinstance(old, Mapping) and value
        result[key] = _merged(old or {}, value) if deeper else value
    return result
