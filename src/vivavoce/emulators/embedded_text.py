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

_PAIR = re.compile(r"\bfrom ([a-z]{2,3}) into ([a-z]{2,3})\b")


class EmbeddedText:
    """Translates the last message by the table of pairs; the first one, our prompt, says from what into what."""

    def __init__(self) -> None:
        settings = load_settings(None)
        self._pairs = Pairs(PairTable.load(), lambda name: load_engine(settings, name))

    async def reply(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """Raises ConfigError for a prompt without languages, and what the route and its engines raise."""
        pair = _PAIR.search(str(messages[0]["content"]))
        if pair is None:
            raise ConfigError("the first message names no languages", hint='it says "from en into pt"')
        clause = Clause(str(messages[-1]["content"]), 0.0, 0.0)
        return "".join([chunk.text async for chunk in self._pairs.translate(clause, source=pair[1], target=pair[2])])

    async def aclose(self) -> None:
        await self._pairs.aclose()
