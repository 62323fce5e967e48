"""Prompts for translation by language models, by version."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Final

from vivavoce.errors import ConfigError
from vivavoce.prompts.mt import v1
from vivavoce.prompts.prompt import Prompt

_PROMPTS: Final = {prompt.version: prompt for prompt in (Prompt(version="v1", system=v1.SYSTEM),)}

CURRENT: Final = "v1"
"""In force where the store knows of none that was deployed."""


def versions() -> list[str]:
    """Those whose modules are here, oldest first."""
    return list(_PROMPTS)


def mt_prompt(version: str = CURRENT) -> Prompt:
    """Raises ConfigError for a version that is not here."""
    try:
        return _PROMPTS[version]
    except KeyError:
        raise ConfigError(f"there is no prompt {version!r}", hint=f"there are {', '.join(_PROMPTS)}") from None


def stamped() -> Mapping[str, str]:
    """The hashes that versions had when they were stamped, from `stamped.toml`."""
    table = tomllib.loads((resources.files(__package__) / "stamped.toml").read_text(encoding="utf-8"))
    return {version: row["template"] for version, row in table.items()}
