from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.legs.values import Word
from vivavoce.providers.following import following


def said(text: str, *, start_ms: float = 0.0, word_ms: float = 300.0) -> list[Word]:
    return [Word(w, start_ms + n * word_ms, start_ms + (n + 1) * word_ms) for n, w in enumerate(text.split())]


def texts(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


@st.composite
def speech(draw: st.DrawFn) -> list[Word]:
    """Words of few kinds, so that many are repeated, with pauses between them."""
    at_ms = 0.0
    words = []
    for text in draw(st.lists(st.sampled_from(["no", "yes", "I", "I", "the"]), min_size=1, max_size=30)):
        at_ms += draw(st.sampled_from([0.0, 0.0, 40.0, 400.0]))
        length_ms = draw(st.floats(120.0, 500.0))
        words.append(Word(text, at_ms, at_ms + length_ms))
        at_ms += length_ms
    return words


@given(words=speech(), data=st.data())
def test_any_split_and_any_overlap_give_every_word_once(words: list[Word], data: st.DataObject) -> None:
    split = data.draw(st.integers(0, len(words)))
    again_ms = words[split - 1].end_ms - 1500.0 if split else 0.0
    begin = (
        data.draw(st.integers(next(n for n, w in enumerate(words) if w.start_ms >= again_ms), split)) if split else 0
    )
    shift_ms = data.draw(st.floats(-50.0, 50.0))
    heard = [Word(w.text.upper(), w.start_ms + shift_ms, w.end_ms + shift_ms) for w in words[begin:]]

    assert texts(following(heard, words[begin:split])).lower() == texts(words[split:]).lower()


def test_without_settled_words_all_are_new() -> None:
    assert texts(following(said("a b"), [])) == "a b"


def test_words_that_a_speaker_repeats_stay_repeated() -> None:
    words = said("no no no never")
    assert texts(following(words, words[:1])) == "no no never"
    assert texts(following(words[1:], words[:2])) == "no never"


@pytest.mark.parametrize(
    ("settled", "heard", "new"),
    [
        ("I scream", "ice cream now", "now"),
        ("we need four candles", "need fork handles please", "please"),
        ("it costs 20 dollars", "costs twenty dollars today", "today"),
    ],
)
def test_what_was_settled_otherwise_is_not_said_again(settled: str, heard: str, new: str) -> None:
    before = said(settled)
    offset = len(settled.split()) - len(heard.split()) + len(new.split())
    assert texts(following(said(heard, start_ms=300.0 * offset), before)) == new


def test_the_beginning_of_a_replay_may_be_garbled() -> None:
    settled = said("the quick brown fox")
    heard = [Word("own", 660.0, 900.0), Word("fox,", 905.0, 1200.0), Word("jumps", 1210.0, 1500.0)]
    assert texts(following(heard, settled)) == "jumps"


def test_punctuation_and_case_do_not_matter() -> None:
    assert texts(following(said("Hello, there. Friend"), said("hello there"))) == "Friend"
