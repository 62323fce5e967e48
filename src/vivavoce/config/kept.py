"""Copies of the configuration files that were in force, so that one command goes back to the one before."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from vivavoce.errors import ConfigError, OutputError
from vivavoce.folders import replace_file, state_dir

MOST: Final = 10
_REPLACED: Final = "replaced.toml"


class KeptFiles:
    """The last `MOST` contents of one configuration file that were in force, oldest first, for its owner alone."""

    def __init__(self, path: Path, *, folder: Path | None = None) -> None:
        self.path = path.absolute()
        of_path = hashlib.sha256(str(self.path).encode()).hexdigest()[:16]
        self._folder = (folder or state_dir() / "config") / of_path

    @property
    def replaced(self) -> Path:
        """What the last rollback wrote over."""
        return self._folder / _REPLACED

    def keep(self, content: bytes) -> None:
        """Add a content unless it is the newest. Raises OSError."""
        copies = self.copies()
        if copies and copies[-1].read_bytes() == content:
            return
        number = int(copies[-1].stem) + 1 if copies else 1
        replace_file(self._folder / f"{number:06}.toml", content, durable=True)
        for old in copies[: max(0, len(copies) + 1 - MOST)]:
            old.unlink(missing_ok=True)

    def copies(self) -> list[Path]:
        """Oldest first."""
        return sorted(path for path in self._folder.glob("*.toml") if path.stem.isdecimal())

    def before(self) -> Path:
        """The copy to go back to: of what was in force before the file as it is now.

        Raises ConfigError where there is none.
        """
        now = self.path.read_bytes() if self.path.exists() else b""
        copies = self.copies()
        while copies and copies[-1].read_bytes() == now:
            copies.pop()
        if not copies:
            raise ConfigError(
                f"no earlier {self.path} is known",
                hint="a file is remembered once vivavoce serve or translate has run with it",
            )
        return copies[-1]

    def replace(self, before: bytes, after: bytes) -> None:
        """Keep what is in the file, which is `before`, and put another content in its place.

        Raises ConfigError where the file says something else by now, OutputError where it cannot be written.
        """
        try:
            if self.path.read_bytes() != before:
                raise ConfigError(f"{self.path} was changed meanwhile", hint="try again")
            self.keep(before)
            replace_file(self.path.resolve(), after, mode=self.path.stat().st_mode & 0o777, durable=True)
        except OSError as error:
            raise OutputError(
                f"{error.filename or self.path}: {error.strerror}", hint="is it yours to write?"
            ) from error

    def roll_back(self) -> Path:
        """Put that copy in the file's place, forget the later ones, and return it; what was there is in `replaced`.

        Raises ConfigError where there is none, OutputError where the file cannot be written.
        """
        copy = self.before()
        try:
            mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o600
            if self.path.exists():
                replace_file(self.replaced, self.path.read_bytes(), durable=True)
            replace_file(self.path.resolve(), copy.read_bytes(), mode=mode, durable=True)
            for later in self.copies():
                if later > copy:
                    later.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{error.filename or self.path}: {error.strerror}", hint="is it yours to write?"
            ) from error
        return copy
