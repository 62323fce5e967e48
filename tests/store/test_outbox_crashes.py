"""The crash tests of `vivavoce bench ledger`, a few of each."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from pathlib import Path

import pytest

from vivavoce.evals.ledger_crashes import kill_postgres, kill_programs, store_away
from vivavoce.evals.ledger_postgres import OwnPostgres
from vivavoce.evals.ledger_rows import numbers_in, usage_row
from vivavoce.store.database import Database
from vivavoce.store.outbox import open_outbox
from vivavoce.store.tables import USAGE

psutil = pytest.importorskip("psutil")
GUARD_S = 20.0


def test_programs_that_are_killed_lose_nothing_that_was_acknowledged(database_url: str, tmp_path: Path) -> None:
    crashes = asyncio.run(kill_programs(database_url, tmp_path / "spool", 3, draw=random.Random(5)))
    assert crashes.acknowledged >= 30
    assert (crashes.times, crashes.lost, crashes.doubled) == (3, 0, 0)


def test_a_postgres_that_is_killed_loses_nothing(postgres: OwnPostgres, tmp_path: Path) -> None:
    crashes = asyncio.run(kill_postgres(postgres, tmp_path, 3, draw=random.Random(5)))
    assert crashes.acknowledged > 100
    assert (crashes.lost, crashes.doubled, crashes.noticed) == (0, 0, True)


def test_nothing_is_lost_while_postgres_is_away(postgres: OwnPostgres, tmp_path: Path) -> None:
    crashes = asyncio.run(store_away(postgres.url, tmp_path, 3, server=postgres))
    assert crashes.acknowledged > 100
    assert (crashes.lost, crashes.doubled, crashes.noticed) == (0, 0, True)


def test_nothing_is_lost_while_a_file_is_locked(tmp_path: Path) -> None:
    crashes = asyncio.run(store_away(f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "spool", 1, server=None))
    assert crashes.acknowledged >= 30
    assert (crashes.lost, crashes.doubled) == (0, 0)


def test_one_that_is_left_does_not_wait_for_a_store_that_hangs(postgres: OwnPostgres, tmp_path: Path) -> None:
    def signalled(server: OwnPostgres, number: int) -> None:
        postmaster = psutil.Process(server.pid)
        for process in (postmaster, *postmaster.children(recursive=True)):
            process.send_signal(number)

    async def main(server: OwnPostgres) -> None:
        database = Database(server.url)
        async with open_outbox(database, tmp_path) as outbox:
            outbox.put(USAGE, usage_row("s", 0))
            assert await outbox.settled(within_s=GUARD_S)
            signalled(server, signal.SIGSTOP)
            outbox.put(USAGE, usage_row("s", 1))
            assert not await outbox.settled(within_s=0.5)
            begun_s = time.monotonic()
        left_s = time.monotonic() - begun_s
        signalled(server, signal.SIGCONT)
        assert left_s < 9, "the driver by itself takes ten seconds"
        async with open_outbox(database, tmp_path) as outbox:
            assert await outbox.swept(within_s=GUARD_S)
        assert await numbers_in(database, "s") == ({"s": {0, 1}}, 0)
        await database.aclose()

    asyncio.run(main(postgres))
