"""Keys of providers: from the environment or a file of secrets only, and shown nowhere.

The file has lines `NAME=value`; it is the one that VIVAVOCE_SECRETS names, or `secrets.env` in the user's configuration
folder, and nobody else may read it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vivavoce.errors import ConfigError, LegUnavailable
from vivavoce.folders import config_dir

VARIABLE = "VIVAVOCE_SECRETS"
_HIDDEN = "[key]"


@dataclass(frozen=True, slots=True)
class Secret:
    """A key by its name. `str` and `repr` tell the name alone; what shows the value says `reveal`."""

    name: str
    _value: str = field(repr=False)

    def reveal(self) -> str:
        return self._value

    def scrub(self, text: str) -> str:
        """`text` of others (a refusal may repeat the key) without the key in it, whole or by its first half."""
        half = self._value[: max(8, len(self._value) // 2)]
        return text.replace(self._value, _HIDDEN).replace(half, _HIDDEN)

    def __str__(self) -> str:
        return self.name


def secret(name: str, *, environment: Mapping[str, str] = os.environ) -> Secret:
    """The key of that name. Raises LegUnavailable where there is none, ConfigError for a file that others may read."""
    path = Path(environment[VARIABLE]) if environment.get(VARIABLE) else config_dir() / "secrets.env"
    value = environment.get(name, "").strip() or _in_file(path).get(name, "")
    if not value:
        raise LegUnavailable(f"there is no key {name}", hint=f"set {name} in the environment, or in {path}")
    return Secret(name, value)


def _in_file(path: Path) -> dict[str, str]:
    try:
        mode = path.stat().st_mode
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: {type(error).__name__}", hint="it must be a text file of lines NAME=value"
        ) from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others may read it", hint=f"chmod 600 {path}")
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}
