from __future__ import annotations

import pytest

from vivavoce.text.nouns import bare, begins, is_noun, knows_nouns, with_article
from vivavoce.text.patterns import tokens


@pytest.mark.parametrize(
    ("language", "text", "many", "noun"),
    [
        ("es", "Me cuenta", False, False), ("es", "la cuenta", False, True), ("es", "ella la cuenta", False, False),
        ("es", "de las cuentas", True, True), ("es", "las cuenta", False, False), ("pt", "Ele conta", False, False),
        ("pt", "que a conta", False, True), ("pt", "o primeiro chefe", False, True),
        ("pt", "os primeiro", False, False),
        ("fr", "Merci pour l'abonnement", False, True), ("fr", "je l'appelle", False, False),
        ("fr", "Le prochain tour", False, True), ("it", "nell'elenco", False, True), ("it", "Lui porta", False, False),
        ("ca", "l'extensió", False, True), ("en", "a red bike", False, True), ("en", "the leads lead", False, False),
        ("en", "he (the boss", False, True), ("en", "state-of-the-art", False, False), ("en", "boss", False, False),
        ("de", "die Rechnung", False, False),
    ],
)  # fmt: skip
def test_the_word_before_tells_a_noun(language: str, text: str, many: bool, noun: bool) -> None:
    words = tokens(text)
    assert is_noun(words, len(words) - 1, language, many=many) is noun


def test_sentences_begin() -> None:
    words = tokens("Yes. ¿Cuenta? no")
    assert [begins(words, at) for at, word in enumerate(words) if not word.sign] == [True, True, True]
    assert not begins(tokens("a b"), 1)


def test_languages() -> None:
    assert knows_nouns("pt")
    assert not knows_nouns("de")


@pytest.mark.parametrize(
    ("phrase", "language", "expected"),
    [
        ("The accounts.", "en", "accounts"),
        ("l'ordinateur", "fr", "ordinateur"),
        ("«a conta»", "pt", "conta"),
        ("A", "en", "A"),
        ("...", "en", ""),
    ],
)
def test_bare_phrases(phrase: str, language: str, expected: str) -> None:
    assert bare(phrase, language) == expected


def test_a_phrase_begins_with_its_article() -> None:
    assert with_article("in the house", 7, "en") == 3
    assert with_article("in that house", 8, "en") == 8
