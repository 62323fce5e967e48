from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from vivavoce.agent.dialogue import Moment
from vivavoce.agent.heard import History, Utterance
from vivavoce.agent.keeper import Keeper, open_keeper
from vivavoce.agent.record import restored
from vivavoce.agent.states import MemoryStates
from vivavoce.clock import run_virtual
from vivavoce.errors import ConfigError, StateError
from vivavoce.store.database import Database
from vivavoce.store.documents import Document
from vivavoce.store.states import StoreStates


class SlowStates:
    """Takes its time, and fails as long as it is told to."""

    def __init__(self, takes_s: float = 1.0) -> None:
        self.takes_s = takes_s
        self.fails = False
        self.put_: list[tuple[str, str]] = []

    async def get(self, key: str) -> Document | None:
        return None

    async def put(self, key: str, document: Document, *, lifetime_s: float) -> None:
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise StateError("no, and here is what the caller said: a secret") from OSError("a secret")
        self.put_.append((key, document["state"]))

    async def expire(self, key: str) -> None:
        return


def test_nobody_waits_for_what_is_kept_soon() -> None:
    async def main() -> None:
        states = SlowStates()
        keeper = Keeper(states, lifetime_s=60)
        for state in ("a", "b", "c"):
            keeper.soon("CA1", Moment(state), History())
        assert states.put_ == []
        await keeper.settle()
        # What was not begun yet when newer came is not written.
        assert states.put_ == [("CA1", "a"), ("CA1", "c")]

    run_virtual(main())


def test_a_call_is_kept_and_found_again(database_url: str) -> None:
    history = History([Utterance("caller", "tomorrow", "when")])

    async def main(where: str, store: str = "") -> None:
        async with open_keeper(where, lifetime_s=60, store=store) as keeper:
            await keeper.keep("CA1", Moment("when"), history)
            found = await keeper.store.get("CA1")
            assert found is not None
            assert restored(found) == (Moment("when"), history)

    async def later() -> Document | None:
        async with aclosing(Database(database_url)) as database:
            found = await StoreStates(database).get("CA1")
            await StoreStates(database).expire("CA1")
            return found

    asyncio.run(main("memory"))
    asyncio.run(main("store", database_url))
    assert asyncio.run(later()) is not None
    asyncio.run(main(database_url))
    assert asyncio.run(later()) is not None


def test_a_server_that_is_away_holds_nobody_up_and_may_come_back(
    postgres: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        postgres.kill()
        # Even at the start.
        async with open_keeper("store", lifetime_s=60, store=postgres.url) as keeper:
            for state in ("a", "b", "c"):
                keeper.soon("CA1", Moment(state), History())
            await keeper.settle()
            postgres.start()
            await keeper.keep("CA1", Moment("d"), History())
            found = await keeper.store.get("CA1")
            assert found is not None
            assert found["state"] == "d"

    asyncio.run(main())
    said = [record.message for record in caplog.records if record.name == "vivavoce.agent.keeper"]
    assert said[0].startswith("states of calls are not kept for now: ")
    assert set(said[1:]) == {"a call's state was not kept: StoreAway"}


def test_moments_of_a_call_are_kept_in_their_order_and_only_the_newest_waits() -> None:
    states = SlowStates()

    async def main() -> None:
        keeper = Keeper(states, lifetime_s=60)
        async with asyncio.TaskGroup() as group:
            for state in ("a", "b", "c"):
                group.create_task(keeper.keep("CA1", Moment(state), History()))
            group.create_task(keeper.keep("CA2", Moment("z"), History()))

    run_virtual(main())
    assert states.put_ == [("CA1", "a"), ("CA2", "z"), ("CA1", "c")]


@pytest.mark.parametrize("takes_s", [0.0, 3600.0])
def test_a_store_that_fails_or_hangs_is_logged_by_its_kind(caplog: pytest.LogCaptureFixture, takes_s: float) -> None:
    states = SlowStates(takes_s)
    states.fails = True

    async def main() -> None:
        keeper = Keeper(states, lifetime_s=60)
        await keeper.keep("CA1", Moment("a", {"name": "a secret"}), History())
        states.fails, states.takes_s = False, 0.0
        await keeper.keep("CA1", Moment("b"), History())

    run_virtual(main())
    why = " within 5 s" if takes_s else ": OSError"
    assert [record.message for record in caplog.records] == [f"a call's state was not kept{why}"]
    assert "secret" not in caplog.text
    assert states.put_ == [("CA1", "b")]


def test_a_call_without_a_name_is_kept_from_no_other() -> None:
    states = SlowStates(0.0)
    asyncio.run(Keeper(states, lifetime_s=60).keep("", Moment("a"), History()))
    assert states.put_ == []


def test_keeping_may_be_cancelled() -> None:
    states = SlowStates()

    async def main() -> None:
        keeper = Keeper(states, lifetime_s=60)
        keeping = asyncio.create_task(keeper.keep("CA1", Moment("a"), History()))
        await asyncio.sleep(0.5)
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        await keeper.keep("CA1", Moment("b"), History())

    run_virtual(main())
    assert states.put_ == [("CA1", "b")]


@pytest.mark.parametrize("lifetime_s", [0, -1, float("nan")])
def test_a_keeper_needs_a_lifetime(lifetime_s: float) -> None:
    with pytest.raises(ConfigError):
        Keeper(MemoryStates(), lifetime_s=lifetime_s)


def test_a_file_that_cannot_be_opened_is_told_at_the_start(tmp_path: Path) -> None:
    async def main(*_: Any) -> None:
        async with open_keeper(str(tmp_path), lifetime_s=60):
            raise AssertionError("a folder is no file")

    with pytest.raises(StateError):
        asyncio.run(main())
