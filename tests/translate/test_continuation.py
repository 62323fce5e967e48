from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.translate.continuation import continuation


@pytest.mark.parametrize(
    ("spoken", "whole", "rest"),
    [
        ("Quando parou de chover,", "Quando parou de chover, eles foram para casa.", "eles foram para casa."),
        ("quando parou de chover", "Quando parou de chover eles foram embora.", "eles foram embora."),
        # One word fewer was said; the end still corresponds.
        ("Quando a chuva parou,", "Quando chuva parou, eles foram embora.", "eles foram embora."),
    ],
)
def test_the_rest_of_a_sentence_follows_what_was_spoken(spoken: str, whole: str, rest: str) -> None:
    assert continuation(spoken, whole) == rest


@pytest.mark.parametrize(
    ("spoken", "whole"),
    [
        ("Quando parou de chover,", "Eles foram para casa depois da chuva."),
        ("Quando parou de chover,", "Quando parou de nevar, eles foram para casa."),
        ("Quando parou de chover,", "Quando parou de chover,"),
        ("Quando parou de chover,", ""),
        ("", "Eles foram para casa."),
    ],
)
def test_where_they_do_not_correspond_there_is_none(spoken: str, whole: str) -> None:
    assert continuation(spoken, whole) is None


def test_a_chance_match_far_away_is_none() -> None:
    assert continuation("o rio azul", "o rio azul que ele viu era azul" * 3) is not None
    assert continuation("a b c", "a b x x x x x x x c d") is None


words = st.lists(st.sampled_from(["um", "dois", "três", "quatro", "cinco"]), min_size=1, max_size=8)


@given(spoken=words, rest=st.lists(st.sampled_from(["seis", "sete", "oito"]), min_size=1, max_size=8))
def test_a_sentence_that_begins_as_spoken_gives_exactly_its_rest(spoken: list[str], rest: list[str]) -> None:
    assert continuation(" ".join(spoken), " ".join(spoken + rest)) == " ".join(rest)


@given(spoken=words, whole=words)
def test_it_is_always_an_end_of_the_whole(spoken: list[str], whole: list[str]) -> None:
    rest = continuation(" ".join(spoken), " ".join(whole))
    assert rest is None or (rest and " ".join(whole).endswith(rest))
