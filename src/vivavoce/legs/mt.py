"""The translation leg."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from vivavoce.legs.values import Clause, TextChunk


class Translator(Protocol):
    """Languages are ISO 639-1 codes. `context` is what was said before, oldest first; `glossary` locks terms."""

    def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]: ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
