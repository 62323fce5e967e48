from __future__ import annotations

import sys

import pytest

from vivavoce.text.lemmas import forms_of


def test_forms_of_words() -> None:
    pytest.importorskip("simplemma")
    forms = forms_of(["Casella", "conferenza", "zzzz"], "it")
    assert forms == {"casella": {"casella", "caselle"}, "conferenza": {"conferenza", "conferenze"}, "zzzz": {"zzzz"}}


def test_a_language_without_a_dictionary_has_the_word_alone() -> None:
    assert forms_of(["word"], "xx") == {"word": {"word"}}
    assert forms_of([], "xx") == {}


def test_without_the_package_a_word_has_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simplemma.strategies.dictionaries", None)
    assert forms_of(["quokka"], "en") == {"quokka": {"quokka"}}
