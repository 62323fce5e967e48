from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from vivavoce.agent.states import MemoryStates, StateStore
from vivavoce.errors import StateError, StoreRefused
from vivavoce.store.database import Database
from vivavoce.store.states import StoreStates
from vivavoce.store.tables import STATES

Work = Callable[[StateStore, "Day"], Awaitable[None]]


class Day:
    """A time of day that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def opened(url: str, *, now_s: Callable[[], float] = time.time, wait_s: float = 10) -> AsyncIterator[StoreStates]:
    async with aclosing(Database(url, wait_s=wait_s)) as database:
        states = StoreStates(database, now_s=now_s)
        await states.open()
        yield states


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def with_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Work], None]:
    async def main(work: Work) -> None:
        day = Day()
        if request.param == "memory":
            await work(MemoryStates(now_s=day), day)
            return
        async with opened(url, now_s=day) as states:
            await work(states, day)

    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else str(tmp_path / "states.db")
    return lambda work: asyncio.run(main(work))


def on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def test_what_was_put_last_is_got_until_it_is_expired(with_store: Callable[[Work], None]) -> None:
    async def work(states: StateStore, _: Day) -> None:
        assert await states.get("CA1") is None
        await states.put("CA1", {"version": 1, "text": "é\ud800", "list": [1, 2.5, None, True]}, lifetime_s=60)
        await states.put("CA2", {"n": 2}, lifetime_s=60)
        assert await states.get("CA1") == {"version": 1, "text": "é\ud800", "list": [1, 2.5, None, True]}
        await states.put("CA1", {"n": 1}, lifetime_s=60)
        assert await states.get("CA1") == {"n": 1}
        await states.expire("CA1")
        await states.expire("CA1")
        assert await states.get("CA1") is None
        assert await states.get("CA2") == {"n": 2}

    with_store(work)


def test_a_lifetime_ends(with_store: Callable[[Work], None]) -> None:
    async def work(states: StateStore, day: Day) -> None:
        await states.put("short", {"n": 1}, lifetime_s=10)
        await states.put("long", {"n": 2}, lifetime_s=20)
        day.now_s += 9.5
        assert await states.get("short") == {"n": 1}
        # Putting begins the lifetime anew.
        await states.put("long", {"n": 3}, lifetime_s=20)
        day.now_s += 0.5
        assert await states.get("short") is None
        day.now_s += 19.4
        assert await states.get("long") == {"n": 3}
        day.now_s += 0.1
        assert await states.get("long") is None

    with_store(work)


@pytest.mark.parametrize("lifetime_s", [0.0, -1.0, float("inf"), float("nan")])
def test_nothing_lives_for_ever(with_store: Callable[[Work], None], lifetime_s: float) -> None:
    async def work(states: StateStore, _: Day) -> None:
        with pytest.raises(StateError):
            await states.put("CA1", {}, lifetime_s=lifetime_s)
        assert await states.get("CA1") is None

    with_store(work)


@pytest.mark.parametrize("document", [{"n": float("nan")}, {"n": {1}}, {(1, 2): "n"}])
def test_what_is_no_json_is_refused(with_store: Callable[[Work], None], document: Any) -> None:
    async def work(states: StateStore, _: Day) -> None:
        with pytest.raises(StateError):
            await states.put("CA1", document, lifetime_s=10)

    with_store(work)


def test_what_is_put_does_not_change_with_what_was_given(with_store: Callable[[Work], None]) -> None:
    async def work(states: StateStore, _: Day) -> None:
        document = {"said": ["a"]}
        await states.put("CA1", document, lifetime_s=10)
        document["said"].append("b")
        assert await states.get("CA1") == {"said": ["a"]}

    with_store(work)


def test_memory_is_bounded() -> None:
    async def main() -> list[object]:
        states = MemoryStates(most=2, now_s=Day())
        for key in ("a", "b", "a", "c"):
            await states.put(key, {"n": key}, lifetime_s=10)
        return [await states.get(key) for key in "abc"]

    assert asyncio.run(main()) == [{"n": "a"}, None, {"n": "c"}]


def test_states_outlive_their_process(database_url: str) -> None:
    day = Day()

    async def main() -> None:
        async with opened(database_url, now_s=day) as states:
            await states.put("kept", {"n": 1}, lifetime_s=100)
            await states.put("gone", {"n": 2}, lifetime_s=10)
        day.now_s += 20
        async with opened(database_url, now_s=day) as states:
            assert await states.get("kept") == {"n": 1}
            day.now_s -= 20
            # Deleted before anybody asked.
            assert await states.get("gone") is None

    asyncio.run(main())


def test_what_has_outlived_itself_leaves_the_disk_before_anybody_asks(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    day = Day()

    async def main() -> None:
        async with opened(str(path), now_s=day) as states:
            await states.put("gone", {"said": "a secret"}, lifetime_s=10)
            assert b"a secret" in on_disk(path)
        day.now_s += 20
        async with opened(str(path), now_s=day):
            assert b"a secret" not in on_disk(path)

    asyncio.run(main())


def test_erasure_leaves_nothing_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "states.db"

    async def main() -> None:
        async with opened(str(path)) as states:
            for n in range(20):
                await states.put("CA1", {"said": f"secret {n}", "more": "x" * 5000}, lifetime_s=1000)
            assert b"secret 19" in on_disk(path)
            await states.expire("CA1")
            assert b"secret" not in on_disk(path)

    asyncio.run(main())


def test_writers_at_once_do_not_lose_or_mix_entries(database_url: str) -> None:
    async def main() -> None:
        async with opened(database_url) as one, opened(database_url) as other, asyncio.timeout(30):
            async with asyncio.TaskGroup() as group:
                for n in range(60):
                    states = (one, other)[n % 2]
                    group.create_task(states.put(f"CA{n}", {"n": n}, lifetime_s=100))
                    group.create_task(states.put("both", {"n": [n] * 500}, lifetime_s=100))
            for n in range(60):
                assert await (other, one)[n % 2].get(f"CA{n}") == {"n": n}
            both = await one.get("both")
            assert both is not None
            assert both == await other.get("both")
            assert both["n"] in [[n] * 500 for n in range(60)]

    asyncio.run(main())


def test_a_store_that_is_locked_or_closed_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "states.db"

    async def main() -> None:
        async with opened(str(path), wait_s=0.0) as states:
            with sqlite3.connect(path) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(StateError, match="SQLITE_BUSY"):
                    await states.put("CA1", {}, lifetime_s=10)
            other.close()
            await states.put("CA1", {"n": 1}, lifetime_s=10)
        with pytest.raises(StateError, match="closed"):
            await states.get("CA1")

    asyncio.run(main())


def test_a_file_that_is_damaged_later_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "states.db"

    async def fill() -> None:
        async with opened(str(path)) as states:
            for n in range(50):
                await states.put(f"CA{n}", {"more": "x" * 3000}, lifetime_s=1000)

    async def read() -> None:
        async with opened(str(path)) as states:
            whole = path.read_bytes()
            with path.open("r+b") as file:
                file.seek(4096)
                file.write(b"\xff" * (len(whole) - 4096))
            with pytest.raises(StateError, match="SQLITE_CORRUPT"):
                await states.get("CA1")

    async def reopen() -> None:
        async with opened(str(path)):
            raise AssertionError("it is damaged")

    asyncio.run(fill())
    asyncio.run(read())
    with pytest.raises(StoreRefused, match="SQLITE_CORRUPT"):
        asyncio.run(reopen())


@pytest.mark.parametrize("text", ["{", "[]", "7", '"a"', "[" * 100_000, '{"said": "a secret'])
def test_a_damaged_document_is_an_error_that_holds_nothing_of_it(database_url: str, text: str) -> None:
    async def main() -> None:
        async with opened(database_url) as states, aclosing(Database(database_url)) as database:
            await states.put("CA1", {}, lifetime_s=1000)
            async with database.begin() as connection:
                await connection.execute(update(STATES).values(document=text))
            with pytest.raises(StateError) as refused:
                await states.get("CA1")
            assert "secret" not in str(refused.value)
            await states.expire("CA1")
            assert await states.get("CA1") is None

    asyncio.run(main())


def test_who_waits_may_be_cancelled(database_url: str) -> None:
    async def main() -> None:
        async with opened(database_url) as states:
            for turns in range(8):
                putting = asyncio.create_task(states.put("CA1", {"n": 1}, lifetime_s=10))
                for _ in range(turns):
                    await asyncio.sleep(0)
                putting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await putting
            await states.put("CA1", {"n": 2}, lifetime_s=10)
            assert json.dumps(await states.get("CA1")) == '{"n": 2}'

    asyncio.run(main())
