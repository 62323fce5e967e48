"""What users may still have, on virtual time with real stores: read, counted here meanwhile, never twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.accounts.allowance import Allowances
from vivavoce.accounts.guard import SessionGuard
from vivavoce.accounts.quotas import set_quota, top_up
from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.clock import run_virtual
from vivavoce.errors import StoreError

MINUTE_MS = 60_000


def spoken(seconds: float, *, engine: str = "paid", leg: str = "tts") -> Interval:
    return Interval(leg, engine, seconds, "seconds")


def goes(guard: SessionGuard, *, engine: str = "paid", leg: str = "tts", seconds: float = 1.0) -> bool:
    return guard.ask(spoken(seconds, engine=engine, leg=leg)) is Verdict.GO


class Office:
    """Allowances over a store; `day_ms` is what the time of day is beyond virtual time."""

    def __init__(self, kit: Any, url: str, **more: Any) -> None:
        self.database, self.other, self._more = kit.Database(url), kit.Database(url), more
        self.day_ms, self._kit = kit.NOON_MS, kit

    def now_ms(self) -> int:
        return int(self.day_ms + 1000 * asyncio.get_running_loop().time())

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Allowances]:
        spend, prices = self._kit.spend(**self._more), self._kit.prices
        with suppress(StoreError):
            await self.other.ready()
        try:
            async with Allowances(self.database, spend, prices=prices, now_ms=self.now_ms) as allowances:
                yield allowances
        finally:
            await self.database.aclose()
            await self.other.aclose()


def on(office: Callable[[], Office], main: Callable[[Office, Allowances], Awaitable[None]]) -> None:
    async def run() -> None:
        made = office()
        async with made.open() as allowances:
            await main(made, allowances)

    run_virtual(run())


def test_the_dub_of_a_month_ends_with_its_allowance_and_comes_back_with_a_top_up(kit: Any, database_url: str) -> None:
    async def main(office: Office, allowances: Allowances) -> None:
        await set_quota(office.other, "ana", MINUTE_MS, now_ms=kit.NOON_MS)
        await kit.write(office.other, kit.row("before", 1, "ana", sound_ms=50_000))
        async with allowances.session(user_id="ana", session_id="s") as guard:
            await asyncio.sleep(1)
            assert guard.dub_left_ms == 10_000
            for _ in range(10):
                assert goes(guard)
                guard.used("tts", sound_ms=1000, cost_nano=kit.SECOND_NANO)
            assert not goes(guard)
            assert goes(guard, leg="stt")
            assert await top_up(office.other, "ana", 5000, id="order-1", now_ms=office.now_ms())
            assert not await top_up(office.other, "ana", 5000, id="order-1", now_ms=office.now_ms())
            await asyncio.sleep(5.5)
            assert goes(guard)
            assert guard.dub_left_ms == 4000

    on(lambda: Office(kit, database_url), main)


def test_two_sessions_of_a_user_share_what_is_left_and_another_user_does_not(kit: Any, tmp_path: Path) -> None:
    async def main(office: Office, allowances: Allowances) -> None:
        one = allowances.session(user_id="ana", session_id="1")
        two = allowances.session(user_id="ana", session_id="2")
        async with one, two, allowances.session(user_id="bo", session_id="3") as other:
            await asyncio.sleep(1)
            assert [goes(guard, seconds=20) for guard in (one, two, one, two, other)] == [True, True, True, False, True]

    on(lambda: Office(kit, str(tmp_path / "x.db"), user_dub_minutes=1), main)


def test_what_was_let_go_and_never_spoken_is_not_lost(kit: Any, tmp_path: Path) -> None:
    async def main(office: Office, allowances: Allowances) -> None:
        async with allowances.session(user_id="ana", session_id="s") as guard:
            await asyncio.sleep(1)
            assert goes(guard, seconds=60)
            assert not goes(guard)
            guard.used("tts", sound_ms=20_000)  # the rest was cancelled
            assert guard.dub_left_ms == 0
            guard.done(spoken(60))
            assert guard.dub_left_ms == 40_000
            assert goes(guard, seconds=10)
            guard.used("tts", sound_ms=15_000)  # more than was expected
            guard.done(spoken(10))
            assert guard.dub_left_ms == 25_000

    on(lambda: Office(kit, str(tmp_path / "x.db"), user_dub_minutes=1), main)


def test_a_session_that_ended_counts_once_before_and_after_its_rows_are_in_the_store(kit: Any, tmp_path: Path) -> None:
    async def main(office: Office, allowances: Allowances) -> None:
        async with allowances.session(user_id="ana", session_id="first") as guard:
            guard.used("tts", sound_ms=20_000, cost_nano=7)
        async with allowances.session(user_id="ana", session_id="second") as guard:
            for _ in range(3):
                await asyncio.sleep(6)
                assert guard.dub_left_ms == 40_000
            await kit.write(office.other, kit.row("first", 1, "ana", sound_ms=20_000))
            for _ in range(4):
                await asyncio.sleep(6)
                assert guard.dub_left_ms == 40_000
            await kit.write(office.other, kit.row("elsewhere", 1, "ana", sound_ms=20_000))
            await asyncio.sleep(6)
            assert guard.dub_left_ms == 20_000

    on(lambda: Office(kit, str(tmp_path / "x.db"), user_dub_minutes=1), main)


def test_money_of_the_day_stops_what_costs_and_nothing_else(kit: Any, tmp_path: Path) -> None:
    async def main(office: Office, allowances: Allowances) -> None:
        yesterday = kit.row("old", 1, "ana", at_ms=kit.NOON_MS - 86_400_000, cost_nano=10**9)
        await kit.write(office.other, yesterday, kit.row("new", 1, "ana", cost_nano=3 * kit.SECOND_NANO))
        ana = allowances.session(user_id="ana", session_id="1")
        async with ana, allowances.session(user_id="bo", session_id="2") as bo:
            await asyncio.sleep(1)
            assert [goes(ana, leg="stt"), goes(ana), goes(ana)] == [True, True, False]  # a user's cap: five seconds
            assert [goes(ana, engine="free"), goes(ana, leg="stt")] == [True, False]
            assert [goes(bo, leg="mt") for _ in range(5)] == [True, True, True, False, False]  # of all: eight
            office.day_ms += 86_400_000
            assert goes(ana)
            assert goes(bo)

    office = {"user_day_cap_usd": 0.005, "day_cap_usd": 0.008}
    on(lambda: Office(kit, str(tmp_path / "x.db"), **office), main)


def test_a_new_month_begins_with_everything(kit: Any, tmp_path: Path) -> None:
    async def main(office: Office, allowances: Allowances) -> None:
        await top_up(office.other, "ana", MINUTE_MS, id="t", now_ms=office.now_ms())
        await kit.write(office.other, kit.row("old", 1, "ana", sound_ms=100_000))
        async with allowances.session(user_id="ana", session_id="s") as guard:
            await asyncio.sleep(1)
            guard.used("tts", sound_ms=20_000)
            assert not goes(guard)
            office.day_ms += 30 * 86_400_000
            assert goes(guard)
            guard.used("tts", sound_ms=1000)
            await asyncio.sleep(20)
            assert guard.dub_left_ms == MINUTE_MS - 1000

    on(lambda: Office(kit, str(tmp_path / "x.db"), user_dub_minutes=1), main)


def test_without_a_store_everything_goes_and_it_is_said_once(
    kit: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()

    async def main(office: Office, allowances: Allowances) -> None:
        async with allowances.session(user_id="ana", session_id="s") as guard:
            for _ in range(5):
                await asyncio.sleep(5)
                guard.used("tts", sound_ms=60_000)
                assert goes(guard)
                assert guard.dub_left_ms is None

    with caplog.at_level(logging.WARNING):
        on(lambda: Office(kit, str(tmp_path / "file" / "x.db"), user_dub_minutes=1), main)
    assert len(caplog.records) == 1
    assert "stays as it was known last" in caplog.text


def test_when_the_store_goes_away_what_was_known_holds(
    kit: Any, postgres: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(office: Office, allowances: Allowances) -> None:
        await set_quota(office.other, "ana", MINUTE_MS, now_ms=kit.NOON_MS)
        async with allowances.session(user_id="ana", session_id="s") as guard:
            await asyncio.sleep(1)
            postgres.kill()
            await asyncio.sleep(11)
            assert guard.dub_left_ms == MINUTE_MS
            guard.used("tts", sound_ms=MINUTE_MS)
            assert not goes(guard)
            postgres.start()
            await top_up(office.other, "ana", MINUTE_MS, id="t", now_ms=office.now_ms())
            await asyncio.sleep(11)
            assert goes(guard)

    with caplog.at_level(logging.WARNING, logger="vivavoce"):
        on(lambda: Office(kit, postgres.url), main)
    assert ["back" in record.message for record in caplog.records] == [False, True]


def test_quotas_survive_a_restart(kit: Any, database_url: str) -> None:
    async def main() -> None:
        first = Office(kit, database_url, user_dub_minutes=10)
        async with first.open() as allowances:
            await set_quota(first.other, "ana", MINUTE_MS, now_ms=kit.NOON_MS)
            await top_up(first.other, "ana", 5000, id="order-1", now_ms=kit.NOON_MS)
            async with allowances.session(user_id="ana", session_id="1") as guard:
                await asyncio.sleep(1)
                guard.used("tts", sound_ms=62_000)
                await kit.write(first.other, kit.row("1", 1, "ana", sound_ms=62_000))
        again = Office(kit, database_url, user_dub_minutes=10)
        async with again.open() as allowances, allowances.session(user_id="ana", session_id="2") as guard:
            await asyncio.sleep(1)
            assert guard.dub_left_ms == 3000
            for _ in range(3):
                assert goes(guard)
                guard.used("tts", sound_ms=1000)
            assert not goes(guard)

    run_virtual(main())


def test_settings_that_change_hold_at_once(kit: Any, tmp_path: Path) -> None:
    chosen = [kit.spend(user_dub_minutes=1)()]

    async def main() -> None:
        database = kit.Database(str(tmp_path / "x.db"))
        allowances = Allowances(database, lambda: chosen[0])
        async with allowances, allowances.session(user_id="ana", session_id="s") as guard:
            await asyncio.sleep(1)
            guard.used("tts", sound_ms=60_000)
            assert not goes(guard)
            chosen[0] = kit.spend(user_dub_minutes=2)()
            assert goes(guard)
        await database.aclose()

    run_virtual(main())


def test_a_session_that_is_cancelled_gives_back_what_it_had_taken(kit: Any, tmp_path: Path) -> None:
    async def main(office: Office, allowances: Allowances) -> None:
        async def session() -> None:
            async with allowances.session(user_id="ana", session_id="s") as guard:
                await asyncio.sleep(1)
                assert goes(guard, seconds=5)
                guard.used("tts", sound_ms=4000)
                guard.done(spoken(5))
                assert goes(guard, seconds=7)  # never spoken
                await asyncio.Event().wait()

        task = asyncio.create_task(session())
        await asyncio.sleep(2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await allowances._buckets.take("ana", 100) == 56

    on(lambda: Office(kit, str(tmp_path / "x.db"), bucket_dub_s=60), main)


class Model:
    """What a user used, as three who write and end know it."""

    def __init__(self) -> None:
        self.unwritten: dict[str, int] = {}
        self.open: dict[str, SessionGuard] = {}
        self.used_ms = self.sessions = self.rows = 0


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["begin", "use", "use", "write", "end", "elsewhere", "wait"]), st.integers(1, 30_000)
        ),
        max_size=25,
    )
)
def test_every_second_counts_once_in_whatever_order_things_happen(
    kit: Any, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    async def main(office: Office, allowances: Allowances) -> None:
        model = Model()
        for step, amount in steps:
            await take(model, office, allowances, step, amount)
        async with allowances.session(user_id="ana", session_id="last") as guard:
            for _ in range(4):
                await asyncio.sleep(6)
                assert guard.dub_left_ms == max(0, 10 * MINUTE_MS - model.used_ms)
        for guard in model.open.values():
            await guard.__aexit__(None, None, None)

    async def take(model: Model, office: Office, allowances: Allowances, step: str, amount: int) -> None:
        names = list(model.open)
        chosen = names[amount % len(names)] if names else ""
        if step == "begin":
            model.sessions += 1
            name = f"s{model.sessions}"
            model.open[name] = allowances.session(user_id="ana", session_id=name)
        elif step == "use" and chosen:
            model.open[chosen].used("tts", sound_ms=amount)
            model.unwritten[chosen] = model.unwritten.get(chosen, 0) + amount
            model.used_ms += amount
        elif step == "elsewhere" or (step == "write" and model.unwritten):
            model.rows += 1
            name = f"other{model.rows}"
            if step == "write":
                name, amount = model.unwritten.popitem()
            else:
                model.used_ms += amount
            await kit.write(office.other, kit.row(name, model.rows, "ana", sound_ms=amount, cost_nano=0))
        elif step == "end" and chosen:
            await model.open.pop(chosen).__aexit__(None, None, None)
        elif step == "wait":
            await asyncio.sleep(amount / 3000)

    on(lambda: Office(kit, str(tmp_path_factory.mktemp("store") / "x.db"), user_dub_minutes=10), main)
