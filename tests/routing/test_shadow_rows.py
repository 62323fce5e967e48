from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from vivavoce.routing.shadow_rows import Row, read_rows, records
from vivavoce.store.database import Database
from vivavoce.store.outbox import open_outbox
from vivavoce.store.tables import SHADOW_RESULTS

NOON_MS = 1_795_262_400_000


def row(session: str = "s1", **more: object) -> Row:
    fields = {"leg": "stt", "shadow": "moonshine", "primary_engine": "deepgram", "at_ms": NOON_MS, **more}
    return Row(session_id=session, **fields)  # type: ignore[arg-type]


def written_and_read(url, spool, *sessions: list[Row], times: int = 1, **wanted) -> list[Row]:
    async def main() -> list[Row]:
        async with aclosing(Database(url)) as database:
            async with open_outbox(database, spool) as outbox:
                for rows in sessions * times:
                    for record in records(rows):
                        outbox.put(SHADOW_RESULTS, record)
                assert await outbox.settled(within_s=30)
                assert outbox.stats().refused == 0
            return await read_rows(database, **wanted)

    return asyncio.run(main())


WHOLE = row(
    primary_ms=101.5,
    shadow_ms=90.0,
    errors=1,
    words=20,
    chrf=61.25,
    length_ratio=1.02,
    primary_quantities={"seconds": 2.5},
    shadow_quantities={"characters": 12.0, "tokens_in": 70.0},
    primary_nano=2000,
    shadow_nano=1000,
    primary_price="deepgram@2026-05",
    shadow_price="embedded",
)


def test_what_is_written_is_read(database_url, tmp_path):
    void = row("s2", void="LegLost")
    assert written_and_read(database_url, tmp_path, [WHOLE], [void]) == [WHOLE, void]


def test_rows_of_one_session_that_are_written_twice_are_there_once(database_url, tmp_path):
    rows = [row(), replace(row(), leg="mt"), row(), replace(row(), shadow="whisper"), row()]
    found = written_and_read(database_url, tmp_path, rows, times=2)
    assert sorted(found, key=repr) == sorted(rows, key=repr)


def test_rows_of_before_and_of_other_legs_are_left_out(database_url, tmp_path):
    rows = [row(at_ms=NOON_MS - 1), row(), row(leg="mt")]
    found = written_and_read(database_url, tmp_path, rows, since_ms=NOON_MS, leg="stt")
    assert found == [rows[1]]
