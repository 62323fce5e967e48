from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vivavoce.store.lines import line_of
from vivavoce.store.tables import SIGNALS
from vivavoce.telemetry.sample import Sample
from vivavoce.telemetry.signals import Packets, SessionSignals


def row_of(signals: SessionSignals, **changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"session_id": "s1", "user_id": "u1", "app_id": "app", "codec": "ulaw"}
    return signals.row(**{**facts, "at_ms": 1000, "duration_ms": 60_000.0, **changes})


def revised(*hypotheses: tuple[str, str]) -> tuple[int, int]:
    """Words, and those that were taken back, of one utterance's hypotheses: (settled, open)."""
    signals = SessionSignals()
    for settled, tail in hypotheses:
        signals.words_shown(1, settled.split(), tail.split())
    row = row_of(signals)
    return row["words"], row["words_revised"]


def test_a_session_in_which_nothing_happened_is_a_row_the_store_takes() -> None:
    row = row_of(SessionSignals())
    assert set(row) == {column.name for column in SIGNALS.columns}
    assert line_of(SIGNALS, row)
    assert (row["network"], row["heard_p50_ms"], row["jitter_p95_ms"], row["triggers"]) == ("local", None, None, 0)


@pytest.mark.parametrize(
    ("hypotheses", "counts"),
    [
        ([("", "good mor"), ("", "good morning"), ("good morning everybody", "")], (3, 1)),
        ([("", "good morning"), ("Good morning,", "everybody"), ("everybody.", "")], (3, 0)),
        ([("", "we can see"), ("", "oh we can see"), ("oh we can see", "")], (4, 0)),
        ([("", "one two three four"), ("one", "two"), ("two", "")], (2, 2)),
        ([("", "ten"), ("", "tin"), ("ten", "")], (1, 2)),
    ],
    ids=["changed", "settled as shown", "put before", "shortened", "back and forth"],
)
def test_words_that_were_shown_and_taken_back(hypotheses: list[tuple[str, str]], counts: tuple[int, int]) -> None:
    assert revised(*hypotheses) == counts


def test_open_words_of_an_utterance_that_was_given_up_are_taken_back() -> None:
    signals = SessionSignals()
    signals.words_shown(1, ["well"], ["I", "think"])
    signals.words_shown(2, ["I", "think"], [])
    signals.words_shown(3, [], ["hm"])
    signals.nothing_heard()
    row = row_of(signals)
    assert (row["words"], row["words_revised"], row["false_triggers"]) == (3, 3, 1)


def test_the_original_is_lowered_and_restored() -> None:
    signals = SessionSignals()
    for n in range(20):
        at_ms = 1000.0 * n
        signals.lowered(at_ms=at_ms + (60 if n < 18 else 90), sound_ms=at_ms)
        signals.restored(at_ms=at_ms + 760, sound_ms=at_ms + 60)
    row = row_of(signals)
    assert (row["mutes"], row["muted_ms"]) == (20, 18 * 700 + 2 * 670)
    assert row["mute_late_p95_ms"] == pytest.approx(90.0)
    assert row["unmute_late_p95_ms"] == pytest.approx(700.0)


def test_what_is_still_lowered_at_the_end_counts_until_then() -> None:
    signals = SessionSignals()
    signals.restored(at_ms=5.0)
    signals.lowered(at_ms=59_000.0)
    assert row_of(signals)["muted_ms"] == 1000


def test_packets_tell_the_network() -> None:
    signals = SessionSignals()
    signals.packets_came(Packets(count=3000, gaps=6, jitter_p50_ms=2.0, jitter_p95_ms=9.0))
    row = row_of(signals)
    assert (row["network"], row["jitter_p50_ms"], row["jitter_p95_ms"], row["gaps"]) == ("uneven", 2.0, 9.0, 6)


def test_nothing_of_what_was_said_is_in_the_row() -> None:
    signals = SessionSignals()
    signals.words_shown(1, ["secret"], ["harbour"])
    signals.utterance_done(812.0)
    assert not [word for word in ("secret", "harbour") if word in str(row_of(signals))]


def test_hours_of_values_take_bounded_memory_and_keep_their_quantiles() -> None:
    sample, values = Sample(), np.random.default_rng(1).lognormal(6.0, 0.5, 200_000)
    for value in values:
        sample.add(value)
    assert len(sample._values) == 1000
    for q in (0.5, 0.95):
        assert sample.quantile(q) == pytest.approx(np.quantile(values, q), rel=0.1)
    assert Sample().quantile(0.5) is None
