from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.errors import ConfigError, SourceMissing
from vivavoce.evals import packages


@pytest.mark.parametrize(
    ("options", "told"), [(["--pair", "english"], "en-pt"), (["--parts", "clips,everything"], "everything")]
)
def test_wrong_options_are_refused_with_what_there_is(tmp_path: Path, options: list[str], told: str) -> None:
    pytest.importorskip("jiwer", reason="the group eval is not installed")
    (tmp_path / "manifest.json").write_text("[]")
    found = CliRunner().invoke(app, ["bench", "translate", "--clips", str(tmp_path), *options])
    assert found.exit_code == 2
    assert told in found.output


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("jiwer", reason="the group eval is not installed")
    found = CliRunner().invoke(app, ["bench", "translate", "--clips", str(tmp_path)])
    assert isinstance(found.exception, SourceMissing)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "sacrebleu" else object())
    with pytest.raises(ConfigError, match=r"needs sacrebleu$") as refused:
        packages.require_eval_packages()
    assert "vivavoce[eval]" in refused.value.hint
