"""The settings of a running program, which a bad file cannot take away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from vivavoce.clock import Clock
from vivavoce.config.kept import KeptFiles
from vivavoce.config.load import find_config, load_settings
from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError

Listener = Callable[[Settings], None]
_log = logging.getLogger(__name__)


class ConfigHolder:
    """Holds the settings in force and replaces them whole, by `reload` or when `poll` finds the file changed.

    A copy of each file that was in force is kept, see `KeptFiles`.
    """

    def __init__(self, named: Path | None = None) -> None:
        """Load what `load_settings` loads; raises ConfigError, for there is nothing to fall back on yet."""
        self._named = named
        self._listeners: list[Listener] = []
        self._seen = self._stamp()
        path, content = self._content()
        self._settings = load_settings(named)
        self._keep(path, content)

    @property
    def settings(self) -> Settings:
        return self._settings

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every new settings; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def reload(self) -> Settings:
        """Read the file anew and tell the listeners when it says something else.

        Raises ConfigError and keeps what was in force when the file is refused, by a listener too.
        """
        self._seen = self._stamp()  # before reading: a write in between is seen by the next poll
        path, content = self._content()
        settings = load_settings(self._named)
        if settings != self._settings:
            self._replace(settings)
        self._keep(path, content)
        return self._settings

    def poll(self) -> Settings:
        """`reload` when the file was touched, replaced, added or removed since; a bad file raises once."""
        return self._settings if self._stamp() == self._seen else self.reload()

    def _replace(self, settings: Settings) -> None:
        before, told = self._settings, []
        self._settings = settings
        try:
            for listener in tuple(self._listeners):
                told.append(listener)
                listener(settings)
        except ConfigError:
            self._settings = before
            for listener in told:
                listener(before)
            raise

    def _keep(self, path: Path | None, content: bytes | None) -> None:
        # one that was written since is seen by the next poll
        if path is not None and content is not None and self._content() == (path, content):
            try:
                KeptFiles(path).keep(content)
            except OSError as error:
                _log.warning("no copy of %s is kept for a rollback: %s", path, error)

    def _content(self) -> tuple[Path | None, bytes | None]:
        path = find_config(self._named)
        try:
            return path, path.read_bytes() if path else None
        except OSError:
            return path, None

    def _stamp(self) -> tuple[Path | None, int, int, int]:
        path = find_config(self._named)
        try:
            status = path.stat() if path else None
        except OSError:
            status = None
        return (path, status.st_mtime_ns, status.st_size, status.st_ino) if status else (path, 0, 0, 0)


@asynccontextmanager
async def watched(holder: ConfigHolder, *, clock: Clock, refused: Callable[[ConfigError], None]) -> AsyncIterator[None]:
    """`watch` as long as this is open."""
    task = asyncio.create_task(watch(holder, clock=clock, refused=refused))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def watch(
    holder: ConfigHolder, *, clock: Clock, refused: Callable[[ConfigError], None], every_s: float = 1.0
) -> None:
    """Poll until cancelled. A file that is refused is told once; the settings in force stay."""
    while True:
        await clock.sleep_until(clock.now_ns() + round(every_s * 1e9))
        try:
            holder.poll()
        except ConfigError as error:
            refused(error)
