"""Rows on their way into both kinds of store, while disk and store do what they should not."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import resource
import string
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from vivavoce.store.database import Database
from vivavoce.store.outbox import Outbox, open_outbox
from vivavoce.store.tables import CORRECTIONS, ERASED, NUDGES, SESSION_ENDS

GUARD_S = 20.0


def nudge(name: str, *, session: str = "s1", user: str = "u1", at_ms: int = 100) -> dict[str, object]:
    return {"id": name, "session_id": session, "user_id": user, "at_ms": at_ms, "kind": "late"}


def end(session: str, *, user: str = "u2", started_ms: int = 1, ended_ms: int = 200) -> dict[str, object]:
    times = {"started_ms": started_ms, "ended_ms": ended_ms}
    return {"session_id": session, "user_id": user, **times, "outcome": "done"}


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.aclose()


async def names(database: Database) -> list[str]:
    async with database.begin(read_only=True) as connection:
        return list(await connection.scalars(text("SELECT id FROM nudges ORDER BY id")))


async def told_away(outbox: Outbox) -> None:
    async with asyncio.timeout(GUARD_S):
        while outbox.stats().away_ms is None:
            await outbox.settled(within_s=0.05)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process grows: the write fails after what there is room for, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def no_more_files() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def journals_in(spool: Path) -> list[str]:
    return [path.name for path in spool.iterdir() if path.is_dir()]


def test_rows_are_acknowledged_and_come_into_the_store_once(database_url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(database_url) as database:
            async with open_outbox(database, tmp_path / "spool") as outbox:
                for name in "abca":
                    outbox.put(NUDGES, nudge(name))
                outbox.put(SESSION_ENDS, end("s1"))
                assert (outbox.stats().put, outbox.stats().acknowledged) == (5, 0)
                await outbox.acknowledged()
                assert outbox.stats().acknowledged == 5
                assert outbox.stats().unacknowledged_ms is None
                assert await outbox.settled(within_s=GUARD_S)
                stats = outbox.stats()
                assert (stats.shipped, stats.refused, stats.lost, stats.backlog_bytes) == (5, 0, 0, 0)
            assert await names(database) == ["a", "b", "c"]
            async with database.begin(read_only=True) as connection:
                assert (await connection.execute(text("SELECT * FROM session_ends"))).all() == [
                    ("s1", "u2", 1, 200, "done")
                ]
        assert journals_in(tmp_path / "spool") == []

    asyncio.run(main())


def test_every_column_comes_through(database_url: str, tmp_path: Path) -> None:
    kind = 'é\u2028"\\ '

    async def main() -> None:
        async with opened(database_url) as database, open_outbox(database, tmp_path) as outbox:
            outbox.put(NUDGES, nudge("a", at_ms=2**62) | {"kind": kind})
            assert await outbox.settled(within_s=GUARD_S)
            async with database.begin(read_only=True) as connection:
                assert (await connection.execute(text("SELECT * FROM nudges"))).all() == [
                    ("a", "s1", "u1", 2**62, kind)
                ]

    asyncio.run(main())


def test_rows_of_the_erased_are_left_out(database_url: str, tmp_path: Path) -> None:
    buried = [{"kind": "session", "name": "s1", "at_ms": 0}, {"kind": "user", "name": "u1", "at_ms": 100}]

    async def main() -> None:
        async with opened(database_url) as database, open_outbox(database, tmp_path) as outbox:
            async with database.begin() as connection:
                await connection.execute(insert(ERASED), buried)
            outbox.put(NUDGES, nudge("session's", user="u2", at_ms=900))
            outbox.put(NUDGES, nudge("before", session="s2", at_ms=100))
            outbox.put(NUDGES, nudge("after", session="s3", at_ms=101))
            outbox.put(NUDGES, nudge("another's", session="s4", user="s1", at_ms=1))
            outbox.put(SESSION_ENDS, end("s1"))
            assert await outbox.settled(within_s=GUARD_S)
            assert await names(database) == ["after", "another's"]
            assert outbox.stats().refused == 0

    asyncio.run(main())


def test_what_the_store_never_takes_is_set_aside_and_the_rest_goes_on(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = [nudge("big", at_ms=2**70), nudge("bigger", at_ms=2**80)]

    async def main() -> None:
        async with opened(database_url) as database, open_outbox(database, tmp_path) as outbox:
            async with database.begin() as connection:
                # SQLite would round such a number off.
                await connection.execute(text("DROP TABLE nudges"))
                await connection.execute(
                    text(
                        "CREATE TABLE nudges (id TEXT PRIMARY KEY, session_id TEXT, user_id TEXT,"
                        " at_ms BIGINT CHECK (at_ms < 1000), kind TEXT)"
                    )
                )
            for number in range(100):
                outbox.put(NUDGES, nudge(f"{number:02}"))
                if number in (31, 64):
                    outbox.put(NUDGES, wrong[number // 64])
            assert await outbox.settled(within_s=GUARD_S)
            assert await names(database) == [f"{number:02}" for number in range(100)]
            assert (outbox.stats().shipped, outbox.stats().refused) == (100, 2)

    asyncio.run(main())
    refused = tmp_path / "refused.jsonl"
    assert [json.loads(line) for line in refused.read_text().splitlines()] == [{"nudges": row} for row in wrong]
    assert refused.stat().st_mode & 0o777 == 0o600
    assert "does not take 2 rows" in caplog.text
    assert "big" not in caplog.text


def test_what_a_trigger_or_an_index_does_not_take_is_set_aside_too(postgres_url: str, tmp_path: Path) -> None:
    """Errors of SQLSTATE's classes XX, P0 and 54, and of a class that is nobody's."""
    function = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.kind <> 'late' THEN RAISE EXCEPTION 'not this' USING ERRCODE = NEW.kind; END IF; RETURN NEW; END $$"""
    trigger = "CREATE TRIGGER refuse BEFORE INSERT ON nudges FOR EACH ROW EXECUTE FUNCTION refuse()"
    long = "".join(random.Random(1).choices(string.ascii_letters, k=9000))

    async def main() -> None:
        async with opened(postgres_url) as database, open_outbox(database, tmp_path) as outbox:
            async with database.begin() as connection:
                await connection.execute(text(function))
                await connection.execute(text(trigger))
            for kind in ("XX000", "P0001", "MYERR"):
                outbox.put(NUDGES, nudge(kind) | {"kind": kind})
                outbox.put(NUDGES, nudge(f"beside {kind}"))
            outbox.put(NUDGES, nudge(long))
            outbox.put(NUDGES, nudge("last"))
            assert await outbox.settled(within_s=GUARD_S)
            assert await names(database) == ["beside MYERR", "beside P0001", "beside XX000", "last"]
            assert (outbox.stats().refused, outbox.stats().away_ms) == (4, None)

    asyncio.run(main())


def test_a_refused_row_that_the_disk_does_not_take_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk takes the rows on their way, and a part of where they are set aside."""
    wrong = b"".join(b"wrong %03d\n" % number for number in range(30))
    (tmp_path / "spool" / "again").mkdir(parents=True)
    (tmp_path / "spool" / "again" / "1.rows").write_bytes(wrong)
    refused = tmp_path / "spool" / "refused.jsonl"
    refused.write_bytes(b"{}\n")

    async def main() -> None:
        async with opened(str(tmp_path / "vivavoce.db")) as database:
            await database.ready()
            with full_disk():
                async with open_outbox(database, tmp_path / "spool") as outbox:
                    while outbox.stats().away_ms is None:
                        assert not await outbox.swept(within_s=0.1)
                    assert refused.read_bytes() == b"{}\n"
            async with open_outbox(database, tmp_path / "spool") as outbox:
                assert await outbox.swept(within_s=GUARD_S)
                assert outbox.stats().refused == 30

    asyncio.run(main())
    assert refused.read_bytes() == b"{}\n" + wrong
    assert "refused.jsonl cannot be used: File too large" in caplog.text


def test_no_file_to_be_had_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with (
            opened(str(tmp_path / "vivavoce.db")) as database,
            open_outbox(database, tmp_path / "spool") as outbox,
        ):
            await database.ready()
            outbox.put(NUDGES, nudge("a"))
            await outbox.acknowledged()
            with no_more_files():
                await told_away(outbox)
            outbox.put(NUDGES, nudge("b"))
            assert await outbox.settled(within_s=GUARD_S)
            assert await names(database) == ["a", "b"]

    asyncio.run(main())
    assert "cannot be used: Too many open files" in caplog.text


def test_what_was_refused_is_tried_again_when_it_is_put_into_a_folder(database_url: str, tmp_path: Path) -> None:
    spool, again = tmp_path / "spool", tmp_path / "spool" / "again"
    again.mkdir(parents=True)
    (again / "refused.rows").write_text(json.dumps({"nudges": nudge("a")}) + "\n")

    async def main() -> None:
        async with opened(database_url) as database, open_outbox(database, spool) as outbox:
            assert await outbox.swept(within_s=GUARD_S)
            assert await names(database) == ["a"]
            assert outbox.stats().shipped == 1

    asyncio.run(main())
    assert not again.exists()


def test_a_store_that_takes_nothing_at_all_is_away_and_rows_wait(database_url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(database_url) as database, open_outbox(database, tmp_path) as outbox:
            async with database.begin() as connection:
                await connection.execute(text("ALTER TABLE nudges RENAME TO elsewhere"))
            outbox.put(NUDGES, nudge("a"))
            await told_away(outbox)
            async with database.begin() as connection:
                await connection.execute(text("ALTER TABLE elsewhere RENAME TO nudges"))
            assert await outbox.settled(within_s=GUARD_S)
            assert await names(database) == ["a"]
            assert (outbox.stats().refused, outbox.stats().away_ms) == (0, None)

    asyncio.run(main())


def test_a_process_leaves_its_rows_where_the_store_is_away_and_the_next_one_ships_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool, folder = tmp_path / "spool", tmp_path / "store"
    url = f"sqlite:///{folder / 'vivavoce.db'}"

    async def first() -> None:
        async with opened(url) as database, open_outbox(database, spool) as outbox:
            outbox.put(NUDGES, nudge("a"))
            assert not await outbox.settled(within_s=1.0)
            await told_away(outbox)
            outbox.put(NUDGES, nudge("b"))
            outbox.put(NUDGES, nudge("c"))

    async def second() -> None:
        async with opened(url) as database, open_outbox(database, spool) as outbox:
            outbox.put(NUDGES, nudge("d"))
            assert await outbox.swept(within_s=GUARD_S)
            assert await outbox.settled(within_s=GUARD_S)
            assert await names(database) == ["a", "b", "c", "d"]
            assert outbox.stats().shipped == 4

    folder.write_text("not a folder")
    asyncio.run(first())
    assert len(journals_in(spool)) == 1
    assert caplog.text.count("rows are kept in") == 1
    folder.unlink()
    asyncio.run(second())
    assert journals_in(spool) == []


def test_it_tells_once_that_the_store_is_away_and_once_that_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "store"
    folder.write_text("not a folder")

    async def main() -> None:
        url = f"sqlite:///{folder / 'vivavoce.db'}"
        async with opened(url) as database, open_outbox(database, tmp_path / "spool") as outbox:
            for name in "ab":
                outbox.put(NUDGES, nudge(name))
                assert not await outbox.settled(within_s=0.5)
            folder.unlink()
            assert await outbox.settled(within_s=GUARD_S)

    asyncio.run(main())
    ours = [record.message for record in caplog.records if record.name.startswith("vivavoce.store")]
    assert len(ours) == 2
    assert "rows are kept in" in ours[0]
    assert "the store is back" in ours[1]


def test_two_processes_share_a_spool_and_leave_each_other_alone(database_url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            opened(database_url) as database,
            open_outbox(database, tmp_path) as one,
            open_outbox(database, tmp_path) as other,
        ):
            for number in range(50):
                one.put(NUDGES, nudge(f"one {number:02}"))
                other.put(NUDGES, nudge(f"other {number:02}"))
                await one.acknowledged()
                await other.acknowledged()
            assert await other.swept(within_s=GUARD_S)
            assert await one.settled(within_s=GUARD_S)
            assert await other.settled(within_s=GUARD_S)
            assert (one.stats().shipped, other.stats().shipped) == (50, 50)
            assert len(await names(database)) == 100

    asyncio.run(main())


def test_a_full_disk_keeps_rows_in_memory_and_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with (
            opened(f"sqlite:///{tmp_path / 'vivavoce.db'}") as database,
            open_outbox(database, tmp_path / "spool", most_rows=3) as outbox,
        ):
            await database.ready()
            with full_disk():
                for name in "abcde":
                    outbox.put(NUDGES, nudge(name))
                async with asyncio.timeout(GUARD_S):
                    while "LOST" not in caplog.text:
                        assert not await outbox.settled(within_s=0.05)
                stats = outbox.stats()
                assert (stats.put, stats.acknowledged, stats.lost) == (5, 0, 2)
                assert stats.unacknowledged_ms is not None
            await outbox.acknowledged()
            assert await outbox.settled(within_s=GUARD_S)
            assert await names(database) == ["c", "d", "e"]
            assert outbox.stats().acknowledged == 3

    asyncio.run(main())
    assert caplog.text.count("cannot be written: File too large; rows are kept in memory") == 1
    assert "2 rows are LOST" in caplog.text
    assert "is written again" in caplog.text


def test_rows_that_no_disk_takes_until_the_end_are_told_as_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> Outbox:
        (tmp_path / "spool").write_text("not a folder")
        async with (
            opened(f"sqlite:///{tmp_path / 'vivavoce.db'}") as database,
            open_outbox(database, tmp_path / "spool") as outbox,
        ):
            outbox.put(NUDGES, nudge("a"))
        return outbox

    outbox = asyncio.run(main())
    assert outbox.stats().lost == 1
    assert "1 rows are LOST" in caplog.text


def test_one_that_is_cancelled_has_acknowledged_everything(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'vivavoce.db'}"

    async def interrupted(twice: bool) -> None:
        async def work() -> None:
            async with opened(url) as database, open_outbox(database, tmp_path / "spool") as outbox:
                outbox.put(NUDGES, nudge("twice" if twice else "once"))
                begun.set()
                await asyncio.Event().wait()

        begun = asyncio.Event()
        task = asyncio.create_task(work())
        await begun.wait()
        task.cancel()
        if twice:
            # The second comes while the first is being seen to.
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def next_one() -> None:
        async with opened(url) as database, open_outbox(database, tmp_path / "spool") as outbox:
            assert await outbox.swept(within_s=GUARD_S)
            assert await names(database) == ["once", "twice"]

    asyncio.run(interrupted(False))
    asyncio.run(interrupted(True))
    asyncio.run(next_one())


def test_an_error_of_its_user_goes_through_as_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(str(tmp_path / "vivavoce.db")) as database, open_outbox(database, tmp_path / "spool"):
            raise KeyError("theirs")

    with pytest.raises(KeyError, match="theirs"):
        asyncio.run(main())


def test_content_and_rows_after_the_end_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(str(tmp_path / "vivavoce.db")) as database:
            async with open_outbox(database, tmp_path / "spool") as outbox:
                with pytest.raises(ValueError, match="content"):
                    outbox.put(CORRECTIONS, {})
            with pytest.raises(ValueError, match="closed"):
                outbox.put(NUDGES, nudge("late"))
            assert outbox.stats().put == 0

    asyncio.run(main())


def test_a_mistake_in_shipping_is_told_and_does_not_end_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with (
            opened(str(tmp_path / "vivavoce.db")) as database,
            open_outbox(database, tmp_path / "spool") as outbox,
        ):
            # Stands for any mistake of ours.
            del outbox._shipper._database
            outbox.put(NUDGES, nudge("a"))
            assert not await outbox.settled(within_s=0.5)
            outbox._shipper._database = database
            assert await outbox.settled(within_s=GUARD_S)
            assert await names(database) == ["a"]

    caplog.set_level(logging.ERROR)
    asyncio.run(main())
    assert "the outbox begins again" in caplog.text
