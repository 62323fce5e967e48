from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.text.agreement import agreeing, is_feminine


@pytest.mark.parametrize(
    ("language", "before", "noun", "expected"),
    [
        ("en", "This is a ", "account", "This is an "), ("en", "An ", "car", "A "), ("en", "a ", "user", "a "),
        ("en", "a ", "umbrella", "an "), ("fr", "l'", "voiture", "la "), ("fr", "L’", "invitation", "L’"),
        ("fr", "de l'", "message", "du "), ("fr", "du ", "appareil", "de l'"), ("fr", "sa ", "adresse", "son "),
        ("es", "presionando el ", "tecla de número", "presionando la "), ("es", "del ", "tecla", "de la "),
        ("es", "a la ", "servidor", "al "), ("pt", "As ", "cadastros", "Os "), ("pt", "no ", "caixa postal", "na "),
        ("pt", "o ", "sistema", "o "), ("pt", "a ", "chave", "a "), ("pt", "embora ", "conta", "embora "),
        ("it", "il ", "operatore", "l'"), ("it", "dell'", "casella", "della "), ("ca", "el ", "extensió", "l'"),
        ("pt", "", "conta", ""), ("de", "der ", "Frau", "der "), ("fr", "le ", "", "le "),
    ],
)  # fmt: skip
def test_the_word_before_a_noun_agrees_with_it(language: str, before: str, noun: str, expected: str) -> None:
    assert agreeing(before, noun, language) == expected


@settings(deadline=None)
@given(st.text(), st.text(), st.sampled_from(["en", "pt", "es", "fr", "it", "ca", "de"]))
def test_agreeing_twice_is_agreeing_once(before: str, noun: str, language: str) -> None:
    once = agreeing(before, noun, language)
    assert agreeing(once, noun, language) == once


@pytest.mark.parametrize(
    ("noun", "feminine"), [("mão de obra", True), ("mapa", False), ("Maria", None), ("chave", None), ("", None)]
)
def test_genders(noun: str, feminine: bool | None) -> None:
    assert is_feminine(noun, "pt") is feminine
