"""State as it is stored: JSON of names and values, with an end to its life."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from vivavoce.errors import StateError

Document = Mapping[str, Any]
"""What JSON can hold, by names; whoever writes it puts its version in."""

Seconds = Callable[[], float]
"""The time of day, as `time.time` tells it: lifetimes go on while no process runs."""


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


def as_document(text: str) -> Document:
    """Raises StateError."""
    try:
        document = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise StateError("a stored state is damaged", hint="expire it") from error
    if not isinstance(document, dict):
        raise StateError("a stored state is damaged", hint="expire it")
    return document
