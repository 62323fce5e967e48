"""What an error looks like to a person and to a script, and what the program costs to start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vivavoce.cli import main as program
from vivavoce.errors import ModelMissing, NoSpeech


def _run_raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(program, "app", fail)
    with pytest.raises(SystemExit) as stopped:
        program.main([])
    return int(str(stopped.value.code))


def test_an_error_is_one_line_with_a_hint_and_its_own_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run_raising(monkeypatch, ModelMissing("no [b]weights[/b]", hint="fetch them")) == 6
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "no [b]weights[/b]\nhint: fetch them\n"


def test_an_error_inside_task_groups_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = ExceptionGroup("inner", [NoSpeech("nobody speaks")])
    assert _run_raising(monkeypatch, ExceptionGroup("outer", [inner])) == 4
    assert capsys.readouterr().err == "nobody speaks\n"
    assert _run_raising(monkeypatch, ExceptionGroup("outer", [ValueError("x"), inner])) == 1
    assert "internal error" in capsys.readouterr().err


def test_an_unknown_error_is_told_without_its_traceback_unless_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run_raising(monkeypatch, ZeroDivisionError("by zero")) == 1
    err = capsys.readouterr().err
    assert "internal error: ZeroDivisionError: by zero" in err
    assert "Traceback" not in err
    monkeypatch.setenv("VIVAVOCE_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        program.main([])


def test_an_interruption_has_the_shells_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run_raising(monkeypatch, KeyboardInterrupt()) == 130


def test_a_wrong_option_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as stopped:
        program.main(["models", "--nonsense"])
    assert stopped.value.code == 2


def test_help_loads_nothing_that_is_slow() -> None:
    slow = "httpx", "numpy", "onnxruntime", "ctranslate2", "pydantic"
    script = (
        "import sys\nfrom vivavoce.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', sorted(set(sys.modules) & set({slow})))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "models" in run.stdout
    assert run.stdout.splitlines()[-1] == "loaded: []"
