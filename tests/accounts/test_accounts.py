"""From what legs say to rows in the store, of either kind, and without one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from vivavoce.accounts.accounts import Accounts, SessionFacts, open_accounts
from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.config.load import default_settings
from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError, LegLost
from vivavoce.ledger.usage import Work
from vivavoce.store.database import Database
from vivavoce.store.tables import SESSION_ENDS, SESSIONS, USAGE

FACTS = SessionFacts("s1", "translate", user_id="alice", app_id="meeting", source="en", target="pt", tier="pro")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def settings_of(url: str, **spend: float) -> Settings:
    settings = default_settings()
    store = settings.store.model_copy(update={"url": url})
    return settings.model_copy(update={"store": store, "spend": settings.spend.model_copy(update=spend)})


async def rows(url: str, table: Table) -> list[dict[str, Any]]:
    database = Database(url)
    try:
        async with database.begin() as connection:
            ordered = select(table).order_by(*table.primary_key)
            return [dict(row._mapping) for row in await connection.execute(ordered)]
    finally:
        await database.aclose()


async def speak(accounts: Accounts, facts: SessionFacts = FACTS) -> None:
    async with accounts.open(facts, codec=lambda: "ulaw") as account:
        account.moved("stt", "deepgram", place=1, why="")
        account.used("stt", "deepgram", Work(sound_ms=60_000.0))
        account.used("tts", "cartesia", Work(characters=20, sound_ms=1000.0, latency_ms=80.0))


def test_a_sessions_rows_are_in_the_store_when_it_is_over(database_url: str) -> None:
    async def main() -> None:
        async with open_accounts(lambda: settings_of(database_url)) as accounts:
            await speak(accounts)
            assert await accounts.outbox.settled(within_s=30)
        (session,) = await rows(database_url, SESSIONS)
        del session["started_ms"]
        assert session == {
            "session_id": "s1",
            "user_id": "alice",
            "product": "translate",
            "app_id": "meeting",
            "codec": "ulaw",
            "source": "en",
            "target": "pt",
            "tier": "pro",
        }
        (end,) = await rows(database_url, SESSION_ENDS)
        assert (end["session_id"], end["user_id"], end["outcome"]) == ("s1", "alice", "done")
        assert end["started_ms"] <= end["ended_ms"]
        usage = await rows(database_url, USAGE)
        told = [(row["number"], row["leg"], row["sound_ms"], row["cost_nano"], row["codec"]) for row in usage]
        assert told == [(1, "stt", 60_000, 9_200_000, "ulaw"), (2, "tts", 1000, 100_000, "ulaw")]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("error", "outcome"), [(LegLost("canary"), "LegLost"), (asyncio.CancelledError(), "CancelledError")]
)
def test_how_a_session_ended_is_told_by_kind_alone(tmp_path: Path, error: BaseException, outcome: str) -> None:
    url = str(tmp_path / "store.db")

    async def main() -> None:
        async with open_accounts(lambda: settings_of(url)) as accounts:
            with pytest.raises(type(error)):
                async with accounts.open(FACTS):
                    raise error
            assert await accounts.outbox.settled(within_s=30)
        assert [row["outcome"] for row in await rows(url, SESSION_ENDS)] == [outcome]
        assert "canary" not in str(await rows(url, SESSIONS))

    asyncio.run(main())


def test_a_store_that_is_away_holds_nobody_up_and_has_the_rows_later(tmp_path: Path) -> None:
    nobody = "postgresql://nobody@127.0.0.1:1/nothing"
    url = str(tmp_path / "store.db")

    async def main() -> None:
        async with open_accounts(lambda: settings_of(nobody, user_dub_minutes=1)) as accounts:
            async with accounts.open(FACTS) as account:
                assert account.ask(Interval("tts", "cartesia", 100, "characters")) is Verdict.GO
                account.used("tts", "cartesia", Work(characters=100, sound_ms=6000.0))
            await accounts.outbox.acknowledged()
        async with open_accounts(lambda: settings_of(url)) as accounts:
            # Sent by the next process: rows of one that is gone come before any news.
            await speak(accounts, SessionFacts("s2", "translate"))
            async with asyncio.timeout(30):
                while {row["session_id"] for row in await rows(url, USAGE)} != {"s1", "s2"}:
                    await accounts.outbox.settled(within_s=1)

    asyncio.run(main())


def test_a_folder_that_takes_nothing_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    async def main() -> None:
        async with open_accounts(default_settings) as accounts:
            await speak(accounts)
            assert not await accounts.outbox.settled(within_s=1)
            assert accounts.outbox.stats().acknowledged == 0
        assert "LOST" in caplog.text

    asyncio.run(main())


@pytest.mark.parametrize("name", ["x" * 201, "ana\udcff", "two\nlines"])
def test_a_name_that_no_store_takes_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name"):
        SessionFacts("s", "translate", user_id=name)


def test_a_session_over_its_cap_is_told_to_degrade(tmp_path: Path) -> None:
    async def main() -> None:
        url = str(tmp_path / "store.db")
        async with open_accounts(lambda: settings_of(url, dub_cap_usd=0.0009)) as accounts, accounts.open(FACTS) as one:
            ask = Interval("tts", "cartesia", 100, "characters")
            assert one.ask(ask) is Verdict.GO
            one.used("tts", "cartesia", Work(characters=100, sound_ms=10_000.0))
            assert one.ask(ask) is Verdict.DEGRADE
            assert one.ask(Interval("tts", "kokoro", 100, "characters")) is Verdict.GO

    asyncio.run(main())


class Day:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._moved = asyncio.Event()

    def go_on(self, seconds: float) -> None:
        self._now_ns += round(seconds * 1e9)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def now_ns(self) -> int:
        return self._now_ns

    async def sleep_until(self, moment_ns: int) -> None:
        while self._now_ns < moment_ns:
            await self._moved.wait()


def test_rows_are_written_while_the_session_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        day, settings = Day(), settings_of(str(tmp_path / "store.db"))
        async with open_accounts(lambda: settings, clock=day) as accounts, accounts.open(FACTS) as account:
            account.used("stt", "whisper", Work(sound_ms=500.0))
            for put in (0, 2):
                day.go_on(6.0)
                await asyncio.sleep(0)
                await accounts.outbox.acknowledged()
                assert accounts.outbox.stats().put == put

    asyncio.run(main())
