"""Servers of Postgres, and data that lies beside the repository where its maintainers work.

Tests on what is not here are skipped.
"""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.store.database import Database

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(path: Path) -> Path:
    if not path.is_dir():
        pytest.skip(f"../{path.relative_to(SHARED.parent)} is not here")
    return path


class Postgres:
    """A server on a Unix socket, its data in a new folder. `url` is of an empty database that nothing else uses."""

    def __init__(self) -> None:
        pgserver = pytest.importorskip("pgserver", reason="no server of Postgres (pgserver) is installed")
        self._psutil = pytest.importorskip("psutil")
        # Not in pytest's folder, which another run may close to the user that root starts Postgres as.
        self._server: Any = pgserver.get_server(tempfile.mkdtemp(prefix="postgres-"), cleanup_mode="delete")
        self.url = self.database()

    def database(self) -> str:
        """The URL of a new database."""
        name = f"test_{uuid.uuid4().hex}"
        self._server.psql(f"CREATE DATABASE {name};")
        return str(self._server.get_uri(database=name))

    def kill(self) -> None:
        """`kill -9` of the postmaster and its backends; returns when they are gone."""
        processes = self._processes()
        for process in processes:
            process.kill()
        self._psutil.wait_procs(processes, timeout=10)

    def start(self) -> None:
        """Again, with its recovery done."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()

    def _processes(self) -> list[Any]:
        postmaster = self._psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children()]


@pytest.fixture(scope="session")
def _postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def postgres_url(_postgres: Postgres) -> str:
    """The URL of a database of its own on a server that all tests share."""
    return _postgres.database()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server of its own, for a test that kills it."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that is not there yet, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'vivavoce.db'}"
    return str(request.getfixturevalue("postgres_url"))


class HeldDatabase(Database):
    """While it works virtual time goes slower than real time: the loop waits 5 ms for a socket before it jumps."""

    @asynccontextmanager
    async def begin(self, *, read_only: bool = False) -> AsyncIterator[AsyncConnection]:
        loop, pair = asyncio.get_running_loop(), socket.socketpair()
        loop.add_reader(pair[0], lambda: None)
        ticking = asyncio.create_task(_tick())
        try:
            async with super().begin(read_only=read_only) as connection:
                yield connection
        finally:
            ticking.cancel()
            loop.remove_reader(pair[0])
            for end in pair:
                end.close()


async def _tick() -> None:
    for _ in count():
        await asyncio.sleep(0.001)


@pytest.fixture(scope="session")
def held_database() -> type[Database]:
    """A store for tests on virtual time, which jumps over what threads and processes do."""
    return HeldDatabase


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder `shared` next to the repository."""
    return _folder(SHARED)


@pytest.fixture(scope="session")
def evalset() -> Path:
    """Real recordings in several languages, described by the folder's `manifest.json`."""
    return _folder(SHARED / "evalset")


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script for emulated recognisers: one clip at 16 kHz of noises that stand for words, three to a phrase."""
    rate_hz, random = 16000, np.random.default_rng(5)
    pieces, words, at_ms = [random.normal(0, 2, rate_hz // 2)], list[tuple[str, float, float]](), 500.0
    text = "one two three, four five six. Seven eight nine, ten eleven twelve."
    for number, word in enumerate(text.split()):
        duration_ms, gap_ms = int(random.integers(150, 400)), 700 if number % 3 == 2 else 60
        noise = np.convolve(random.normal(0, 4000, duration_ms * rate_hz // 1000), np.hanning(12) / 6, mode="same")
        pieces += [noise, random.normal(0, 2, gap_ms * rate_hz // 1000)]
        words.append((word, at_ms, at_ms + duration_ms))
        at_ms += duration_ms + gap_ms
    folder = tmp_path_factory.mktemp("script")
    soundfile.write(folder / "clip.wav", np.concatenate(pieces).astype(np.int16), rate_hz, subtype="PCM_16")
    path = folder / "script.json"
    path.write_text(json.dumps({"clips": [{"audio": "clip.wav", "words": words}]}), "utf-8")
    return path
