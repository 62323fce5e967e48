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
    assert once is None or agreeing(once, noun, language) == once


@pytest.mark.parametrize(
    ("language", "before", "noun"),
    [
        ("fr", "l'", "hébergement"), ("fr", "une ", "image"), ("fr", "la ", "page d'accueil"), ("fr", "le ", "silence"),
        ("fr", "mon ", "compte"), ("fr", "le ", "haut-parleur"), ("fr", "de ", "onze"), ("fr", "le ", "musée"),
        ("es", "el ", "agua"), ("es", "esta ", "agua"), ("es", "la ", "señal"), ("es", "el ", "clima"),
        ("es", "la ", "razón social"), ("es", "la ", "foto"), ("es", "la ", "crema"), ("es", "el ", "guardia"),
        ("pt", "o ", "clima"), ("pt", "a ", "soma"), ("pt", "o ", "coração"), ("pt", "a ", "capital"),
        ("pt", "o ", "guarda-chuva"), ("it", "il ", "cliente"), ("it", "la ", "mano"), ("it", "il ", "problema"),
        ("it", "le ", "reti"), ("it", "il ", "codice"), ("it", "il ", "server"), ("it", "gli ", "utenti"),
        ("en", "an ", "hour"), ("en", "an ", "SMS"), ("en", "a ", "UFO"), ("en", "an ", "HTML page"),
        ("en", "a ", "LAN"),
        ("en", "a ", "one-off"), ("en", "an ", "X-ray"), ("en", "an ", "MP3 player"), ("en", "a ", "URL"),
        ("en", "an ", "uninstall"), ("en", "a ", "unit"), ("de", "der ", "Frau"),
    ],
)  # fmt: skip
def test_what_is_right_or_not_known_stays(language: str, before: str, noun: str) -> None:
    assert agreeing(before, noun, language) == before


@pytest.mark.parametrize(
    ("language", "before", "noun", "expected"),
    [
        ("es", "la ", "agua", "el "), ("es", "de la ", "área de juego", "del "), ("it", "il ", "studente", "lo "),
        ("it", "i ", "utenti", "gli "), ("it", "un ", "zaino", "uno "), ("it", "gli ", "conti", "i "),
        ("fr", "le ", "hébergement", "l'"), ("fr", "ce ", "abonnement", "cet "), ("fr", "mon ", "clé", "ma "),
        ("en", "a ", "hour", "an "), ("en", "a ", "SMS", "an "), ("en", "an ", "UFO", "a "),
        ("es", "La ", "clima", "El "),
        ("pt", "à ", "contrato", "ao "),
    ],
)  # fmt: skip
def test_what_is_sure_is_changed(language: str, before: str, noun: str, expected: str) -> None:
    assert agreeing(before, noun, language) == expected


@pytest.mark.parametrize(
    ("language", "before", "noun"),
    [("it", "l'", "studente"), ("fr", "de l'", "tour"), ("pt", "sujeito a ", "contrato")],
)
def test_what_would_have_to_be_guessed_is_none(language: str, before: str, noun: str) -> None:
    assert agreeing(before, noun, language) is None


def test_a_preposition_is_no_article() -> None:
    assert agreeing("abra a ", "contrato", "pt", article=True) == "abra o "
    assert agreeing("sujeito a ", "multa", "pt") == "sujeito a "


@pytest.mark.parametrize(
    ("noun", "feminine"), [("mão de obra", True), ("mapa", False), ("Maria", None), ("cliente", None), ("", None)]
)
def test_genders(noun: str, feminine: bool | None) -> None:
    assert is_feminine(noun, "pt") is feminine
