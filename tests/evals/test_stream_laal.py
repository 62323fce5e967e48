from __future__ import annotations

import pytest

from vivavoce.evals.stream_laal import Segment, laal, resegmented, stream_laal, timed_words

TWO = [Segment("a b c d", 0.0, 4000.0), Segment("e f", 5000.0, 2000.0)]


def test_words_that_come_each_in_its_turn_lag_by_the_first() -> None:
    assert laal([1000.0, 2000.0, 3000.0], Segment("a b c d", 0.0, 4000.0)) == pytest.approx(1000.0)


def test_more_words_than_the_reference_has_come_in_shorter_turns() -> None:
    assert laal([1000.0, 1500.0, 2000.0, 2500.0], Segment("a b", 0.0, 2000.0)) == pytest.approx(1000.0)


def test_all_that_comes_after_the_end_is_one_word() -> None:
    assert laal([4500.0, 4600.0, 9000.0], TWO[0]) == 4500.0
    assert laal([1000.0, 6000.0, 9000.0], TWO[0]) == pytest.approx((1000.0 + 5000.0) / 2)


def test_a_stream_is_cut_into_its_sentences() -> None:
    words = timed_words([("a b", 2000.0), ("x d", 4500.0), ("e f", 7500.0)])
    assert stream_laal(words, TWO) == pytest.approx([(2000 + 1000 + 2500) / 3, 2500.0])


def test_a_sentence_without_words_has_no_lagging() -> None:
    segments = [TWO[0], Segment("x y", 4000.0, 1000.0), TWO[1]]
    found = stream_laal(timed_words([("a b c d", 4500.0), ("e f", 7500.0)]), segments)
    assert found == [4500.0, None, 2500.0]
    assert stream_laal([], TWO[:1]) == [None]
    with pytest.raises(ValueError, match="no words"):
        laal([], TWO[0])


def test_every_word_is_in_one_segment() -> None:
    assert resegmented(list("abcefg"), ["a b c d", "e f"]) == [(0, 3), (3, 6)]
    assert resegmented(["A", "B"], ["a b"]) == [(0, 2)]
