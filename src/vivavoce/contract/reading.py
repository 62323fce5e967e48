"""Files of JSON that are read as one of our types, and what is said where they are none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from vivavoce.errors import ConfigError

T = TypeVar("T")

_LARGEST: Final = 1e15
"""No figure of ours is larger; what is has no date and no finite share."""


def read_as(kind: type[T], path: Path, *, what: str, hint: str) -> T:
    """The `kind` in a file of JSON; `what` names it to whoever gave another file. Raises ConfigError."""
    content = read_json(path, what=what, hint=hint)
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise ConfigError(f"{path} is no {what}: {first_fault(error)}", hint=hint) from error


def read_json(path: Path, *, what: str, hint: str) -> Any:
    """What `parse_json` finds in a file. Raises ConfigError."""
    try:
        return parse_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint=hint) from error
    except ValueError as error:
        raise ConfigError(f"{path} is no {what}: {error}", hint=hint) from error


def parse_json(text: bytes) -> Any:
    """What a JSON text holds, its numbers finite and not beyond reason. Raises ValueError for any other text."""
    try:
        return json.loads(text, parse_constant=_number, parse_float=_number, parse_int=_integer)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def first_fault(error: ValidationError) -> str:
    """Where the first fault is, and what: the others often follow from it."""
    first = error.errors()[0]
    return ": ".join(filter(None, (".".join(str(part) for part in first["loc"]), first["msg"])))


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise ValueError(f"{text[:20]} is no number that it may hold")
    return value


def _integer(text: str) -> int:
    _number(text)
    return int(text)
