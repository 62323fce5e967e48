from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.phrases import Phrases, phrases, spoken_form

LANGUAGES = ["ca", "en", "es", "fr", "it", "pt"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_rows_hold_words_as_they_are_looked_up(language: str) -> None:
    for field in fields(Phrases):
        words = getattr(phrases(language), field.name)
        assert words
        assert {word for word in words if spoken_form(word) != word or not word} == set()


@pytest.mark.parametrize(("language", "hold"), [("en", "the"), ("es", "la"), ("pt", "à"), ("fr", "à"), ("ca", "és")])
def test_what_never_ends_a_phrase(language: str, hold: str) -> None:
    assert hold in phrases(language).holds


def test_negations_and_numbers() -> None:
    assert {"not", "never"} <= phrases("en").negations
    assert {"one", "twenty"} <= phrases("en").numbers
    assert {"due", "mille"} <= phrases("it").numbers


def test_a_language_without_rows_has_empty_ones() -> None:
    assert phrases("xx") == Phrases()


@pytest.mark.parametrize(
    ("text", "form"),
    [("¿Qué?", "qué"), ("«OK»,", "ok"), ("don't", "don't"), ("12.50", "12.50"), ("...", ""), ("STRASSE", "strasse")],
)
def test_the_spoken_form_has_no_case_and_no_marks_around_it(text: str, form: str) -> None:
    assert spoken_form(text) == form


@given(st.text())
def test_the_spoken_form_is_its_own(text: str) -> None:
    assert spoken_form(spoken_form(text)) == spoken_form(text)
