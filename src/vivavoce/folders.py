"""Where a user's files belong: configuration, state and cache, by the platform's custom (XDG on Linux)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NAME = "vivavoce"


def config_dir() -> Path:
    """The folder of the user's `vivavoce.toml`; it need not exist."""
    return _folder("XDG_CONFIG_HOME", ".config")


def state_dir() -> Path:
    """The folder of what one run leaves for the next; it need not exist."""
    return _folder("XDG_STATE_HOME", ".local/state")


def cache_dir() -> Path:
    """The folder of what can be fetched again, or the one that VIVAVOCE_CACHE names; it need not exist."""
    if chosen := os.environ.get("VIVAVOCE_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin" and not os.environ.get("XDG_CACHE_HOME"):
        return Path.home() / "Library" / "Caches" / _NAME
    return _folder("XDG_CACHE_HOME", ".cache")


def _folder(variable: str, under_home: str) -> Path:
    if named := os.environ.get(variable):
        return Path(named) / _NAME
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / _NAME
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / _NAME
    return Path.home() / under_home / _NAME
