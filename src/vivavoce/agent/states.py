"""Where the state of dialogues is kept between turns: three verbs, and the store that is gone with its process.

What is kept is what callers said: every entry has a lifetime, and is reached for erasure by its key.
"""

from __future__ import annotations

import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from vivavoce.errors import StateError

Document = Mapping[str, Any]
"""What JSON can hold, by names; whoever writes it puts its version in."""

Seconds = Callable[[], float]
"""The time of day, as `time.time` tells it: lifetimes go on while no process runs."""


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


def expiry_s(now_s: float, lifetime_s: float) -> float:
    """When an entry's lifetime is over. Raises StateError for none."""
    if not (lifetime_s > 0 and math.isfinite(lifetime_s)):
        raise StateError(f"a lifetime of {lifetime_s} s is none", hint="give every entry seconds to live")
    return now_s + lifetime_s


def as_text(document: Document) -> str:
    """ASCII alone. Raises StateError for what JSON cannot hold."""
    try:
        return json.dumps(dict(document), allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise StateError(f"the state is no JSON: {type(error).__name__}") from error


def as_document(text: str | bytes) -> Document:
    """Raises StateError."""
    try:
        document = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise StateError("a stored state is damaged", hint="expire it") from error
    if not isinstance(document, dict):
        raise StateError("a stored state is damaged", hint="expire it")
    return document
