"""What Promptfoo calls, without Promptfoo: `make eval-promptfoo` runs it as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.config.load import default_settings
from vivavoce.errors import ConfigError
from vivavoce.evals.clips import Clip, read_clips
from vivavoce.gate.baseline import new_baseline, write_baseline
from vivavoce.gate.metrics import measure
from vivavoce.gate.promptfoo import VERDICT, cases, planted, read_told, run_of, verdict_on
from vivavoce.gate.promptfoo_rows import graded
from vivavoce.gate.run import ClauseRun, ClipRun, MtAlone, Run
from vivavoce.gate.verdict import judge

pytest.importorskip("jiwer", reason="the group eval is not installed")
pytest.importorskip("sacrebleu", reason="the group eval is not installed")
pytest.importorskip("psutil", reason="the group eval is not installed")

EVALS = Path(__file__).parents[2] / "evals"
INVENTED = " O diretor anunciou isso ontem diante de 417 pessoas."


def clip(n: int, *, target: str = "pt", transcript: str = "The boat goes at nine.") -> Clip:
    return Clip(
        id=f"c{n}",
        file=f"c{n}.wav",
        language="en",
        target=target,
        transcript=transcript,
        duration_s=2.0,
        references={target: "O barco sai às nove."},
        register="banter",
        terms={"boat": "barco"},
        control={"nine": "nove"},
        sha256=f"{n:064x}",
    )


CLIPS = [clip(n) for n in range(30)]


def alone(n: int, *, more: str = "") -> MtAlone:
    """Eight sentences of a clip, of which the last is followed by `more`."""
    sentence = ClauseRun(
        text="The boat goes at nine.",
        translation="O barco sai às nove.",
        start_ms=0.0,
        end_ms=0.0,
        shown_ms=1.0,
        terms=1,
    )
    sentences = (*[sentence] * 7, replace(sentence, translation=sentence.translation + more))
    return MtAlone(
        id=f"c{n}",
        pair="en-pt",
        register="banter",
        reference_translation=clip(n).reference,
        terms={"boat": "barco"},
        control={"nine": "nove"},
        sentences=sentences,
        locked=sentences,
        controlled=sentences,
    )


def output_of(path: Path, rows: list[MtAlone], verdict: dict[str, Any]) -> Path:
    """What Promptfoo writes of these rows, as far as it is read."""
    answers: list[dict[str, Any]] = [{"mt": asdict(row), "scores": {}, "signs": []} for row in rows]
    answers.append({"verdict": verdict})
    found = [{"success": graded(each)["pass"], "response": {"metadata": each}} for each in answers]
    path.write_text(json.dumps({"results": {"results": found}}), "utf-8")
    return path


def test_there_is_a_row_for_each_text_and_one_for_the_verdict() -> None:
    made = cases([clip(1), clip(2, transcript=""), clip(3, target="es")])
    assert [row["vars"]["clip"] for row in made] == ["c3", "c1", VERDICT]
    assert made[0]["vars"]["text"] == "The boat goes at nine."


@pytest.mark.parametrize(("more", "outcome", "blocked"), [("", "passed", ()), (INVENTED, "blocked", "mt.")])
def test_the_verdict_is_the_gates_of_a_whole_run(
    more: str, outcome: str, blocked: Any, a_run: Callable[..., Run], tmp_path: Path
) -> None:
    rows = [alone(n, more=more) for n in range(30)]
    part = run_of(rows, CLIPS, default_settings())
    heard = ClipRun(
        id="c0",
        pair="en-pt",
        register="banter",
        reference="The boat.",
        reference_translation="O barco.",
        transcript="A goat.",
        speech_ms=900.0,
    )
    whole = a_run(plan=part.plan, mt=tuple(rows), clips=(heard,))
    sound = a_run(plan=part.plan, mt=tuple(alone(n) for n in range(30)), clips=(heard,))
    baseline = new_baseline([(sound, measure(sound))])
    theirs, ours = verdict_on(part, baseline), judge(measure(whole), whole, baseline).part("mt.")
    assert theirs.outcome == ours.outcome == outcome
    assert [(each.name, each.status, each.metric.value) for each in theirs.findings] == [
        (each.name, each.status, each.metric.value) for each in ours.findings
    ]
    assert all(name.startswith(blocked) for name in theirs.blocked)
    assert ("mt.hallucination" in theirs.blocked) == bool(more)
    told = read_told(output_of(tmp_path / "out.json", rows, theirs.to_json()))
    assert (told.rows, told.passed, list(told.alone)) == (31, outcome == "passed", rows)


def test_without_anything_it_is_undecided() -> None:
    verdict = verdict_on(run_of([], CLIPS, default_settings()), None)
    assert verdict.outcome == "undecided"
    assert not graded({"verdict": verdict.to_json()})["pass"]


def test_what_is_of_other_clips_is_refused() -> None:
    for other in (replace(alone(1), id="c99"), replace(alone(1), terms={"boat": "bote"})):
        with pytest.raises(ConfigError, match="not translated from a clip of this set"):
            run_of([other], CLIPS, default_settings())


def test_a_row_tells_scores_and_never_fails() -> None:
    told = graded({"scores": {"mt.chrf.en-pt": 61.0}, "signs": ["numbers: 417"]})
    assert (told["pass"], told["score"], told["reason"]) == (True, 0.61, "numbers: 417")
    assert told["namedScores"] == {"mt.chrf.en-pt": 61.0}


@pytest.mark.parametrize("answer", [{}, {"verdict": None}])
def test_a_row_without_scores_fails(answer: dict[str, Any]) -> None:
    assert not graded(answer)["pass"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"results": {"results": [{"response": {"metadata": {"mt": 1}}}]}}']
)
def test_what_is_no_output_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match="no output of Promptfoo"):
        read_told(path)
    with pytest.raises(ConfigError, match="No such file"):
        read_told(tmp_path / "none.json")


def test_a_plant_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'voice'.*") as refused:
        planted("voice")
    assert "invention" in refused.value.hint


def evals_module(name: str) -> ModuleType:
    found = spec_from_file_location(name, EVALS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_what_promptfoo_loads_translates_and_is_graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [field for field in asdict(clip(1)) if field != "path"]
    (tmp_path / "manifest.json").write_text(json.dumps([{n: asdict(clip(1))[n] for n in names}]), "utf-8")
    monkeypatch.setenv("VIVAVOCE_EVAL_CLIPS", str(tmp_path))
    monkeypatch.setenv("VIVAVOCE_CONFIG", "")
    provider, scores = evals_module("promptfoo_provider"), evals_module("promptfoo_scores")
    assert [row["vars"]["clip"] for row in provider.generate_tests()] == ["c1", VERDICT]
    answer = provider.call_api("", {}, {"vars": {"clip": "c1"}})
    if "could not be evaluated" in answer.get("error", ""):
        pytest.skip(answer["error"])
    assert "barco" in answer["output"]
    grade = scores.get_assert(answer["output"], {"providerResponse": answer})
    assert grade["pass"]
    assert grade["namedScores"]["mt.chrf.en-pt"] > 20
    # One sentence is not enough for anything, and that is no pass.
    verdict = provider.call_api("", {}, {"vars": {"clip": VERDICT}})
    assert verdict["output"].startswith("undecided")
    assert not scores.get_assert("", {"providerResponse": verdict})["pass"]
    assert "no clip" in provider.call_api("", {}, {"vars": {"clip": "c9"}})["error"]


def test_the_command_prints_both_and_ends_as_the_gate(tmp_path: Path) -> None:
    names = [field for field in asdict(clip(1)) if field != "path"]
    rows = [{n: asdict(each)[n] for n in names} for each in CLIPS]
    (tmp_path / "manifest.json").write_text(json.dumps(rows), "utf-8")
    clips = read_clips(tmp_path)
    sound = run_of([alone(n) for n in range(30)], clips, default_settings())
    known = new_baseline([(sound, measure(sound))])
    write_baseline(known, tmp_path / "baseline.json")
    for more, code, told in (
        ("", 0, "promptfoo: passed; the gate: passed"),
        (INVENTED, 14, "promptfoo: failed, 1 of 31"),
    ):
        made = [alone(n, more=more) for n in range(30)]
        verdict = verdict_on(run_of(made, clips, default_settings()), known)
        output = output_of(tmp_path / "out.json", made, verdict.to_json())
        options = ["--clips", str(tmp_path), "--baseline", str(tmp_path / "baseline.json")]
        result = CliRunner().invoke(app, ["eval", "promptfoo", str(output), *options])
        assert told in " ".join(result.output.split()), result.output
        assert getattr(result.exception, "exit_code", result.exit_code) == code
