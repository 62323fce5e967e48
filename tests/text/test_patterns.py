"""Phrases are found as words of their own, and what has its stem where a pattern says so."""

from __future__ import annotations

import pytest

from vivavoce.text.patterns import pattern_of, places, standing, tokens


def test_places_of_a_phrase() -> None:
    assert places("conta corrente", "A Conta-corrente, conta") == [(2, 16)]
    assert places("", "x") == []


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("mail", "Send an e-mail."), ("art", "state-of-the-art"), ("check", "the check-in desk"),
        ("Jean", "Jean-Pierre"),
        ("account", "a non-account holder"), ("le", "donne-le-moi"), ("vous", "Rendez-vous demain"),
        ("conta", "Conta-me"),
        ("3", "3.5 percent"), ("5", "10.5"), ("1", "1,000"), ("10", "10:30"), ("Model 3", "Model 3.5"),
        ("T", "I can't"),
        ("Don", "Don't go"), ("can", "I can't"), ("won", "I won’t"), ("will", "he'll"), ("ll", "he'll"), ("s", "it's"),
        ("l", "l'appel"), ("hui", "aujourd'hui"), ("aujourd", "aujourd'hui"), ("net", "www.asp.net"),
        ("com", "see example.com now"), ("example", "bob@example.com"), ("c", "c++ and C#"), ("Brien", "O'Brien"),
    ],
)  # fmt: skip
def test_parts_of_words_are_no_words(phrase: str, text: str) -> None:
    assert places(phrase, text) == []


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("e-mail", "an e mail"), ("account", "the account's owner"), ("appel", "l'appel"), ("elenco", "nell’elenco"),
        ("account", "'account'"), ("account", "account."), ("account", "account/bank"), ("C++", "C++, too"),
        (".NET", "on .NET"), ("AT&T", "AT&T's plan"), ("口座", "銀行口座を"), ("heat pump", "heat-pump"),
    ],
)  # fmt: skip
def test_words_beside_signs_are_words(phrase: str, text: str) -> None:
    assert len(places(phrase, text)) == 1


def test_what_stands_somewhere_may_be_part_of_a_hyphenated_word() -> None:
    patterns = [(pattern_of("bomba"), 1), (pattern_of("bomba de calor"), 2)]
    assert list(standing(tokens("bomba-relógio, bomba de calor"), patterns)) == [1, 2]


@pytest.mark.parametrize(
    ("text", "there"), [("Verträge", True), ("Hausvertrag", True), ("Vertretung", False), ("Vertrag", True)]
)
def test_stems(text: str, there: bool) -> None:
    assert bool(list(standing(tokens(text), [(pattern_of("Vertrag", stems=True), 1)]))) is there
