from __future__ import annotations

import numpy as np
import pytest

from vivavoce.evals.scores import (
    Said,
    chrf,
    chrf_counts,
    chrf_of,
    erasure,
    has_accents,
    match_words,
    normalised,
    normalised_pairs,
    word_errors,
)
from vivavoce.legs.values import Clause, Word
from vivavoce.translate.events import Event, Heard, Translated

pytest.importorskip("jiwer", reason="the group eval is not installed")


def _words(text: str) -> tuple[Word, ...]:
    return tuple(Word(word, 100.0 * i, 100.0 * i + 90) for i, word in enumerate(text.split()))


def _heard(settled: str, tail: str = "", *, utterance: int = 1) -> Heard:
    return Heard(utterance, _words(settled), _words(tail), 0, 0.0)


def test_word_errors_are_counted_over_all_pairs() -> None:
    found = word_errors([("a b c d", "a x c"), ("e f", "e f g"), ("", "nothing to compare with")])
    assert found is not None
    assert (found.words, found.substitutions, found.deletions, found.insertions) == (6, 1, 1, 1)
    assert found.rate == pytest.approx(50.0)
    assert word_errors([("", "x")]) is None


def test_spelling_is_no_error() -> None:
    assert normalised("It's Mr. Smith's colour: twenty dollars!", language="en") == normalised(
        "it is mister Smith's color $20", language="en"
    )
    assert normalised("¿Está aquí?", language="es") == "está aquí"
    assert normalised("¿Está aquí?", language="es", accents=False) == "esta aqui"
    assert has_accents("señor")
    assert not has_accents("Esta a punto")


def test_chrf_is_sacrebleus() -> None:
    assert chrf([("o gato dorme", "o gato dorme")]) == pytest.approx(100.0)
    part = chrf([("o gato dorme", "o gato corre")])
    assert part is not None
    assert 30 < part < 90
    assert chrf([("", "sem referência")]) is None


def test_counts_of_chrf_add_up_to_sacrebleus_corpus_score() -> None:
    pairs = [
        ("O gato (preto) dorme, e bem.", "O gato preto está a dormir!"),
        ("Sim.", "Não"),
        ("Onde fica a estação?", ""),
        ("“Aqui” – diz ela", "aqui, diz ela..."),
    ]
    for word_order in (0, 2):
        counts = np.array([chrf_counts(*pair, word_order=word_order) for pair in pairs])
        assert chrf_of(counts.sum(axis=0)[None])[0] == pytest.approx(chrf(pairs, word_order=word_order), abs=1e-9)
        each = [chrf([pair], word_order=word_order) for pair in pairs]
        assert chrf_of(counts) == pytest.approx(each, abs=1e-9)


def test_accents_are_left_out_by_language_and_register() -> None:
    typed = Said(language="es", register="prompt", reference="Esta aqui", text="Está aquí")
    written = Said(language="es", register="lecture", reference="Está aquí", text="Esta aquí")
    assert normalised_pairs([typed, written]) == [("esta aqui", "esta aqui"), ("está aquí", "esta aquí")]


def test_words_are_matched_in_order_whatever_their_case_and_punctuation() -> None:
    assert match_words(["the", "cat", "sat", "down"], ["The,", "big", "cat", "down."]) == [(0, 0), (1, 2), (3, 3)]
    assert match_words(["—", "yes"], ["-", "Yes!"]) == [(0, 0), (1, 1)]
    assert match_words([], ["yes"]) == []


def test_nothing_is_erased_while_the_tail_only_grows() -> None:
    found = erasure([_heard("", "we"), _heard("we", "go"), _heard("we go home")])
    assert (found.committed, found.visible, found.words) == (0, 0, 3)


def test_a_tail_may_change_and_that_is_counted_as_visible() -> None:
    found = erasure([_heard("we", "goat homes"), _heard("we", "go home now"), _heard("we go home now")])
    assert (found.committed, found.visible, found.words) == (0, 2, 4)
    assert found.normalised == pytest.approx(0.5)


def test_settled_words_that_change_or_vanish_are_counted() -> None:
    events: list[Event] = [_heard("we go"), _heard("we went home"), _heard("we"), _heard("other", utterance=2)]
    assert erasure(events).committed == 1 + 2


def test_a_line_that_is_told_anew_is_counted() -> None:
    def line(text: str) -> Translated:
        return Translated(1, 1, Clause("we go home", 0.0, 900.0), text, "en", True, 0.0)

    assert erasure([line("vamos para casa"), line("vamos para o lar")]).committed == 1
    assert erasure([line("vamos"), line("vamos")]).committed == 0
