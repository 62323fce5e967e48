from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.phrases import phrases, spoken_form
from vivavoce.translate.layout import lay_out

TEXTS = [
    ("en", "The boy ran there to see the house of his father, but the door was closed and nobody answered."),
    ("pt", "O rapaz correu para ver a casa do pai, mas a porta estava fechada e ninguém respondeu aos seus gritos."),
    ("es", "El chico corrió para ver la casa de su padre, pero la puerta estaba cerrada y nadie respondió."),
    ("fr", "Le garçon courut pour voir la maison de son père, mais la porte était fermée et personne ne répondit."),
    ("it", "Il ragazzo corse per vedere la casa del padre, ma la porta era chiusa e nessuno rispose alle sue grida."),
    ("ca", "El noi va córrer per veure la casa del pare, però la porta era tancada i ningú no va respondre."),
]


@given(text=st.text(alphabet=st.sampled_from("abc é.,!  \n"), max_size=300), width=st.integers(5, 42))
def test_every_word_stays_and_no_line_is_too_long(text: str, width: int) -> None:
    blocks = lay_out(text, language="pt", line_characters=width)
    assert all(1 <= len(block) <= 2 for block in blocks)
    assert all(0 < len(line) <= width for block in blocks for line in block)
    assert "".join("".join(block) for block in blocks).replace(" ", "") == "".join(text.split())


@pytest.mark.parametrize(("language", "text"), TEXTS)
def test_lines_do_not_end_on_an_article_or_preposition(language: str, text: str) -> None:
    lines = [line for block in lay_out(text, language=language) for line in block]
    assert len(lines) > 1
    table = phrases(language)
    assert not [line for line in lines[:-1] if spoken_form(line.split()[-1]) in table.holds | table.negations]


def test_a_line_breaks_after_the_clause_rather_than_where_it_is_full() -> None:
    assert lay_out("When the rain stopped, they walked home together", language="en") == [
        ("When the rain stopped,", "they walked home together")
    ]


def test_subtitles_break_between_sentences() -> None:
    blocks = lay_out(
        "Nobody in the village knew him. He had come on foot from the mountains and asked for bread and water.",
        language="en",
    )
    assert blocks[0] == ("Nobody in the village knew him.",)


def test_a_short_text_is_one_line() -> None:
    assert lay_out("Good morning, how are you?", language="en") == [("Good morning, how are you?",)]


def test_no_text_gives_no_subtitle() -> None:
    assert lay_out("  \n ", language="en") == []


def test_a_word_longer_than_a_line_is_broken() -> None:
    assert lay_out("x" * 50 + " end", language="en") == [("x" * 42, "x" * 8 + " end")]
