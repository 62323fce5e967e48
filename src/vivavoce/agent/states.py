"""Where the state of dialogues is kept between turns: three verbs, and the store that is gone with its process.

What is kept is what callers said: every entry has a lifetime, and is reached for erasure by its key.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Protocol

from vivavoce.store.documents import Document, Seconds, as_document, as_text, expiry_s


class StateStore(Protocol):
    """All verbs raise StateError."""

    async def get(self, key: str) -> Document | None:
        """What was put last, or None where nothing is or its lifetime is over."""
        ...

    async def put(self, key: str, document: Document, *, lifetime_s: float) -> None:
        """Replace what is there."""
        ...

    async def expire(self, key: str) -> None:
        """Erase it now, whatever its lifetime; what is not there is erased already."""
        ...


class MemoryStates:
    """Implements `StateStore`. Past `most` entries the one that was put longest ago goes."""

    def __init__(self, *, most: int = 10_000, now_s: Seconds = time.time) -> None:
        self._most, self._now_s = most, now_s
        self._entries: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def get(self, key: str) -> Document | None:
        self._sweep()
        return as_document(self._entries[key][1]) if key in self._entries else None

    async def put(self, key: str, document: Document, *, lifetime_s: float) -> None:
        self._sweep()
        self._entries[key] = expiry_s(self._now_s(), lifetime_s), as_text(document)
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)

    async def expire(self, key: str) -> None:
        self._entries.pop(key, None)

    def _sweep(self) -> None:
        now_s = self._now_s()
        for key in [key for key, (until_s, _) in self._entries.items() if until_s <= now_s]:
            del self._entries[key]
