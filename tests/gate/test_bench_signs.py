"""What is planted in translations that are taken for sound, and what is counted of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from vivavoce.evals.clips import Clip
from vivavoce.gate.bench_signs import PLANTS, Rendering, of_engines, of_people, signs_figures
from vivavoce.gate.run import ClauseRun, MtAlone, Run

pytest.importorskip("text_to_num", reason="the group eval is not installed")

TRAIN = Rendering(
    "en", "pt", "The last train leaves from platform seven.", "O último trem sai da plataforma número sete."
)
RAIN = Rendering("en", "pt", "It has been raining since Monday, bring a coat.", "Chove desde segunda, traga um casaco.")
OTHERS = ["Ninguém respondeu à carta."]


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("a sentence more", "O último trem sai da plataforma número sete. Ninguém respondeu à carta."),
        ("a sentence more, behind a comma", "O último trem sai da plataforma número sete, ninguém respondeu à carta."),
    ],
)
def test_another_sentence_is_added(name: str, planted: str) -> None:
    assert PLANTS[name](TRAIN, OTHERS, random.Random(1)) == planted
    assert PLANTS[name](TRAIN, [], random.Random(1)) is None


def test_last_words_are_said_again() -> None:
    planted = PLANTS["its last words again"](TRAIN, OTHERS, random.Random(1))
    assert planted is not None
    words, again = TRAIN.translation.split(), planted.split()
    assert again[: len(words)] == words
    assert again[len(words) :] == words[len(words) - len(again) :]
    assert PLANTS["its last words again"](replace(TRAIN, translation="Sim, sim."), OTHERS, random.Random(1)) is None


def test_a_number_becomes_another_whether_in_words_or_digits() -> None:
    number = PLANTS["another number"]
    planted = number(TRAIN, OTHERS, random.Random(1))
    assert planted is not None
    assert planted.startswith("O último trem sai da plataforma número ")
    assert not planted.endswith((" 7.", " sete."))
    assert number(replace(TRAIN, translation="Plataforma 7."), OTHERS, random.Random(1)) != "Plataforma 7."
    assert number(RAIN, OTHERS, random.Random(1)) is None
    assert number(replace(TRAIN, translation="Trem " + "7" * 5000), OTHERS, random.Random(1)) is None


def test_shares_are_of_what_was_planted_and_always_the_same() -> None:
    free = replace(RAIN, translation=f"{RAIN.translation} Aqui chove muito no inverno, todos os anos.")
    figures = signs_figures({"engines": [TRAIN, RAIN], "people": [free], "nobody": []})
    assert figures["sound"] == {
        "engines": {"n": 2, "flagged": 0, "share": 0.0, "by_sign": {}},
        "people": {"n": 1, "flagged": 1, "share": 100.0, "by_sign": {"sentence": 1}},
        "nobody": {"n": 0, "flagged": 0, "share": None, "by_sign": {}},
    }
    planted = figures["planted"]
    assert planted.keys() == PLANTS.keys()
    assert planted["a sentence more"]["n"] == 2, "what has a sign without it tells nothing"
    assert (planted["another number"]["n"], planted["another number"]["by_sign"]) == (1, {"numbers": 1})
    assert figures == signs_figures({"engines": [TRAIN, RAIN], "people": [free], "nobody": []})


def test_renderings_are_of_engines_and_of_people_both_ways(a_run: Callable[..., Run]) -> None:
    clause = ClauseRun(text=TRAIN.text, translation=TRAIN.translation, start_ms=0.0, end_ms=0.0, shown_ms=1.0)
    alone = MtAlone(
        id="a", pair="en-pt", register="lecture", reference_translation="", terms={}, control={},
        sentences=(clause, replace(clause, translation="")),
    )  # fmt: skip
    assert of_engines(a_run(mt=(alone,))) == [TRAIN]
    clip = Clip("a", "a.wav", "en", TRAIN.text, 1.0, references={"pt": TRAIN.translation}, target="pt")
    back = Rendering("pt", "en", TRAIN.translation, TRAIN.text)
    assert of_people([clip, replace(clip, id="b"), replace(clip, references={})]) == [TRAIN, back]
