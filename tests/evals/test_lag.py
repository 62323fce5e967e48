from __future__ import annotations

import pytest

from vivavoce.evals.lag import (
    Lag,
    growth_per_minute,
    heard_at,
    heard_words,
    lags,
    settled_words,
    slope_per_minute,
    translated_words,
    voiced_share,
)
from vivavoce.legs.values import Clause, Word
from vivavoce.translate.events import Heard, Spoken, Translated

pytest.importorskip("jiwer", reason="the group eval is not installed")


def _words(text: str, *, each_ms: float = 100.0) -> tuple[Word, ...]:
    return tuple(Word(word, each_ms * i, each_ms * (i + 1)) for i, word in enumerate(text.split()))


def _line(number: int, source: str, target: str, at_ms: float) -> Translated:
    return Translated(1, number, Clause(source, 0.0, 400.0), target, "en", True, at_ms)


def _spoken(line: int, text: str, start_ms: float, end_ms: float, *, first: bool = True) -> Spoken:
    return Spoken(1, line, text, start_ms, end_ms, 0.0, first)


def test_a_word_counts_as_settled_when_it_is_first_shown_so() -> None:
    shown = settled_words(
        [
            Heard(1, _words("we"), _words("go"), 1, 500.0),
            Heard(1, _words("we go"), (), 1, 900.0),
            Heard(2, _words("again"), (), 1, 1500.0),
        ]
    )
    assert [(word.text, word.at_ms) for word in shown] == [("we", 500.0), ("go", 900.0), ("again", 1500.0)]
    found = lags(_words("we go again"), shown)
    assert [lag.lag_ms for lag in found] == [400.0, 700.0, 1200.0]


def test_words_that_were_not_understood_have_no_lag() -> None:
    found = lags(_words("we really go"), settled_words([Heard(1, _words("we go"), (), 2, 1000.0)]))
    assert [(lag.word_end_ms, lag.lag_ms) for lag in found] == [(100.0, 900.0), (300.0, 700.0)]


def test_the_share_of_a_clause_is_heard_when_that_share_of_its_sound_was() -> None:
    chunks = [_spoken(1, "a", 1000.0, 1200.0), _spoken(1, "b", 1500.0, 1700.0, first=False)]
    assert heard_at(chunks, 0.25) == pytest.approx(1100.0)
    assert heard_at(chunks, 0.5) == pytest.approx(1200.0)
    assert heard_at(chunks, 0.75) == pytest.approx(1600.0)
    assert heard_at(chunks, 1.0) == pytest.approx(1700.0)
    assert heard_at(chunks, 1.0, began_ms=1030.0) == pytest.approx(1730.0)


def test_each_source_word_is_heard_with_its_part_of_the_clause() -> None:
    lines = [_line(1, "aaaa bbbb", "x y", 500.0), _line(2, "cccc", "z", 900.0), _line(3, "dddd", "w", 950.0)]
    spoken = [_spoken(1, "x y", 1000.0, 1900.0), _spoken(2, "z", 2000.0, 2400.0)]
    heard = heard_words(lines, spoken, {})
    assert [(word.text, word.at_ms) for word in heard] == [
        ("aaaa", pytest.approx(1400.0)),
        ("bbbb", pytest.approx(1900.0)),
        ("cccc", pytest.approx(2400.0)),
    ]
    assert [word.at_ms for word in translated_words(lines)] == [500.0, 500.0, 900.0, 950.0]


def test_voiced_is_what_has_a_place_in_the_dub() -> None:
    lines = [_line(1, "a", "um dois três quatro", 0.0), _line(2, "b", "cinco seis", 0.0), _line(3, "c", "sete", 0.0)]
    spoken = [
        _spoken(1, "um dois", 0.0, 10.0),
        _spoken(1, "três", 10.0, 20.0, first=False),
        _spoken(2, "", 20.0, 30.0),
    ]
    assert voiced_share(lines, spoken) == pytest.approx(5 / 7)
    assert voiced_share([], spoken) is None


def test_growth_is_the_slope_and_its_interval_holds_it() -> None:
    rows = [Lag(m * 60_000.0, 2000.0 + 30.0 * m + (40.0 if g % 2 else -40.0), g) for g, m in enumerate(range(10))]
    found = growth_per_minute(rows)
    assert found is not None
    slope, interval = found
    assert slope == pytest.approx(30.0, abs=3.0)
    assert interval.low < slope < interval.high
    assert growth_per_minute(rows) == found
    assert growth_per_minute(rows[:2]) is None


def test_memory_counts_from_when_it_is_warm() -> None:
    points = [(0.0, 100.0), (60_000.0, 500.0), (120_000.0, 500.0), (180_000.0, 501.0), (240_000.0, 502.0)]
    assert slope_per_minute(points, after_ms=120_000.0) == pytest.approx(1.0)
    assert slope_per_minute(points[:2]) is None
