"""The settings of a running program, which a bad file cannot take away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vivavoce.config.load import find_config, load_settings
from vivavoce.config.settings import Settings

Listener = Callable[[Settings], None]


class ConfigHolder:
    """Holds the settings in force and replaces them whole, by `reload` or when `poll` finds the file changed."""

    def __init__(self, named: Path | None = None) -> None:
        """Load what `load_settings` loads; raises ConfigError, for there is nothing to fall back on yet."""
        self._named = named
        self._listeners: list[Listener] = []
        self._seen = self._stamp()
        self._settings = load_settings(named)

    @property
    def settings(self) -> Settings:
        return self._settings

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every new settings; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def reload(self) -> Settings:
        """Read the file anew and tell the listeners when it says something else.

        Raises ConfigError and keeps what was in force when the file is refused.
        """
        self._seen = self._stamp()  # before reading: a write in between is seen by the next poll
        settings = load_settings(self._named)
        if settings != self._settings:
            self._settings = settings
            for listener in tuple(self._listeners):
                listener(settings)
        return self._settings

    def poll(self) -> Settings:
        """`reload` when the file was touched, replaced, added or removed since; a bad file raises once."""
        return self._settings if self._stamp() == self._seen else self.reload()

    def _stamp(self) -> tuple[Path | None, int, int, int]:
        path = find_config(self._named)
        try:
            status = path.stat() if path else None
        except OSError:
            status = None
        return (path, status.st_mtime_ns, status.st_size, status.st_ino) if status else (path, 0, 0, 0)
