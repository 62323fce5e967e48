from __future__ import annotations

import pytest

from vivavoce.text.plurals import has_plurals, irregulars, plural, plurals


@pytest.mark.parametrize(
    ("language", "phrase", "expected"),
    [
        ("en", "account", "accounts"), ("en", "city", "cities"), ("en", "key", "keys"), ("en", "mailbox", "mailboxes"),
        ("en", "heat pump", "heat pumps"), ("pt", "conta", "contas"), ("pt", "ramal", "ramais"),
        ("pt", "extensão", "extensões"), ("pt", "homem", "homens"), ("pt", "bomba de calor", "bombas de calor"),
        ("pt", "conta corrente", "contas correntes"), ("es", "buzón", "buzones"), ("es", "red", "redes"),
        ("es", "voz", "voces"), ("es", "lunes", "lunes"), ("fr", "journal", "journaux"), ("fr", "réseau", "réseaux"),
        ("fr", "messagerie d'entreprise", "messageries d'entreprise"), ("it", "casella", "caselle"),
        ("it", "messaggio", "messaggi"), ("it", "città", "città"), ("it", "banca", "banche"),
        ("ca", "xarxa", "xarxes"), ("gl", "rede", "redes"),
    ],
)  # fmt: skip
def test_regular_plurals(language: str, phrase: str, expected: str) -> None:
    assert plural(phrase, language) == expected


@pytest.mark.parametrize("phrase", ["IVR", "MP3", "x", "", "AT&T", "4K"])
def test_what_has_no_plural(phrase: str) -> None:
    assert plurals(phrase, "en") == ()


@pytest.mark.parametrize(
    ("language", "word", "expected"), [("en", "mouse", "mice"), ("pt", "pão", "pães"), ("it", "uomo", "uomini")]
)
def test_irregular_plurals(language: str, word: str, expected: str) -> None:
    assert plurals(word, language) == (expected,)
    assert expected in irregulars(language)


@pytest.mark.parametrize(
    ("language", "phrase"), [("pt", "transferir"), ("es", "iniciar sesión"), ("it", "pagare"), ("en", "new")]
)
def test_what_may_be_a_verb_or_another_word_has_no_plural(language: str, phrase: str) -> None:
    assert plural(phrase, language) is None


def test_what_has_more_forms_than_a_noun_has_no_plural() -> None:
    assert plural("mujer", "es", {"mujer", "mujeres"}) == "mujeres"
    assert plural("plan", "es", {f"plan{n}" for n in range(20)} | {"plan", "planes"}) is None


def test_a_language_without_rules_has_none() -> None:
    assert plural("Konto", "de") is None
    assert has_plurals("pt")
    assert not has_plurals("de")


def test_known_forms_decide() -> None:
    assert plurals("vulcão", "pt")[0] == "vulcões"
    assert plural("vulcão", "pt", {"vulcão", "vulcãos"}) == "vulcãos"
    assert plural("transferir", "pt", {"transferir", "transfere"}) is None
    assert plural("neologismo", "pt", {"neologismo"}) == "neologismos"
