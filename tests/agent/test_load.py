from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.agent.load import load_script, read_script
from vivavoce.errors import ScriptError

GOOD = """
name: one
start: a
slots:
  size: {type: number, least: 1, most: 20, ask: "For how many?"}
states:
  a:
    say: Hello.
    fill: [size]
    go:
      - {to: big, when: size > 8}
      - {to: end, when: size}
  big:
    say: "{size} are many."
    go: [{to: end}]
  end: {say: Goodbye., hang_up: true}
"""


def refused(text: str) -> str:
    with pytest.raises(ScriptError) as error:
        read_script(text, name="s.yaml")
    assert error.value.hint
    return str(error.value)


def test_a_script_is_read() -> None:
    script = read_script(GOOD)
    assert script.states["a"].listens
    assert not script.states["big"].listens
    assert str(script.states["big"].say[0]) == "{size} are many."


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("start: a", "start: a\nlanguage: xx", "language: nobody here understands 'xx', only en"),
        ("start: a", "start: b", "start: there is no state 'b'"),
        ("{to: end, when: size}", "{to: exit, when: size}", "states.a.go.1.to: there is no state 'exit'"),
        ("fill: [size]", "fill: [size, colour]", "states.a.fill: there is no slot 'colour'"),
        ("size > 8", "colour > 8", "states.a.go.0.when: there is no slot 'colour'"),
        ('"{size} are many."', '"{colour}?"', "states.big.say: there is no slot 'colour'"),
        ("size > 8", "size", "states.a.go.1.when: size leads to 'big', too"),
        ("{to: big, when: size > 8}", "{to: big}", "states.a.go.1: it is never taken: go.0 before it always is"),
        ("  end:", "  lost: {hang_up: true}\n  end:", "states.lost: no way leads here from 'a'"),
        ("go: [{to: end}]", "", "states.big: it has no way out"),
        ("go: [{to: end}]", "go: [{to: big}]", "states.big: its ways lead to no end"),
        ("say: Hello.", 'say: "Hello {size}."', "states.a.say: 'size' is not known on every way to 'a'"),
        ("size > 8", "size >", "states.a.go.0.when: 'size >' is no condition"),
        ("size > 8", "size + 1", "states.a.go.0.when: 'size + 1': size + 1 is neither"),
        ("size > 8", "size.real", "is neither a slot nor a comparison"),
        ("Goodbye.", "'{0}'", "is no slot's name"),
        ("type: number", "type: colour", "slots.size.type: Input should be"),
        ("least: 1", "least: 30", "slots.size: least is more than most"),
        ("hang_up: true", "hang_up: true, go: [{to: a}]", "states.end: nothing follows"),
        ("say: Hello.", "says: Hello.", "states.a.says: Extra inputs"),
        ("say: Hello.", "say: Hello.\n    say: Hi.", 'duplicate key "say"'),
        ("start: a", "start: [a", "s.yaml: "),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, told: str) -> None:
    assert old in GOOD
    assert told in refused(GOOD.replace(old, new, 1))


def test_all_flaws_are_told_at_once() -> None:
    said = refused(GOOD.replace("fill: [size]", "fill: [x]").replace("to: big", "to: y"))
    assert said.count("\n") == 1


def test_states_that_nobody_listens_in_must_go_on() -> None:
    ring = GOOD.replace("go: [{to: end}]", "go: [{to: small, when: size}]") + (
        "  small:\n    go: [{to: big, when: size > 3}, {to: end}]\n"
    )
    said = refused(ring)
    assert "its last way must have no condition" in said
    assert "leads back to itself" in said


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="No such file"):
        load_script(tmp_path / "none.yaml")
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScriptError, match="not UTF-8"):
        load_script(path)
    path.write_text("- a\n- b\n")
    with pytest.raises(ScriptError, match="a table"):
        load_script(path)
    path.write_text(" " * (1 << 20) + "x")
    with pytest.raises(ScriptError, match="larger"):
        load_script(path)


def test_words_of_yaml_stay_words() -> None:
    text = GOOD.replace("say: Hello.", "say: [no, 12:30, on]")
    assert [str(line) for line in read_script(text).states["a"].say] == ["no", "12:30", "on"]
