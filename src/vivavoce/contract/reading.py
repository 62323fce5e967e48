"""Files of JSON that are read as one of our types, and what is said where they are none."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from vivavoce.errors import ConfigError

T = TypeVar("T")


def read_as(kind: type[T], path: Path, *, what: str, hint: str) -> T:
    """The `kind` in a file of JSON; `what` names it to whoever gave another file. Raises ConfigError."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint=hint) from error
    except ValidationError as error:
        raise ConfigError(f"{path} is no {what}: {first_fault(error)}", hint=hint) from error


def first_fault(error: ValidationError) -> str:
    """Where the first fault is, and what: the others often follow from it."""
    first = error.errors()[0]
    return ": ".join(filter(None, (".".join(str(part) for part in first["loc"]), first["msg"])))
