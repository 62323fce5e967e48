from __future__ import annotations

import pytest

from vivavoce.text.plurals import plural, plurals


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


def test_a_language_without_rules_has_none() -> None:
    assert plural("Konto", "de") is None


def test_known_forms_decide() -> None:
    assert plurals("mão", "pt")[0] == "mões"
    assert plural("mão", "pt", {"mão", "mãos"}) == "mãos"
    assert plural("transferir", "pt", {"transferir", "transfere"}) is None
    assert plural("neologismo", "pt", {"neologismo"}) == "neologismos"
