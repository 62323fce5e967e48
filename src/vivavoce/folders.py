"""Where a user's files belong, by the platform's custom (XDG on Linux), and how one is replaced whole."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from vivavoce.errors import OutputError

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


def replace_file(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Give a file new content in one step: readers see the old or the whole new. Raises OSError.

    A `durable` one is on the disk on return, which may take that long.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def keep_state(path: Path, content: bytes) -> Path:
    """Replace what an earlier run left in the state folder; returns the file. Raises OutputError when it cannot."""
    try:
        replace_file(path, content)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}", hint="free some space or set XDG_STATE_HOME") from error
    return path


def _folder(variable: str, under_home: str) -> Path:
    if named := os.environ.get(variable):
        return Path(named) / _NAME
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / _NAME
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / _NAME
    return Path.home() / under_home / _NAME
