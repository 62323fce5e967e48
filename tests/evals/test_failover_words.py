from __future__ import annotations

import pytest

from vivavoce.evals.failover_words import Changes, changes, settled
from vivavoce.legs.values import Word
from vivavoce.translate.events import Heard


def said(text: str) -> list[Word]:
    return [Word(word, 300.0 * n, 300.0 * (n + 1)) for n, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("heard", "found"),
    [
        ("No, no. Not today", Changes()),
        ("no not today", Changes(lost=1)),
        ("no no not not today", Changes(added=1)),
        ("no no hot today", Changes()),
        ("no no not", Changes(lost=1)),
        ("", Changes(lost=4)),
    ],
)
def test_what_is_missing_and_what_is_there_twice(heard: str, found: Changes) -> None:
    assert changes(said("no no not today"), said(heard)) == found


def test_only_what_is_near_a_moment_counts() -> None:
    whole = said("a b c d e f g h i j k l m n o p q r s t")
    without_c_and_r = [word for word in whole if word.text not in "cr"]
    assert changes(whole, without_c_and_r) == Changes(lost=2)
    assert changes(whole, without_c_and_r, near_ms=700.0) == Changes(lost=1)
    assert changes(whole, without_c_and_r, near_ms=2950.0) == Changes()


def test_settled_words_are_those_of_the_latest_state_of_each_utterance() -> None:
    words = said("one two three")
    events = [
        Heard(1, tuple(words[:1]), tuple(words[1:]), 1, 0.0),
        Heard(1, tuple(words[:2]), (), 1, 0.0),
        Heard(2, tuple(words[2:]), (), 1, 0.0),
    ]
    found = settled(events, start_ms=100.0)
    assert [word.text for word in found] == ["one", "two", "three"]
    assert found[0].start_ms == -100.0
