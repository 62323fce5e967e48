"""Lines with slots in them: `See you on {day}.` A brace that is meant is written twice."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """`parts` are text and slots' names in turn, beginning and ending with text."""

    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """Raises ValueError for a slot that is not a plain name in braces."""
        parts, between = [], ""
        for literal, name, form, conversion in string.Formatter().parse(text):
            between += literal
            if name is None:
                continue
            if not name.isidentifier() or form or conversion:
                raise ValueError(f"{{{name}}} is no slot's name")
            parts += [between, name]
            between = ""
        return cls((*parts, between))

    @property
    def slots(self) -> tuple[str, ...]:
        return self.parts[1::2]

    def filled(self, spoken: Mapping[str, str]) -> str:
        """The line with its slots as they are spoken. Raises KeyError for one that is not known."""
        return "".join(spoken[part] if n % 2 else part for n, part in enumerate(self.parts))

    def __str__(self) -> str:
        return "".join(f"{{{part}}}" if n % 2 else part for n, part in enumerate(self.parts))
