"""What a telephone call leaves in the store, and what it leaves nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from vivavoce.accounts.accounts import Accounts, open_accounts
from vivavoce.clock import SystemClock
from vivavoce.config.load import default_settings
from vivavoce.gateway.books import NEVER_CAME, Books
from vivavoce.store.tables import METADATA, SESSION_ENDS, SESSIONS, SIGNALS, USAGE
from vivavoce.telemetry.keeping import Telemetry


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@asynccontextmanager
async def opened_books(*, wanted: bool = True) -> AsyncIterator[tuple[Accounts, Books]]:
    settings, clock = default_settings(), SystemClock()
    async with open_accounts(lambda: settings) as accounts:
        telemetry = Telemetry(accounts.outbox.put, wanted=lambda: wanted)
        yield accounts, Books(accounts, telemetry, language="en", tier="pro", clock=clock)


async def rows(accounts: Accounts, table: Table) -> list[dict[str, Any]]:
    assert await accounts.outbox.settled(within_s=30)
    async with accounts.database.begin() as connection:
        return [dict(row._mapping) for row in await connection.execute(select(table))]


async def called(gateway: Any, books: Books, digit: str = "#") -> None:
    async with gateway.opened(books=books) as exchange:
        async with exchange.stream(await exchange.token("CA-canary"), "CA-canary") as socket:
            await exchange.agent.until(gateway.Started)
            await gateway.press(socket, digit)
        await exchange.agent.until(gateway.Closed)


def test_a_call_is_a_session_with_its_usage_and_signals(gateway: Any) -> None:
    async def main() -> None:
        async with opened_books() as (accounts, books):
            await called(gateway, books)
            (session,) = await rows(accounts, SESSIONS)
            assert (session["product"], session["app_id"], session["codec"]) == ("agent", "twilio", "ulaw")
            assert (session["source"], session["target"], session["tier"]) == ("en", "en", "pro")
            (usage,) = await rows(accounts, USAGE)
            assert (usage["engine"], usage["sound_ms"], usage["codec"]) == ("whisper", 500, "ulaw")
            (signals,) = await rows(accounts, SIGNALS)
            assert (signals["app_id"], signals["codec"]) == ("twilio", "ulaw")
            assert [row["outcome"] for row in await rows(accounts, SESSION_ENDS)] == ["done"]

    gateway.run(main())


def test_a_call_whose_leg_failed_is_told_as_that(gateway: Any) -> None:
    async def main() -> None:
        async with opened_books() as (accounts, books):
            await called(gateway, books, "8")
            assert [row["outcome"] for row in await rows(accounts, SESSION_ENDS)] == ["LegError"]
            assert await rows(accounts, SIGNALS)

    gateway.run(main())


def test_nothing_in_the_store_names_the_call(gateway: Any) -> None:
    async def main() -> None:
        async with opened_books() as (accounts, books):
            await called(gateway, books)
            for table in METADATA.sorted_tables:
                assert "canary" not in str(await rows(accounts, table))

    gateway.run(main())


def test_who_opted_out_leaves_usage_alone(gateway: Any) -> None:
    async def main() -> None:
        async with opened_books(wanted=False) as (accounts, books):
            await called(gateway, books)
            assert await rows(accounts, USAGE)
            assert not await rows(accounts, SIGNALS)

    gateway.run(main())


def test_a_call_that_never_came_is_told_as_that(gateway: Any) -> None:
    async def main() -> None:
        async with opened_books() as (accounts, books):
            async with gateway.opened(books=books) as exchange:
                await exchange.token("CA1")
                exchange.calls.end("CA1")
                await exchange.agent.until(gateway.Closed)
            assert [row["outcome"] for row in await rows(accounts, SESSION_ENDS)] == [NEVER_CAME]
            assert not await rows(accounts, SIGNALS)

    gateway.run(main())
