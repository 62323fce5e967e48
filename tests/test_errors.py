"""What is told of a bundle of errors: ours, unless a failure of another kind is among them."""

from __future__ import annotations

from vivavoce.errors import LegTimeout, NoSpeech, first_of_ours


def test_the_first_of_ours_is_found_in_bundles_of_bundles() -> None:
    late, silent = LegTimeout("late"), NoSpeech("nobody")
    assert first_of_ours(late) is late
    assert first_of_ours(ExceptionGroup("", [ExceptionGroup("", [silent]), late])) is silent


def test_a_failure_that_is_not_ours_is_not_hidden_behind_one_that_is() -> None:
    assert first_of_ours(KeyError("x")) is None
    assert first_of_ours(ExceptionGroup("", [LegTimeout("late"), KeyError("x")])) is None
