from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.legs.values import Word
from vivavoce.translate.clauses import CutSettings, cut

EAGER = CutSettings(
    sentence_ms=0,
    clause_ms=0,
    phrase_ms=0,
    anywhere_ms=0,
    hungry_ms=1e9,
    longest_ms=1e9,
    overlong_ms=0,
    patience_ms=0,
    min_words=1,
)
STAGED = replace(EAGER, sentence_ms=900, clause_ms=1400, phrase_ms=2000, anywhere_ms=5000, min_words=2)

WHOLE = {
    "en": [
        "two hundred and fifty people",
        "twenty-five thousand euros",
        "3.5 million dollars",
        "50 % of",
        "three point five percent",
        "did not come",
        "doesn't know",
        "never again",
        "without money",
        "New York City",
        "Leonardo da Vinci",
        "Bank of England",
        "J. K. Rowling",
        "Dr. Martin Luther King",
        "Mrs. Smith",
        "the house",
    ],
    "pt": [
        "duzentos e cinquenta mil",
        "vinte e cinco pessoas",
        "3,5 milhões",
        "não sabe",
        "nunca mais",
        "nenhum homem",
        "Rio de Janeiro",
        "Vasco da Gama",
        "Sr. Silva",
        "da casa",
    ],
    "es": [
        "doscientos cincuenta mil",
        "veinticinco mil personas",
        "treinta y dos",
        "no sabe",
        "sin dinero",
        "Ciudad de México",
        "Sra. García",
        "el niño",
    ],
    "fr": [
        "vingt-cinq mille",
        "quatre-vingt-dix ans",
        "deux cents francs",
        "il ne sait pas",
        "il n'est jamais venu",
        "il ne dit rien",
        "Charles de Gaulle",
        "la maison",
    ],
    "it": [
        "duecento cinquanta lire",
        "ventitré milioni",
        "tre virgola cinque",
        "non sa",
        "senza soldi",
        "Leonardo da Vinci",
        "della casa",
    ],
    "ca": [
        "vint-i-cinc mil",
        "dos-cents cinquanta",
        "no sap",
        "mai més",
        "Palma de Mallorca",
        "la casa",
    ],
}
EXAMPLES = [(language, phrase) for language, rows in WHOLE.items() for phrase in rows]


def timed(text: str, word_ms: float = 300) -> list[Word]:
    return [Word(word, n * word_ms, (n + 1) * word_ms) for n, word in enumerate(text.split())]


def cut_here(words: Sequence[Word], at: int, language: str) -> bool:
    """Whether it may be cut after `at` words and nowhere else."""
    settings = replace(EAGER, min_words=at)
    return cut(words[:at], words[at:], language=language, backlog_ms=0, settings=settings) == at


@pytest.mark.parametrize(("language", "phrase"), EXAMPLES)
def test_numbers_names_and_negations_stay_whole(language: str, phrase: str) -> None:
    words = timed(f"filler {phrase} filler")
    assert not [at for at in range(2, len(words) - 1) if cut_here(words, at, language)]


@given(data=st.data(), language=st.sampled_from(sorted(WHOLE)))
def test_they_stay_whole_in_any_company_and_at_any_setting(data: st.DataObject, language: str) -> None:
    filler = st.sampled_from(["filler", "sala,", "verde.", "porta", "Roma"])
    pieces = data.draw(st.lists(st.one_of(filler, st.sampled_from(WHOLE[language])), min_size=2, max_size=8))
    words = timed(" ".join(pieces), word_ms=data.draw(st.integers(100, 900)))
    inside: set[int] = set()
    position = 0
    for piece in pieces:
        length = len(piece.split())
        inside.update(range(position + 1, position + length))
        position += length
    settled = data.draw(st.integers(0, len(words)))
    limits = st.floats(0, 10_000)
    settings = CutSettings(
        sentence_ms=data.draw(limits),
        clause_ms=data.draw(limits),
        phrase_ms=data.draw(limits),
        anywhere_ms=data.draw(limits),
        hungry_ms=data.draw(limits),
        longest_ms=data.draw(limits),
        overlong_ms=data.draw(limits),
        patience_ms=data.draw(limits),
        min_words=data.draw(st.integers(1, 4)),
    )
    backlog_ms = data.draw(limits)
    count = cut(words[:settled], words[settled:], language=language, backlog_ms=backlog_ms, settings=settings)
    assert 0 <= count <= settled
    assert count not in inside
    assert count == 0 or count >= settings.min_words


@pytest.mark.parametrize(
    ("text", "settled", "expected"),
    [
        ("It was late. They went home and slept", 6, 3),
        ("When it rained, they went home", 5, 3),
        ("They went home because they were tired of it", 4, 3),
        ("They went home", 2, 0),
    ],
)
def test_it_is_cut_at_the_strongest_boundary(text: str, settled: int, expected: int) -> None:
    words = timed(text)
    assert cut(words[:settled], words[settled:], language="en", backlog_ms=0, settings=STAGED) == expected


def test_the_latest_of_equal_boundaries_is_taken() -> None:
    words = timed("One came, two went, three stayed, and then more")
    settings = replace(STAGED, clause_ms=0)
    assert cut(words[:8], words[8:], language="en", backlog_ms=0, settings=settings) == 6


def test_a_weaker_boundary_takes_more_speech() -> None:
    words = timed("They went home because they were tired")
    assert cut(words[:4], words[4:], language="en", backlog_ms=0, settings=STAGED) == 3
    assert cut(words[:4], words[4:5], language="en", backlog_ms=0, settings=STAGED) == 0


def test_the_last_settled_word_alone_is_not_enough_to_judge_a_boundary() -> None:
    words = timed("It was late.")
    assert cut(words, [], language="en", backlog_ms=0, settings=EAGER) == 0
    assert cut([], words, language="en", backlog_ms=0, settings=EAGER) == 0


def test_while_the_dub_is_busy_nothing_is_cut_until_patience_ends() -> None:
    words = timed("It was late. They went home and slept")
    settings = replace(STAGED, hungry_ms=500, patience_ms=1e9)
    arguments: dict[str, Any] = {"language": "en", "backlog_ms": 600}
    assert cut(words[:6], words[6:], settings=settings, **arguments) == 0
    assert cut(words[:6], words[6:], settings=replace(settings, patience_ms=2000), **arguments) == 3


def test_what_would_keep_the_dub_busy_too_long_waits() -> None:
    words = timed("When it finally stopped raining, they went home")
    settings = replace(STAGED, longest_ms=500, overlong_ms=1e9)
    assert cut(words[:7], words[7:], language="en", backlog_ms=0, settings=settings) == 0


def test_a_language_without_rows_is_cut_at_punctuation() -> None:
    words = timed("Kiedy przestało padać, poszli do domu")
    assert cut(words[:5], words[5:], language="pl", backlog_ms=0, settings=STAGED) == 3
