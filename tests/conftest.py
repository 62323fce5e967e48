"""Servers of Postgres, and data that lies beside the repository where its maintainers work.

Tests on what is not here are skipped.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.evals.ledger_postgres import OwnPostgres, own_postgres
from vivavoce.store.database import Database

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(path: Path) -> Path:
    if not path.is_dir():
        pytest.skip(f"../{path.relative_to(SHARED.parent)} is not here")
    return path


@contextmanager
def _server() -> Iterator[OwnPostgres]:
    for name in ("pgserver", "psutil"):
        pytest.importorskip(name, reason=f"no server of Postgres can be started without {name}")
    with own_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _postgres() -> Iterator[OwnPostgres]:
    with _server() as server:
        yield server


@pytest.fixture
def postgres_url(_postgres: OwnPostgres) -> str:
    """The URL of a database of its own on a server that all tests share."""
    return _postgres.database()


@pytest.fixture
def postgres() -> Iterator[OwnPostgres]:
    """A server of its own, for a test that kills it."""
    with _server() as server:
        yield server


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
