from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.providers.sentences import one_line, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Hello", ["Hello"]),
        ("Hello. How are you? Fine!", ["Hello.", "How are you?", "Fine!"]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("Mr. Smith met Dr. J. Doe.", ["Mr. Smith met Dr. J. Doe."]),
        ("It is 5 p.m. or so.", ["It is 5 p.m. or so."]),
        ("It costs 12.50 dollars.", ["It costs 12.50 dollars."]),
        ("Wait... what?", ["Wait... what?"]),
        ("¿Qué? ¡No!", ["¿Qué?", "¡No!"]),
    ],
)
def test_sentences_end_where_they_end(text: str, expected: list[str]) -> None:
    assert list(sentences(text, longest_words=40)) == expected


def test_a_long_sentence_is_cut_at_its_last_comma() -> None:
    words = [f"w{i}" for i in range(12)]
    words[6] += ","
    assert [piece.split()[0] for piece in sentences(" ".join(words), longest_words=10)] == ["w0", "w7"]


@given(st.text(max_size=300), st.integers(2, 12))
def test_nothing_is_lost_and_no_piece_is_too_long(text: str, longest: int) -> None:
    pieces = list(sentences(text, longest_words=longest))
    assert "".join("".join(pieces).split()) == "".join(one_line(text).split())
    assert all(0 < len(piece.split()) <= longest for piece in pieces)


@given(st.text(st.characters(), max_size=100))
def test_one_line_is_printable_and_encodable(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert line.encode().decode() == line
    assert one_line(line) == line
