from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.errors import ConfigError
from vivavoce.prompts import Prompt, deployed, mt


@pytest.fixture(autouse=True)
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prompt:
    """A second version in the code, as good as stamped; and folders of its own."""
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIVAVOCE_CONFIG", raising=False)
    both = {"v1": mt.mt_prompt("v1")}
    both["v2"] = Prompt(version="v2", system=both["v1"].system.replace("the same register", "as few words"))
    monkeypatch.setattr(mt, "_PROMPTS", both)
    monkeypatch.setattr(deployed, "stamped", lambda: {version: prompt.hash for version, prompt in both.items()})
    return both["v2"]


def run(*args: str) -> str:
    result = CliRunner().invoke(app, ["prompts", *args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def figures(*args: str) -> Any:
    return json.loads(run(*args, "--json"))["figures"]


def test_stamped_listed_and_taken_back(second: Prompt) -> None:
    assert "none is deployed: sessions take v1" in run("list")
    assert run("stamp", "v1") == "v1 is deployed\n"
    assert "as it was since" in run("stamp", "v1")
    begun_ms = round(time.time() * 1000)
    assert figures("stamp", "v2")["deployed"]["version"] == "v2"
    shown = run("list")
    (line,) = (line for line in shown.splitlines() if "▸" in line)
    assert "v2" in line
    assert second.hash[:12] in line
    assert "v1 is deployed again; v2 was, since" in run("rollback")
    told = figures("list")
    assert told["deployed"] == "v1"
    assert [row["version"] for row in told["deployments"]] == ["v1", "v2", "v1"]
    assert told["deployments"][1]["deployed_ms"] >= begun_ms - 1000
    assert {each["version"]: each["in_force"] for each in told["versions"]} == {"v1": True, "v2": False}
    with pytest.raises(ConfigError, match="no earlier prompt"):
        run("rollback")


def test_what_was_changed_or_is_gone_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    run("stamp", "v1")
    run("stamp", "v2")
    monkeypatch.setattr(mt, "_PROMPTS", {"v1": Prompt(version="v1", system="{source} {target}")})
    problems = {each["version"]: each["problem"] for each in figures("list")["versions"]}
    assert problems == {"v1": "not what was stamped", "v2": "not in this program"}
    with pytest.raises(ConfigError, match="not what was stamped"):
        run("rollback")


def test_what_differs_between_two() -> None:
    lines = run("diff", "v1", "v2").splitlines()
    assert lines[:2] == ["--- v1", "+++ v2"]
    removed, added = (next(line for line in lines[2:] if line[0] == sign) for sign in "-+")
    assert "in the same register" in removed
    assert "in as few words" in added
    told = figures("diff", "v1", "v2")
    assert (told["diff"], set(told["hashes"])) == (lines, {"v1", "v2"})
    assert "are the same" in run("diff", "v1", "v1")
    with pytest.raises(ConfigError, match="no prompt 'v3'"):
        run("diff", "v1", "v3")
