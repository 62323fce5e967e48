from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.providers.units import UnitPlan, units
from vivavoce.text.phrases import phrases

PLAN = UnitPlan()
NUMBERS = ["7", "450", "000", "12,5", "3.50", "€", "5%"]
WORDS = st.sampled_from(["a", "the", "of", "time", "clause,", "light.", "no!", "interpreter;", "Brooklyn", *NUMBERS])
TEXTS = st.lists(WORDS, max_size=60).map(" ".join)


def cut(text: str, plan: UnitPlan = PLAN) -> list[str]:
    return units(text, plan, language="en")


def held(last: str, after: str) -> bool:
    """Whether nothing may end between two words: after an article or preposition, and among digits."""
    return last in phrases("en").holds or (last[-1].isdigit() and (after[0].isdigit() or after[0] in "€$%"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Hello", ["Hello"]),
        ("One moment please", ["One moment please"]),
        ("Good morning, please wait a moment on the line.", ["Good morning,", "please wait a moment on the line."]),
        ("Yes, it is the end of the story.", ["Yes,", "it is the end of the story."]),
        ("Unfortunately nobody answers at this hour.", ["Unfortunately", "nobody answers at this hour."]),
        ("By the way they went home early.", ["By the", "way they went home early."]),
        ("Incomprehensibilities", ["Incomprehensibilities"]),
        ("It costs 1 000 000 € in all.", ["It costs", "1 000 000 € in all."]),
        ("She paid 12 000 € for it all.", ["She paid", "12 000 € for it all."]),
    ],
)
def test_units_end_where_a_voice_may_rest(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_a_first_unit_that_is_not_waited_for_is_longer() -> None:
    text = " ".join(["word"] * 40)
    lengths = [len(cut(text, PLAN.after(lead_ms))[0].split()) for lead_ms in (0, 299, 400, 1000, 60_000)]
    assert lengths == [2, 2, 3, 5, 16]
    assert cut("Unfortunately nobody answers at this hour.", PLAN.after(1000)) == [
        "Unfortunately nobody answers at this hour."
    ]


def test_the_last_word_is_not_left_alone_by_a_comma() -> None:
    assert cut("we go home, now") == ["we go", "home, now"]


def test_units_grow() -> None:
    lengths = [len(unit.split()) for unit in cut(" ".join(["word"] * 60))]
    assert lengths[:4] == [2, 5, 12, 16]


@given(st.one_of(st.text(max_size=200), TEXTS), st.integers(1, 4))
def test_joined_they_are_the_text(text: str, first_words: int) -> None:
    found = cut(text, UnitPlan(first_words=first_words))
    assert " ".join(found) == " ".join(text.split())
    assert all(found)


@given(TEXTS)
def test_the_first_unit_is_short(text: str) -> None:
    words = text.split()
    first = cut(text)[0] if words else ""
    count = len(first.split())
    within_number = any(not words[at - 1].isalpha() and held(words[at - 1], words[at]) for at in range(1, count))
    assert count <= 3 or len(first) <= PLAN.first_characters or within_number


@given(TEXTS)
def test_none_after_the_first_is_a_lone_word_or_too_long(text: str) -> None:
    lengths = [len(unit.split()) for unit in cut(text)]
    assert all(1 < length <= PLAN.most_words * 3 // 2 for length in lengths[1:])


@given(TEXTS)
def test_numbers_and_articles_stay_with_what_follows(text: str) -> None:
    for unit, following in pairwise(cut(text)[1:]):
        words = unit.split()
        assert len(words) >= PLAN.most_words or not held(words[-1], following.split()[0])
