"""Rows as 500 calls write them, and the program that writes them until it is killed.

`python -m vivavoce.evals.ledger_rows URL SPOOL SESSION` prints how many rows are acknowledged, a line each time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from sqlalchemy import text

from vivavoce.store.database import Database
from vivavoce.store.outbox import open_outbox
from vivavoce.store.tables import USAGE

CALLS, LEGS, INTERVAL_S = 500, 3, 10.0
ROWS_PER_S = CALLS * LEGS / INTERVAL_S
APP = "measuring"
_AT_ONCE = 10


def usage_row(session_id: str, number: int) -> dict[str, object]:
    return {
        "session_id": session_id,
        "number": number,
        "user_id": f"user of {session_id}",
        "app_id": APP,
        "codec": "opus",
        "at_ms": 1_790_000_000_000 + 10_000 * number,
        "interval_ms": 10_000,
        "leg": "stt",
        "engine": "deepgram/nova-3",
        "prompt_version": "",
        "sound_ms": 9_840,
        "characters": None,
        "tokens_in": None,
        "tokens_out": None,
        "price": "deepgram/nova-3/2026-05",
        "cost_nano": 1_508_800,
        "asked": 4,
        "p50_ms": 212.5,
        "p95_ms": 301.25,
        "place": 1,
        "why": "",
    }


async def numbers_in(database: Database, sessions: str) -> tuple[Mapping[str, set[int]], int]:
    """The numbers of rows by session, of sessions whose name begins so, and how many rows are there twice."""
    found: dict[str, set[int]] = {}
    rows = 0
    async with database.begin(read_only=True) as connection:
        select = text("SELECT session_id, number FROM usage_ledger WHERE session_id LIKE :sessions")
        for session, number in await connection.execute(select, {"sessions": f"{sessions}%"}):
            found.setdefault(session, set()).add(number)
            rows += 1
    return found, rows - sum(map(len, found.values()))


async def write_for_ever(url: str, spool: Path, session: str) -> None:
    async with open_outbox(Database(url), spool) as outbox:
        for end in count(_AT_ONCE, _AT_ONCE):
            for number in range(end - _AT_ONCE, end):
                outbox.put(USAGE, usage_row(session, number))
            await outbox.acknowledged()
            print(end, flush=True)


if __name__ == "__main__":
    asyncio.run(write_for_ever(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
