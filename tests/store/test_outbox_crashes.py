"""The crash tests of `vivavoce bench ledger`, a few of each."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from vivavoce.evals.ledger_crashes import kill_postgres, kill_programs, store_away
from vivavoce.evals.ledger_postgres import own_postgres


def test_programs_that_are_killed_lose_nothing_that_was_acknowledged(database_url: str, tmp_path: Path) -> None:
    crashes = asyncio.run(kill_programs(database_url, tmp_path / "spool", 3, draw=random.Random(5)))
    assert crashes.acknowledged >= 30
    assert (crashes.times, crashes.lost, crashes.doubled) == (3, 0, 0)


def test_a_postgres_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    with own_postgres() as server:
        crashes = asyncio.run(kill_postgres(server, tmp_path, 3, draw=random.Random(5)))
    assert crashes.acknowledged > 100
    assert (crashes.lost, crashes.doubled, crashes.noticed) == (0, 0, True)
    assert crashes.put_ms < 50


def test_nothing_is_lost_while_postgres_is_away(tmp_path: Path) -> None:
    with own_postgres() as server:
        crashes = asyncio.run(store_away(server.url, tmp_path, 3, server=server))
    assert crashes.acknowledged > 100
    assert (crashes.lost, crashes.doubled, crashes.noticed) == (0, 0, True)
    assert crashes.put_ms < 50
