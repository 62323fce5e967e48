"""The translation leg."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from vivavoce.legs.values import Clause, TextChunk


class Translator(Protocol):
    """Languages are ISO 639-1 codes. `context` is what was said before, oldest first.

    `glossary` has terms with the renderings that are locked. To an engine it tells those of the clause alone, as they
    are written there; what the engine makes of them is checked, and mended, by who asks it.
    """

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
