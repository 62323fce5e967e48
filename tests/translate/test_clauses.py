from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.legs.values import Word
from vivavoce.translate.clauses import FLOW, Cut, CutSettings, cuts

EAGER = CutSettings(hungry_ms=1e9, longest_ms=1e9, share=0, anywhere_ms=0)
PROVEN = replace(EAGER, anywhere_ms=5000)


def places(words: Sequence[Word], settled: int, settings: CutSettings, **given: Any) -> list[int]:
    arguments: dict[str, Any] = {"language": "en", "backlog_ms": 0, **given}
    return [cut.count for cut in cuts(words[:settled], words[settled:], settings=settings, **arguments)]


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
    return places(words, at, replace(EAGER, min_words=at), language=language) == [at]


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
        hungry_ms=data.draw(limits),
        longest_ms=data.draw(limits),
        share=data.draw(st.floats(0, 2)),
        anywhere_ms=data.draw(limits),
        min_words=data.draw(st.integers(1, 4)),
    )
    found = places(words, settled, settings, language=language, backlog_ms=data.draw(limits))
    assert set(found) <= set(range(settings.min_words, settled + 1)) - inside
    assert len(found) == len(set(found))


def test_the_end_of_a_sentence_comes_first_and_needs_no_proof() -> None:
    words = timed("Rain fell hard. People stayed home and slept")
    found = cuts(words[:5], words[5:], language="en", backlog_ms=0, settings=PROVEN)
    assert found[0] == Cut(3, doubtful=False)
    assert found[1:] == [Cut(count, doubtful=True) for count in (5, 4, 2, 1)]


def test_after_long_enough_no_cut_needs_proof() -> None:
    words = timed("People went home because rain fell all day", word_ms=700)
    found = cuts(words[:4], words[4:], language="en", backlog_ms=0, settings=PROVEN)
    assert found == [Cut(count, doubtful=False) for count in (4, 3, 2, 1)]


def test_the_last_settled_word_alone_is_not_enough_to_judge_a_boundary() -> None:
    words = timed("It was late.")
    assert places(words, 3, EAGER) == []
    assert places(words, 0, EAGER) == []
    assert places(timed("They went home"), 2, replace(EAGER, min_words=3)) == []


def test_while_the_dub_is_busy_nothing_is_cut() -> None:
    words = timed("It was late. They went home and slept")
    settings = replace(EAGER, hungry_ms=500)
    assert places(words, 6, settings, backlog_ms=501) == []
    assert places(words, 6, settings, backlog_ms=500)[0] == 3


def test_what_would_keep_the_dub_busy_too_long_waits_until_much_is_pending() -> None:
    words = timed("When rain finally stopped falling, people went home")
    short = replace(EAGER, longest_ms=600)
    assert places(words, 7, short) == [2, 1]  # "When rain ", ten characters
    assert places(words, 7, short, backlog_ms=100) == [1]
    # Of 2.4 s half may be dubbed: twenty characters.
    assert places(words, 7, replace(short, share=0.5)) == [3, 2, 1]


def test_a_language_without_rows_is_cut_between_words() -> None:
    words = timed("Kiedy przestało padać, poszli do domu")
    assert places(words, 5, EAGER, language="pl") == [5, 4, 3, 2, 1]


def test_settings_go_over_into_others() -> None:
    start = CutSettings()
    assert start.towards(FLOW, 0.0) == start
    assert start.towards(FLOW, 1.0) == FLOW
    half = start.towards(FLOW, 0.5)
    assert (half.hungry_ms, half.longest_ms, half.share, half.anywhere_ms) == pytest.approx((600, 1800, 0.65, 4900))
