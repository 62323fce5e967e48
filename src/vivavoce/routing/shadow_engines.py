"""From the configuration to shadows' engines, in this process or another: what makes them can be pickled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vivavoce.config.engines import engine_class, load_engine
from vivavoce.config.routes import PAIRS
from vivavoce.config.settings import Settings
from vivavoce.errors import LegUnavailable
from vivavoce.models import ModelStore
from vivavoce.prompts import CURRENT
from vivavoce.providers.pairs import PairTable
from vivavoce.providers.pivot import Pairs


@dataclass(frozen=True)
class ShadowEngines:
    """`prompt` is the version for translators that take one and whose options name none."""

    settings: Settings
    prompt: str = CURRENT

    def make(self, leg: str, engine: str) -> Any:
        """The engine's leg. Raises as `load_engine` does."""
        if leg == "mt" and engine == PAIRS:
            return Pairs(PairTable.load(), lambda name: load_engine(self.settings, name, store=ModelStore()))
        parts = {"prompt": self.prompt} if leg == "mt" else {}
        return load_engine(self.settings, engine, store=ModelStore(), **parts)

    def hosted(self, engine: str) -> bool:
        """Whether its class says `HOSTED`: its work is done elsewhere, and only then may it run beside a session."""
        if engine == PAIRS:
            return False
        try:
            return bool(getattr(engine_class(self.settings, engine), "HOSTED", False))
        except LegUnavailable:
            return False  # told where it is made
