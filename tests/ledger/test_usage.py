"""What legs did becomes rows: quantities, costs by the price of the day, latencies, and why an engine was come to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vivavoce.ledger.prices import packaged_prices
from vivavoce.ledger.usage import INTERVAL_MS, UsageMeter, Work
from vivavoce.store.tables import USAGE

NOW_MS = 1_782_000_000_000
"""In June 2026, when the prices of May hold."""
OF_THE_SESSION = {"session_id", "user_id", "app_id", "codec"}


class Day:
    def __init__(self) -> None:
        self.ms = NOW_MS
        self.rows: list[dict[str, Any]] = []
        self.meter = UsageMeter(
            prices=packaged_prices(), now_ms=lambda: self.ms, write=lambda row: self.rows.append(dict(row))
        )


def test_a_row_has_every_column_that_is_not_the_sessions() -> None:
    day = Day()
    day.meter.used("stt", "deepgram", Work(sound_ms=20.0))
    day.meter.close()
    assert set(day.rows[0]) | OF_THE_SESSION == {column.name for column in USAGE.columns}


def test_work_is_added_up_over_an_interval_and_priced_as_a_whole() -> None:
    day = Day()
    for _ in range(3000):
        day.meter.used("stt", "deepgram", Work(sound_ms=20.0))
    day.meter.used("stt", "deepgram", Work(sound_ms=0.0, latency_ms=200.0))
    day.meter.used("stt", "deepgram", Work(sound_ms=0.0, latency_ms=300.0))
    day.ms += INTERVAL_MS - 1
    day.meter.close_due()
    assert not day.rows
    day.ms += 1
    day.meter.close_due()
    (row,) = day.rows
    assert (row["sound_ms"], row["cost_nano"], row["price"]) == (60_000, 9_200_000, "deepgram@2026-05")
    assert (row["asked"], row["p50_ms"], row["p95_ms"]) == (2, 250.0, 295.0)
    assert (row["at_ms"], row["interval_ms"], row["number"]) == (NOW_MS, INTERVAL_MS, 1)
    day.meter.close()
    assert len(day.rows) == 1


def test_what_nobody_knows_costs_nobody_knows_what() -> None:
    day = Day()
    day.meter.used("mt", "gemini", Work(characters=40, latency_ms=180.0, prompt_version="v1"))
    day.meter.used("mt", "pairs", Work(characters=40))
    day.meter.used("tts", "nobody-priced", Work(sound_ms=1000.0))
    day.meter.close()
    gemini, pairs, other = day.rows
    assert (gemini["cost_nano"], gemini["price"]) == (None, "gemini@2026-05")
    assert gemini["prompt_version"] == "v1"
    assert (pairs["cost_nano"], pairs["price"]) == (0, "embedded")
    assert (other["cost_nano"], other["price"]) == (None, None)


def test_a_known_count_of_tokens_is_charged_in_both_directions() -> None:
    day = Day()
    day.meter.used("mt", "gemini", Work(characters=40, tokens_in=1_000_000, tokens_out=1_000_000))
    day.meter.close()
    assert day.rows[0]["cost_nano"] == 500_000_000


def test_what_is_known_is_not_mixed_with_what_is_not() -> None:
    day = Day()
    day.meter.used("mt", "gemini", Work(characters=40, tokens_in=1000, tokens_out=1000, latency_ms=1.0))
    for _ in range(9):
        day.meter.used("mt", "gemini", Work(characters=40, latency_ms=1.0))
    day.meter.close()
    assert [(row["asked"], row["cost_nano"]) for row in day.rows] == [(1, 500_000), (9, None)]


def test_a_price_is_that_of_when_the_work_began() -> None:
    day = Day()
    day.ms = NOW_MS - 365 * 86_400_000
    day.meter.used("stt", "deepgram", Work(sound_ms=60_000.0))
    day.ms = NOW_MS
    day.meter.close()
    assert day.rows[0]["price"] == "deepgram@undated"


def test_a_row_ends_where_the_leg_comes_to_its_engine_anew() -> None:
    day = Day()
    day.meter.moved("stt", "deepgram", place=1, why="")
    day.meter.used("stt", "deepgram", Work(sound_ms=100.0))
    day.meter.moved("stt", "whisper", place=2, why="LegTimeout")
    day.meter.used("stt", "whisper", Work(sound_ms=200.0))
    day.meter.moved("stt", "deepgram", place=1, why="")
    day.meter.used("stt", "deepgram", Work(sound_ms=300.0))
    day.meter.close()
    told = [(row["engine"], row["sound_ms"], row["place"], row["why"]) for row in day.rows]
    assert told == [("deepgram", 100, 1, ""), ("whisper", 200, 2, "LegTimeout"), ("deepgram", 300, 1, "")]
    assert [row["number"] for row in day.rows] == [1, 2, 3]


def test_why_a_leg_came_to_an_engine_is_told_once_a_move() -> None:
    day = Day()
    for why in ("LegTimeout", "passed over"):
        day.meter.moved("stt", "whisper", place=2, why=why)
        for _ in range(2):
            day.meter.used("stt", "whisper", Work(sound_ms=200.0))
            day.ms += INTERVAL_MS
            day.meter.close_due()
    told = [(row["place"], row["why"]) for row in day.rows]
    assert told == [(2, "LegTimeout"), (2, ""), (2, "passed over"), (2, "")]


def test_versions_of_a_prompt_have_rows_of_their_own() -> None:
    day = Day()
    day.meter.used("mt", "gemini", Work(characters=1, prompt_version="one"))
    day.meter.used("mt", "gemini", Work(characters=2, prompt_version="two"))
    day.meter.close()
    assert [(row["prompt_version"], row["characters"]) for row in day.rows] == [("one", 1), ("two", 2)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["deepgram", "cartesia", "whisper"]),
            st.integers(0, 4000),
            st.sampled_from(["on", "due", "move"]),
        ),
        max_size=60,
    )
)
def test_no_millisecond_is_lost_or_doubled(work: list[tuple[str, int, str]]) -> None:
    day = Day()
    for engine, sound_ms, then in work:
        day.meter.used("leg", engine, Work(sound_ms=float(sound_ms)))
        day.ms += sound_ms
        if then == "due":
            day.meter.close_due()
        elif then == "move":
            day.meter.moved("leg", engine, place=1, why="")
    day.meter.close()
    for engine in ("deepgram", "cartesia", "whisper"):
        given_ms = sum(sound_ms for name, sound_ms, _ in work if name == engine)
        rows = [row for row in day.rows if row["engine"] == engine]
        assert sum(row["sound_ms"] for row in rows) == given_ms
        exact = packaged_prices().cost(engine, {"seconds": given_ms / 1000}, at_ms=NOW_MS).nano
        assert exact is not None
        assert abs(sum(row["cost_nano"] for row in rows) - exact) <= len(rows)
