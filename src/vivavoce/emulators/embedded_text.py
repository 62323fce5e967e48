"""Answers of an emulated chat that come from the embedded translators."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from vivavoce.config.engines import load_engine
from vivavoce.config.load import load_settings
from vivavoce.errors import ConfigError
from vivavoce.legs.values import Clause
from vivavoce.providers.pairs import PairTable
from vivavoce.providers.pivot import Pairs
from vivavoce.routing.terms import checked
from vivavoce.text.terms import Terms

_PAIR = re.compile(r"\bfrom ([a-z]{2,3}) into ([a-z]{2,3})\b")
_TERMS = re.compile(r"^Render these terms exactly so: (.+)$", re.MULTILINE)


class EmbeddedText:
    """Translates the last message by the table of pairs; the first one, our prompt, says from what into what.

    It renders terms as the prompt tells it to, and knows of none where the prompt does not.
    """

    def __init__(self) -> None:
        settings = load_settings(None)
        self._pairs = Pairs(PairTable.load(), lambda name: load_engine(settings, name))

    async def reply(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """Raises ConfigError for a prompt without languages, and what the route and its engines raise."""
        prompt = str(messages[0]["content"])
        pair = _PAIR.search(prompt)
        if pair is None:
            raise ConfigError("the first message names no languages", hint='it says "from en into pt"')
        source, target, text = pair[1], pair[2], str(messages[-1]["content"])

        async def translated(text: str) -> str:
            chunks = self._pairs.translate(Clause(text, 0.0, 0.0), source=source, target=target)
            return "".join([chunk.text async for chunk in chunks])

        terms = Terms(_told(prompt), source=source, target=target, inflected=False)
        return (await checked(text, await translated(text), terms.find(text), terms, translated)).text

    async def aclose(self) -> None:
        await self._pairs.aclose()


def _told(prompt: str) -> dict[str, str]:
    """The terms of a prompt, with their renderings."""
    found = _TERMS.search(prompt)
    pairs = (each.partition(" = ") for each in (found[1].split("; ") if found else ()))
    return {term: rendering for term, _, rendering in pairs if rendering}
