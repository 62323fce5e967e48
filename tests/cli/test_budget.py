import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vivavoce.cli.budget import budget
from vivavoce.config.load import default_settings
from vivavoce.config.settings import config_hash
from vivavoce.contract.envelope import Envelope, enclose
from vivavoce.contract.last_run import save_last_run
from vivavoce.errors import ConfigError, ContractError

app = typer.Typer()
app.command("budget")(budget)


@pytest.fixture(autouse=True)
def _clean_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIVAVOCE_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "150")
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


def report(n: int = 60, *, of_config: str | None = None, void_reason: str | None = None) -> Envelope:
    figures = {
        "stages": {"stt": {"p50": 150, "p95": 202, "cap": 210}},
        "heard_ms": {"p50": 526, "p95": 557, "p99": 580},
    }
    of_config = of_config or config_hash(default_settings())
    return enclose("vivavoce translate", figures, config_hash=of_config, n=n, void_reason=void_reason)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_page_before_anything_was_measured() -> None:
    text = run()
    assert "profile embedded" in text
    assert text.count("not measured") == 8
    assert "= 550 ms" in text


def test_profile_can_be_chosen() -> None:
    text = run("--profile", "hosted")
    assert "profile hosted" in text
    assert "= 650 ms" in text


def test_last_session_is_shown_with_date_and_source() -> None:
    save_last_run(report(), source="talk.wav", at=datetime(2026, 5, 4, 10, 30, tzinfo=UTC))
    text = run()
    assert "measured: vivavoce translate of talk.wav, 2026-05-04 10:30 UTC" in text
    assert "526 / 557" in text
    assert "another configuration" not in text


def test_named_report_goes_before_the_last_session(tmp_path: Path) -> None:
    save_last_run(report(), source="talk.wav")
    path = tmp_path / "bench.json"
    path.write_text(report(of_config="other", void_reason="too few clips").to_text(), encoding="utf-8")
    text = run("--measured", str(path))
    assert "talk.wav" not in text
    assert "under another configuration" in text
    assert "void: too few clips" in text


def test_json_is_an_envelope(tmp_path: Path) -> None:
    empty = json.loads(run("--json"))
    assert (empty["command"], empty["n"], empty["valid"]) == ("vivavoce budget", 0, False)
    assert empty["void_reason"] == "not measured"
    path = tmp_path / "bench.json"
    path.write_text(report().to_text(), encoding="utf-8")
    full = json.loads(run("--json", "--measured", str(path)))
    assert (full["n"], full["valid"]) == (60, True)
    assert full["figures"]["heard_ms"]["headroom"] == 143
    assert full["config_hash"] == config_hash(default_settings())


def test_configuration_is_read_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[contract]\nprofile = "hosted"\n', encoding="utf-8")
    assert "profile hosted" in run("--config", str(path))
    path.write_text("[contract.stages.tts]\ntarget_ms = 310\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["--config", str(path)])
    assert isinstance(result.exception, ContractError)


def test_unknown_profile_and_missing_report_are_refused() -> None:
    assert isinstance(CliRunner().invoke(app, ["--profile", "fast"]).exception, ContractError)
    assert isinstance(CliRunner().invoke(app, ["--measured", "none.json"]).exception, ConfigError)
