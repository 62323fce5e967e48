"""From files to `Settings`: where a file is looked for, how it is merged, how it is refused."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError, ContractError
from vivavoce.folders import config_dir

FILE_NAME = "vivavoce.toml"
VARIABLE = "VIVAVOCE_CONFIG"
_CORRECT = f"correct the file, or name another with --config or in ${VARIABLE}"


def find_config(named: Path | None = None) -> Path | None:
    """The file in force: `named`, else $VIVAVOCE_CONFIG, else one in the working or the user's folder, else None.

    One that was asked for is returned whether it exists or not.
    """
    if named is not None:
        return named
    if from_environment := os.environ.get(VARIABLE):
        return Path(from_environment)
    return next((path for path in (Path(FILE_NAME), config_dir() / FILE_NAME) if path.is_file()), None)


def load_settings(named: Path | None = None) -> Settings:
    """The settings in force, from the file that `find_config` gives merged over the packaged default.

    Raises ConfigError with the file, the line or key path, and the reason.
    """
    path = find_config(named)
    return default_settings() if path is None else read_settings(path)


def default_settings() -> Settings:
    """The packaged settings."""
    return Settings.model_validate(_packaged())


def read_settings(path: Path) -> Settings:
    """One file merged over the packaged default. Raises ConfigError as `load_settings` does."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at byte {error.start}", hint=_CORRECT) from error
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", hint=f"name another file with --config or in ${VARIABLE}"
        ) from error
    return settings_of(text, path)


def settings_of(text: str, path: Path) -> Settings:
    """What `read_settings` reads, of a file's text. Raises ConfigError as that does."""
    try:
        own = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # tomllib's message ends with line and column
        raise ConfigError(f"{path}: {error}", hint=_CORRECT) from error
    try:
        return Settings.model_validate(_merged(_packaged(), own))
    except ValidationError as error:
        raise ConfigError(f"{path}: {_reasons(error)}", hint=_CORRECT) from error
    except ContractError as error:
        raise ContractError(f"{path}: contract: {error.message}", hint=error.hint or _CORRECT) from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", hint=error.hint or _CORRECT) from error


def _packaged() -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / FILE_NAME).read_text(encoding="utf-8"))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key, everything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _reasons(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
