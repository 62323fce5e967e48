"""What was spent, from rows made by hand, in SQLite and Postgres."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import insert

from vivavoce.cost.actual import HOUR_MS, Actual, merged, read_actual
from vivavoce.cost.assumptions import assumptions
from vivavoce.cost.model import CostModel, Use, standard_use
from vivavoce.ledger.amounts import UNKNOWN, dollars, percent
from vivavoce.ledger.prices import EMBEDDED, packaged_prices
from vivavoce.ledger.sums import Sum, day_name
from vivavoce.store.database import Database
from vivavoce.store.tables import SESSION_ENDS, SESSIONS, USAGE

DAY_MS = 86_400_000
MIDNIGHT_MS = 20_600 * DAY_MS  # 2026-05-27
MINUTE_MS = 60_000
USE = standard_use(assumptions(), "newer")


def row(number: int, leg: str, engine: str, cost_nano: int | None, **differs: Any) -> dict[str, Any]:
    """A minute of session `one`, at 2026-05-27, unless it differs."""
    same = {
        "session_id": "one",
        "number": number,
        "user_id": "ann",
        "app_id": "app",
        "codec": "pcm",
        "at_ms": MIDNIGHT_MS + number * MINUTE_MS,
        "interval_ms": MINUTE_MS,
        "leg": leg,
        "engine": engine,
        "prompt_version": "",
        "sound_ms": None,
        "characters": None,
        "tokens_in": None,
        "tokens_out": None,
        "price": f"{engine}@2026-05",
        "cost_nano": cost_nano,
        "asked": 0,
        "p50_ms": None,
        "p95_ms": None,
        "place": 1,
        "why": "",
    }
    return same | differs


ROWS = [
    row(0, "stt", "deepgram", 9_200_000, sound_ms=MINUTE_MS),
    row(1, "stt", "deepgram", 9_200_000, sound_ms=MINUTE_MS),
    # Reckoned when the price was another one.
    row(2, "stt", "deepgram", 4_300_000, sound_ms=MINUTE_MS, price="deepgram@undated"),
    row(3, "mt", "gemini", 120_000, tokens_in=400, tokens_out=200),
    row(4, "mt", "gpt-4o-mini", None, tokens_in=200, tokens_out=100, price=None),
    row(5, "tts", "cartesia", 6_000_000, sound_ms=MINUTE_MS),
    row(6, "tts", "kokoro", 0, sound_ms=MINUTE_MS // 2, price=EMBEDDED),
    # Another user's, on the day after.
    row(0, "stt", "whisper", 0, session_id="two", user_id="bob", price=EMBEDDED, sound_ms=2 * MINUTE_MS,
        at_ms=MIDNIGHT_MS + DAY_MS),
]  # fmt: skip


def read(url: str, rows: list[dict[str, Any]], *, since_ms: float = 0, user_id: str = "", ended: bool = True) -> Actual:
    async def main() -> Actual:
        async with aclosing(Database(url)) as database:
            async with database.begin() as connection:
                if rows:
                    await connection.execute(insert(USAGE), rows)
                if ended:
                    begun = {"product": "translate", "app_id": "app", "codec": "pcm", "source": "en", "target": "pt"}
                    begun |= {"session_id": "one", "user_id": "ann", "tier": "", "started_ms": MIDNIGHT_MS - MINUTE_MS}
                    await connection.execute(insert(SESSIONS), [begun])
                    same = {name: begun[name] for name in ("session_id", "user_id", "started_ms")}
                    end = same | {"ended_ms": MIDNIGHT_MS + 9 * MINUTE_MS, "outcome": "done"}
                    await connection.execute(insert(SESSION_ENDS), [end])
            return await read_actual(database, since_ms=since_ms, user_id=user_id)

    return asyncio.run(main())


def test_what_was_spent_is_summed_by_leg_engine_price_and_day(database_url: str) -> None:
    actual = read(database_url, ROWS)
    lines = {(day_name(line.of), line.leg, line.engine, line.price): line for line in actual.lines}
    assert len(lines) == len(actual.lines) == 7
    hosted = lines["2026-05-27", "stt", "deepgram", "deepgram@2026-05"]
    assert (hosted.rows, hosted.cost_nano, hosted.quantities["sound_ms"]) == (2, 18_400_000, 2 * MINUTE_MS)
    assert lines["2026-05-27", "stt", "deepgram", "deepgram@undated"].cost == dollars("0.0043")
    assert lines["2026-05-28", "stt", "whisper", EMBEDDED].cost == dollars(0)
    assert (actual.rows, actual.sessions) == (8, 2)
    assert merged(actual.lines)[0] == 8


def test_unknown_costs_are_counted_apart(database_url: str) -> None:
    actual = read(database_url, ROWS)
    assert actual.unpriced == 1
    assert not actual.cost.whole
    assert actual.cost.nano == 18_400_000 + 4_300_000 + 120_000 + 6_000_000
    (unknown,) = (line for line in actual.lines if line.engine == "gpt-4o-mini")
    assert (unknown.unpriced, unknown.cost.whole, unknown.price) == (1, False, None)
    assert read(database_url, [], ended=False, user_id="bob").cost == dollars(0)


def test_one_user_and_a_beginning_can_be_asked_for(database_url: str) -> None:
    assert read(database_url, ROWS, user_id="bob").rows == 1
    assert read(database_url, [], ended=False, since_ms=MIDNIGHT_MS + 5 * MINUTE_MS, user_id="ann").rows == 2
    late = read(database_url, [], ended=False, since_ms=MIDNIGHT_MS + 5 * MINUTE_MS, user_id="ann")
    assert late.wall_ms == 4 * MINUTE_MS


def test_measures_stand_beside_what_is_assumed(database_url: str) -> None:
    actual = read(database_url, ROWS, user_id="ann")
    assert actual.wall_ms == 10 * MINUTE_MS
    assert actual.recognised_ms == 3 * MINUTE_MS
    assert percent(actual.duty or Fraction(0)) == "30.0 %"
    assert actual.dub == Fraction(1, 2)
    assert actual.tokens("tokens_in") == 600 * 20
    assert actual.tokens("tokens_out") == 300 * 20
    assert actual.speech_hour is not None
    assert actual.wall_hour is not None
    assert actual.speech_hour.nano == actual.cost.nano * Fraction(HOUR_MS, 3 * MINUTE_MS)
    assert actual.wall_hour.nano == actual.cost.nano * 6
    told = actual.to_json(USE)
    assert told["measured"] == {"duty": 0.3, "dub": 0.5, "tokens_in": 12000.0, "tokens_out": 6000.0}
    assert told["assumed"] == {"duty": 0.55, "dub": 1.0, "tokens_in": 12000.0, "tokens_out": 12000.0}


def test_a_session_that_told_no_beginning_lasts_as_long_as_its_rows(database_url: str) -> None:
    assert read(database_url, ROWS, user_id="ann", ended=False).wall_ms == 7 * MINUTE_MS


def test_todays_price_is_beside_the_rows_own_and_never_instead(database_url: str) -> None:
    actual = read(database_url, ROWS)
    lines = {(line.engine, line.price): line for line in actual.lines}
    old = lines["deepgram", "deepgram@undated"]
    assert (old.cost, old.repriced(packaged_prices())) == (dollars("0.0043"), dollars("0.0092"))
    assert not lines["gpt-4o-mini", None].repriced(packaged_prices()).whole
    assert lines["kokoro", EMBEDDED].repriced(packaged_prices()) == dollars(0)
    told = actual.to_json(USE, packaged_prices())
    assert all("repriced" in line for line in told["lines"])
    assert all("repriced" not in line for line in actual.to_json(USE)["lines"])


def test_a_row_without_what_is_charged_for_cannot_be_repriced(database_url: str) -> None:
    rows = [row(0, "tts", "cartesia", None, characters=100), row(1, "tts", "cartesia", 100_000, sound_ms=1000)]
    actual = read(database_url, rows)
    (line,) = actual.lines
    assert (line.rows, line.unpriced, line.cost.whole) == (2, 1, False)
    assert not line.repriced(packaged_prices()).whole
    assert actual.dub is None


def test_without_usage_there_is_nothing_to_tell(database_url: str) -> None:
    actual = read(database_url, [], ended=False)
    assert (actual.rows, actual.sessions, actual.wall_ms) == (0, 0, 0)
    assert actual.speech_hour is actual.wall_hour is actual.duty is actual.dub is actual.tokens("tokens_in") is None


@pytest.mark.parametrize("many", [3000])
def test_many_rows_sum_without_drift(database_url: str, many: int) -> None:
    rows = [row(number, "stt", "deepgram", 153_333, sound_ms=1000) for number in range(many)]
    actual = read(database_url, rows)
    assert actual.cost.nano == many * 153_333
    assert actual.recognised_ms == many * 1000


def line(leg: str, engine: str, price: str | None, cost_nano: int, *, unpriced: int = 0, **told: int) -> Sum:
    """A row of a day; with `unpriced`, one without a cost."""
    names = ("sound_ms", "characters", "tokens_in", "tokens_out")
    return Sum(
        of=20_600,
        leg=leg,
        engine=engine,
        price=price,
        rows=1,
        unpriced=unpriced,
        requests=1,
        cost_nano=cost_nano,
        quantities={name: told.get(name, 0) for name in names},
        counted={name: int(name in told) for name in names},
    )


LINES = [
    line("stt", "deepgram", "deepgram@undated", 258_000_000, sound_ms=HOUR_MS),
    line("stt", "deepgram", "deepgram@2026-05", 276_000_000, sound_ms=HOUR_MS // 2),
    line("mt", "gemini", "gemini@2026-05", 9_000_000, tokens_in=30_000, tokens_out=15_000, characters=30_000),
    line("mt", "pairs", EMBEDDED, 0, characters=10_000),
    line("tts", "cartesia", "cartesia@2026-05", 180_000_000, sound_ms=HOUR_MS // 2, characters=9000),
    line("tts", "kokoro", EMBEDDED, 0, sound_ms=HOUR_MS // 4, characters=4000),
]
MODEL = CostModel(packaged_prices())


def used(*lines: Sum, wall_ms: int = 2 * HOUR_MS, **repriced: Any) -> Use:
    use = Actual(list(lines), 1, wall_ms).as_use(USE, **repriced)
    assert use is not None
    return use


def test_real_usage_is_a_use_that_costs_what_was_spent() -> None:
    use = used(*LINES)
    assert use.stt.mix == (("deepgram@2026-05", Fraction(1, 3)), ("deepgram@undated", Fraction(2, 3)))
    assert use.mt.mix == (("gemini@2026-05", Fraction(3, 4)), ("pairs", Fraction(1, 4)))
    assert use.tts.mix == (("cartesia@2026-05", Fraction(2, 3)), ("kokoro", Fraction(1, 3)))
    # Of an hour and a half, those who tell tokens translated three quarters.
    assert use.mt.quantities["tokens_in"] == Fraction(30_000 * 8, 9)
    assert (use.duty, use.dub, use.hours) == (Fraction(3, 4), Fraction(1, 2), USE.hours)
    actual, cost = Actual(LINES, 1, 2 * HOUR_MS), MODEL.cost(use)
    assert cost.month == actual.cost.times(use.hours / 2)
    assert actual.speech_hour == cost.speech_hour.subtitles + cost.speech_hour.tts.times(use.dub)
    assert (actual.lacks, actual.too_little) == ("", "")


def test_a_voice_that_speaks_longer_costs_more_than_an_hour() -> None:
    use = used(LINES[0], LINES[2], line("tts", "cartesia", "cartesia@2026-05", 720_000_000, sound_ms=2 * HOUR_MS))
    assert (use.dub, use.tts.quantities["seconds"]) == (1, 7200)
    assert MODEL.cost(use).month == dollars("0.987").times(use.hours / 2)


def test_repriced_it_is_at_the_prices_in_force() -> None:
    use = used(*LINES, prices=packaged_prices())
    assert use.stt.mix == (("deepgram", Fraction(1)),)
    assert MODEL.cost(use).speech_hour.stt == dollars("0.552")
    before = used(*LINES, prices=packaged_prices(), at_ms=0)
    assert dict(before.tts.mix) == {"cartesia@unpriced": Fraction(2, 3), "kokoro": Fraction(1, 3)}


def test_an_unknown_cost_stays_unknown_whatever_is_charged_now() -> None:
    lost = line("mt", "gemini", "gemini@2026-05", 0, unpriced=1, characters=10_000)
    cost = MODEL.cost(used(*LINES, lost)).speech_hour
    assert (cost.mt.whole, cost.mt.nano > 0, cost.stt.whole, cost.tts.whole) == (False, True, True, True)
    unheard = line("tts", "cartesia", "cartesia@2026-05", 0, unpriced=1, characters=1000)
    assert not MODEL.cost(used(*LINES, unheard)).speech_hour.tts.whole
    uncounted = line("mt", "gemini", None, 0, unpriced=1)
    assert used(*LINES, uncounted).mt.mix == ()


def test_a_leg_that_nobody_served_has_no_cost_to_tell() -> None:
    use = used(*LINES[:4])
    cost = MODEL.cost(use)
    assert (use.tts.mix, use.dub, cost.speech_hour.tts) == ((), 0, UNKNOWN)
    assert cost.month == cost.active_hour.subtitles.times(use.hours)
    assert cost.month.whole


def test_too_little_usage_is_said() -> None:
    assert Actual(LINES[2:], 1, HOUR_MS).as_use(USE) is None
    assert Actual(LINES[2:], 1, HOUR_MS).too_little == "no sound was recognised"
    assert Actual(LINES, 1, 0).lacks == "no session lasted"
    assert Actual(LINES[1:], 1, HOUR_MS).too_little == "30.0 minutes of sound were recognised, less than an hour"
