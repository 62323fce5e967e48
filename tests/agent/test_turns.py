from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.agent.turns import PRESETS, Clues, OpenEnds, certainty
from vivavoce.agent.words import WORDS
from vivavoce.errors import ConfigError

OPEN_ENDS = OpenEnds(WORDS["en"].never_last, WORDS["en"].seldom_last)


def sure(text: str, probability: float | None = 0.5, likeness: float | None = None) -> float:
    return certainty(Clues(text, probability, likeness), open_ends=OPEN_ENDS)


@pytest.mark.parametrize(
    ("complete", "broken_off"),
    [
        ("I need a haircut.", "I need a haircut"),
        ("I need a haircut.", "I need a..."),
        ("Yes.", "Yes, and"),
        ("On Tuesday at three.", "On Tuesday at"),
        ("On Tuesday at three.", "On Tuesday, um."),
        ("Yes, I do.", "Yes, I do"),
    ],
)
def test_how_a_text_ends_tells(complete: str, broken_off: str) -> None:
    assert sure(complete) > sure(broken_off) + 0.5


def test_sound_and_likeness_tell() -> None:
    assert sure("A table.", 0.95) > sure("A table.", None) > sure("A table.", 0.05)
    assert sure("A table.", likeness=1.0) > sure("A table.") > sure("A table.", likeness=0.85)


@given(text=st.text(max_size=40), probability=st.none() | st.floats(0, 1), likeness=st.none() | st.floats(0, 1))
def test_it_is_always_a_number_and_a_turn_always_ends(
    text: str, probability: float | None, likeness: float | None
) -> None:
    value = sure(text, probability, likeness)
    assert math.isfinite(value)
    for settings in PRESETS.values():
        assert settings.sure_ms <= settings.wait_ms(value, spelled=False) <= settings.most_ms
        assert settings.wait_ms(value, spelled=True) == settings.spelled_ms


@pytest.mark.parametrize("wrong", [{"sure_ms": 700.0}, {"most_ms": 500.0}, {"likely_at": 3.0}])
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        replace(PRESETS["usual"], **wrong)


@given(lower=st.floats(-20, 20), more=st.floats(0, 20))
def test_the_surer_the_sooner(lower: float, more: float) -> None:
    for settings in PRESETS.values():
        assert settings.wait_ms(lower + more, spelled=False) <= settings.wait_ms(lower, spelled=False)
