"""`vivavoce eval` on runs that are made here: what it writes, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vivavoce.cli import eval_clips
from vivavoce.cli.main import main
from vivavoce.contract.envelope import this_machine
from vivavoce.gate.run import ClauseRun, ClipRun, Run, UtteranceRun

pytest.importorskip("jiwer", reason="the group eval is not installed")
pytest.importorskip("sacrebleu", reason="the group eval is not installed")

WORDS = "the quick brown fox jumps over the lazy dog and then it runs away from here again today my friend"


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "user"))
    monkeypatch.delenv("VIVAVOCE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def _run(name: str = "one", *, heard: str = WORDS) -> Run:
    clips = tuple(
        ClipRun(
            id=f"clip-{n}",
            pair="en-pt",
            register="banter",
            reference=WORDS,
            reference_translation="a raposa marrom rápida salta",
            transcript=heard,
            speech_ms=8000.0,
            terms={"fox": "raposa"},
            clauses=(
                ClauseRun(
                    text=heard, translation="a raposa marrom rápida salta", start_ms=0.0, end_ms=8000.0,
                    shown_ms=8300.0, heard_ms=8500.0,
                ),
            ),
            utterances=(UtteranceRun(label_start_ms=4000.0 * (n % 2), label_end_ms=8000.0, wait_ms=500.0),),
            shown=20,
        )
        for n in range(30)
    )  # fmt: skip
    return Run(
        id=name,
        at_ms=1_800_000_000_000,
        plan="short:test",
        paced=True,
        machine=this_machine(),
        versions={"vivavoce": "0"},
        config_hash="abc",
        speed_ms=5.0,
        engines={"stt": "whisper"},
        clips=clips,
    )


def _file(path: Path, run: Run) -> str:
    path.write_text(json.dumps(run.to_json()), "utf-8")
    return str(path)


def _eval(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["eval", *arguments])
    assert ended.value.code == code


def _figures(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    _eval(*arguments, "--json", code=code)
    envelope = json.loads(capsys.readouterr().out)
    assert (envelope["schema"], envelope["command"]) == (1, "vivavoce eval")
    return dict(envelope["figures"])


def test_a_run_is_judged_against_a_baseline_of_its_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = _file(tmp_path / "one.json", _run())
    baseline = str(tmp_path / "baseline.json")
    _eval("baseline", sound, "--to", baseline)
    assert "short:test" in capsys.readouterr().out
    out = tmp_path / "out"
    passed = _figures(capsys, "judge", sound, "--baseline", baseline, "--out", str(out))
    assert passed["outcome"] == "passed"
    assert sorted(file.name for file in out.iterdir()) == ["figures.json", "junit.xml", "report.html", "run.json"]
    assert json.loads((out / "figures.json").read_text("utf-8"))["figures"] == passed
    wrong = _file(tmp_path / "two.json", _run("two", heard=WORDS.replace("quick brown", "thick round")))
    blocked = _figures(capsys, "judge", wrong, "--baseline", baseline, code=14)
    assert "wer" in blocked["blocked"]
    _eval("judge", wrong, "--baseline", baseline, code=14)
    assert "blocked by wer" in capsys.readouterr().err


def test_a_void_run_decides_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    void = _file(tmp_path / "void.json", replace(_run(), void_reason="interrupted"))
    figures = _figures(capsys, "judge", void, code=15)
    assert figures["outcome"] == "undecided"
    assert not figures["blocked"]


def test_the_spread_of_runs_is_held_against_the_thresholds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = _file(tmp_path / "one.json", _run()), _file(tmp_path / "two.json", _run("two"))
    _eval("spread", one, two)
    assert "heard.p95" in capsys.readouterr().out
    apart = _file(tmp_path / "apart.json", _run("apart", heard=WORDS.replace("quick brown", "thick round")))
    _eval("spread", one, apart, code=14)
    assert "wer" in capsys.readouterr().err


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"schema": 1}', "utf-8")
    _eval("judge", str(path), code=9)
    assert "is no run of the gate" in capsys.readouterr().err
    _eval("judge", str(tmp_path / "missing.json"), code=9)


def test_folders_are_read_together_and_a_name_is_given_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": "a", "file": "a.wav", "language": "en", "transcript": "x", "duration_s": 1.0, "target": "pt"}]
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps(rows), "utf-8")
    found = eval_clips.eval_clips([str(tmp_path / "first")], lambda label, done, planned: None)
    assert [clip.id for clip in found] == ["a"]
    _eval("--clips", str(tmp_path / "first"), "--clips", str(tmp_path / "second"), "--quality", code=9)
    assert "another clip is named a" in capsys.readouterr().err
    _eval("--clips", str(tmp_path / "first"), "--pair", "en-xx", code=3)
    assert "no clip is of en-xx" in capsys.readouterr().err
    _eval("--clips", str(tmp_path / "nowhere"), code=3)
