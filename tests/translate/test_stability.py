from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from vivavoce.legs.values import Word
from vivavoce.translate.stability import Agreement


def timed(text: str, start_ms: float = 0) -> list[Word]:
    return [Word(word, start_ms + 300 * n, start_ms + 300 * (n + 1)) for n, word in enumerate(text.split())]


def texts(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def test_the_first_hypothesis_settles_nothing() -> None:
    assert Agreement(edge_ms=100).settled(timed("the old man"), heard_until_ms=2000) == ()


def test_what_two_begin_with_alike_is_settled() -> None:
    agreement = Agreement(edge_ms=100)
    agreement.settled(timed("the old man went"), heard_until_ms=1300)
    assert texts(agreement.settled(timed("the old men went home"), heard_until_ms=1900)) == "the old"


def test_the_newest_word_is_never_settled() -> None:
    agreement = Agreement(edge_ms=0)
    agreement.settled(timed("the old man"), heard_until_ms=5000)
    assert texts(agreement.settled(timed("the old man"), heard_until_ms=5000)) == "the old"


def test_a_word_at_the_edge_of_the_sound_is_not_settled() -> None:
    agreement = Agreement(edge_ms=100)
    agreement.settled(timed("the old man went"), heard_until_ms=680)
    assert texts(agreement.settled(timed("the old man went"), heard_until_ms=680)) == "the"


def test_case_does_not_matter_but_punctuation_before_open_words_does() -> None:
    agreement = Agreement(edge_ms=0)
    agreement.settled(timed("the old man, he went"), heard_until_ms=5000)
    assert texts(agreement.settled(timed("The Old man he went"), heard_until_ms=5000)) == "The Old man he"
    agreement.reset()
    agreement.settled(timed("the old man, but"), heard_until_ms=5000)
    assert texts(agreement.settled(timed("the old man. Then he"), heard_until_ms=5000)) == "the old"


def test_words_that_were_open_count_as_the_hypothesis_before() -> None:
    agreement = Agreement(edge_ms=0)
    agreement.settled(timed("a b c"), heard_until_ms=5000)
    agreement.settled(timed("a b c d"), heard_until_ms=5000)
    assert texts(agreement.settled(timed("d e f", 900), heard_until_ms=5000)) == "d"


def test_a_word_that_wavers_is_settled_once_it_is_long_past() -> None:
    agreement = Agreement(edge_ms=100, certain_ms=1000)
    agreement.settled(timed("the 9 old men"), heard_until_ms=1300)
    assert texts(agreement.settled(timed("the nine old men went"), heard_until_ms=1600)) == "the"
    assert texts(agreement.settled(timed("9 old men went home again", 300), heard_until_ms=2200)) == "9 old"


def test_after_a_reset_nothing_is_remembered() -> None:
    agreement = Agreement(edge_ms=0)
    agreement.settled(timed("a b c"), heard_until_ms=5000)
    agreement.reset()
    assert agreement.settled(timed("a b c"), heard_until_ms=5000) == ()


@given(st.lists(st.lists(st.sampled_from("ab,"), min_size=1, max_size=8), min_size=1, max_size=12))
def test_settled_words_are_a_beginning_of_both_hypotheses(hypotheses: list[list[str]]) -> None:
    agreement = Agreement(edge_ms=0)
    committed = 0
    before: list[str] = []
    for hypothesis in hypotheses:
        words = timed(" ".join(hypothesis))[committed:]
        settled = agreement.settled(words, heard_until_ms=1e9)
        assert texts(settled).split() == hypothesis[committed : committed + len(settled)]
        assert len(settled) < max(1, len(words))
        assert hypothesis[committed : committed + len(settled)] == before[committed : committed + len(settled)]
        committed += len(settled)
        before = hypothesis
