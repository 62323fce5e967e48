"""A Postgres of its own for measuring, that can be killed and started again."""

from __future__ import annotations

import signal
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vivavoce.errors import ConfigError


class OwnPostgres:
    """Made by `own_postgres`; `url` is of an empty database. Its methods block."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = str(server.get_uri())

    def database(self) -> str:
        """The URL of a new database."""
        name = f"vivavoce_{uuid.uuid4().hex}"
        self._server.psql(f"CREATE DATABASE {name};")
        return str(self._server.get_uri(database=name))

    def forgo_the_disk(self) -> None:
        """From now on it waits for no disk: what is killed may be lost, and databases are made and dropped fast."""
        for setting in ("fsync", "full_page_writes"):
            self._server.psql(f"ALTER SYSTEM SET {setting} = off;")
        self._server.psql("SELECT pg_reload_conf();")

    @property
    def pid(self) -> int:
        return int(self._server.get_pid())

    def kill(self) -> None:
        """SIGKILL to every process of it, as a machine that loses its power does."""
        import psutil

        postmaster = psutil.Process(self.pid)
        # Stopped first, so that it can start nobody else meanwhile.
        postmaster.send_signal(signal.SIGSTOP)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        while any(not _is_dead(process) for process in processes):
            time.sleep(0.01)
        # A zombie holds nothing, but its number in these files is taken for a running server.
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (Path(self._server.pgdata) / name).unlink(missing_ok=True)

    def start(self) -> None:
        """Start it where it was; returns when it takes connections, after it has recovered."""
        self._server.ensure_postgres_running()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A new one in a folder of its own, reached by a socket. Raises ConfigError without the package pgserver."""
    # It warns where there is no XDG_RUNTIME_DIR, which it does not use here.
    warnings.filterwarnings("ignore", category=UserWarning, module="platformdirs")
    try:
        from pgserver import get_server  # type: ignore[attr-defined]
    except ImportError as error:
        raise ConfigError(
            "there is no Postgres to measure", hint="pip install pgserver, or --postgres with a URL, or --stores sqlite"
        ) from error
    with tempfile.TemporaryDirectory(prefix="vivavoce-pg-", ignore_cleanup_errors=True) as folder:
        server = get_server(folder)
        try:
            yield OwnPostgres(server)
        finally:
            server.cleanup()


def _is_dead(process: Any) -> bool:
    import psutil

    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
