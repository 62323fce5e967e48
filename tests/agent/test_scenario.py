from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.agent.heard import Utterance
from vivavoce.agent.load import load_script
from vivavoce.agent.scenario import Part, load_scenario, unmet
from vivavoce.errors import ScriptError

EXAMPLE = Path(__file__).parents[2] / "examples" / "appointments.yaml"


def loaded(folder: Path, text: str) -> list[Part]:
    path = folder / "caller.yaml"
    path.write_text(text, "utf-8")
    return load_scenario(path, load_script(EXAMPLE))


def test_clips_lie_beside_the_scenario(tmp_path: Path) -> None:
    parts = loaded(tmp_path, "- {say: Hello., expect: greeting}\n- clip: a/b.wav\n")
    assert parts == [Part(say="Hello.", expect="greeting"), Part(clip=tmp_path / "a" / "b.wav")]


def test_a_recording_is_said_as_it_is(tmp_path: Path) -> None:
    assert load_scenario(tmp_path / "caller.wav", load_script(EXAMPLE)) == [Part(clip=tmp_path / "caller.wav")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {say: Hello., clip: a.wav}", "0: Value error, either say or clip"),
        ("- {say: Hello., after_s: 1, over_s: 1}", "0: Value error, either after_s or over_s"),
        ("- {say: Hello., expect: nowhere}", "0.expect: there is no state 'nowhere'"),
        ("- {says: Hello.}", "0.says: Extra inputs"),
        ("[]", "at least 1 item"),
        ("say: Hello.", "valid list"),
        ("- [a", "expected"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ScriptError, match=r"caller\.yaml: ") as error:
        loaded(tmp_path, text)
    assert told in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="No such file"):
        load_scenario(tmp_path / "none.yaml", load_script(EXAMPLE))


def test_expectations_are_held_against_the_agents_answers() -> None:
    def said(*words: str) -> list[Utterance]:
        return [Utterance("agent" if state != "-" else "caller", "x", state) for state in words]

    parts = [Part(say="one", expect="b"), Part(say="two"), Part(say="three", expect="d")]
    assert unmet(parts, said("a", "-", "a", "b", "-", "c", "-", "d")) == []
    assert unmet(parts, said("a", "-", "c", "-", "c")) == [
        "after “one” the agent was in c: expected b",
        "after “three” the agent did not answer: expected d",
    ]


def test_the_example_is_one() -> None:
    parts = load_scenario(EXAMPLE.with_name("appointments-caller.yaml"), load_script(EXAMPLE))
    assert [part.expect for part in parts] == ["what", "when", "who", "who", "confirm", "booked"]
