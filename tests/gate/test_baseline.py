from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vivavoce.contract.envelope import Machine
from vivavoce.errors import ConfigError, OutputError
from vivavoce.gate.baseline import BASELINE, Baseline, chosen_baseline, new_baseline, read_baseline, write_baseline
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import Run
from vivavoce.gate.verdict import judge

Figures = Callable[..., list[Metric]]
MakeRun = Callable[..., Run]


def test_it_is_the_mean_of_its_runs_and_keeps_their_worst(figures: Figures, a_run: MakeRun) -> None:
    runs = [(a_run(id=f"b{ms:.0f}", speed_ms=ms / 60), figures(heard__p95=ms)) for ms in (600.0, 630.0)]
    plan = new_baseline(runs).plans["whole:0f1e2d3c"]
    heard = plan.metrics["heard.p95"]
    assert (heard.value, heard.worst, heard.spread, heard.n) == (615.0, 630.0, 30.0, 80)
    assert heard.threshold is None
    assert heard.interval is not None
    assert (heard.interval.low, heard.interval.high) == (540.0, 693.0)
    assert plan.metrics["chrf.en-pt"].worst == 58.0
    assert (plan.runs, plan.speed_ms) == (("b600", "b630"), 10.25)
    one = new_baseline(runs[:1]).plans["whole:0f1e2d3c"].metrics["heard.p95"]
    assert (one.value, one.worst, one.spread) == (600.0, 600.0, None)


def test_a_wide_spread_widens_its_threshold_in_sight(figures: Figures, a_run: MakeRun) -> None:
    runs = [(a_run(id=f"b{value}"), figures(stt__wer=value)) for value in (5.0, 7.0, 6.0)]
    wide = new_baseline(runs)
    # Three deviations of 2 / 1.693, since most less least of three runs is likely 1.693 deviations.
    assert wide.plans["whole:0f1e2d3c"].metrics["stt.wer"].threshold == pytest.approx(3.544)
    assert new_baseline(runs[:2]).plans["whole:0f1e2d3c"].metrics["stt.wer"].threshold == pytest.approx(5.3191)
    verdict = judge(figures(stt__wer=9.5), a_run(), wide)
    assert verdict.outcome == "passed"
    assert "widens" in verdict.notes[0]
    assert "stt.wer" in verdict.notes[0]
    assert judge(figures(stt__wer=9.6), a_run(), wide).blocked == ("stt.wer",)


def test_it_is_written_and_read(tmp_path: Path, baseline: Baseline) -> None:
    path = tmp_path / "baseline.json"
    write_baseline(baseline, path)
    assert read_baseline(path) == baseline
    names = list(json.loads(path.read_text())["plans"]["whole:0f1e2d3c"]["metrics"])
    assert names == sorted(names)
    with pytest.raises(OutputError, match="no folder"):
        write_baseline(baseline, tmp_path / "none" / "baseline.json")


def test_plans_of_other_runs_stay(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    both = new_baseline([(a_run(plan="short:1"), figures())], baseline)
    assert set(both.plans) == {"whole:0f1e2d3c", "short:1"}
    again = new_baseline([(a_run(id="later"), figures())], both)
    assert again.plans["whole:0f1e2d3c"].runs == ("later",)


def test_no_file_is_no_baseline_but_where_it_was_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    assert read_baseline(missing) is None
    with pytest.raises(ConfigError, match=r"none\.json: there is no such file"):
        chosen_baseline(missing)
    assert chosen_baseline(None) == read_baseline()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no baseline: Expecting"),
        ("[]", "is no baseline: it holds something else"),
        ('{"schema": 1, "figures": {}}', "is no baseline: it holds something else"),
        ('{"schema": 1, "plans": {"whole": {"speed_ms": NaN}}}', "is no baseline: NaN is no number"),
        ("[" * 100_000, "is no baseline: it is nested too deep"),
        ('{"schema": 2, "plans": {}}', "of schema 2, and only 1"),
        ('{"schema": 1, "plans": {"whole": {}}}', "is no baseline: plans.whole.runs"),
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read_baseline(path)
    assert "vivavoce eval baseline" in caught.value.hint


def test_a_folder_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory"):
        read_baseline(tmp_path)


def test_void_and_unlike_runs_make_none(figures: Figures, a_run: MakeRun) -> None:
    first = (a_run(id="b1"), figures())
    with pytest.raises(ConfigError, match="no run"):
        new_baseline([])
    with pytest.raises(ConfigError, match="run b2 is void: the machine was busy"):
        new_baseline([first, (a_run(id="b2", void_reason="the machine was busy"), figures())])
    for fields, what in (
        ({"machine": Machine("Other", 4, "Linux 6", 1)}, "machine"),
        ({"engines": {"mt": "chat"}}, "engines"),
        ({"config_hash": "dead"}, "configuration"),
        ({"prompts": ("mt/v2",)}, "prompt"),
        ({"paced": False}, "pace"),
    ):
        with pytest.raises(ConfigError, match=f"not of one {what}"):
            new_baseline([first, (a_run(id="b2", **fields), figures())])
    with pytest.raises(ConfigError, match="named twice"):
        new_baseline([first, first])


@pytest.mark.parametrize("failed", [{"failed": 1.0}, {"erasure__committed": 2.0}, {"mt__failed": 1.0}])
def test_what_failed_is_not_accepted_by_a_baseline(figures: Figures, a_run: MakeRun, failed: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="a baseline would allow it from now on"):
        new_baseline([(a_run(), figures(**failed))])


def test_only_what_all_runs_measured_is_in_it(figures: Figures, a_run: MakeRun) -> None:
    made = new_baseline([(a_run(id="b1"), figures()), (a_run(id="b2"), figures(wer=None))])
    assert "wer" not in made.plans["whole:0f1e2d3c"].metrics
    hurried = new_baseline([(a_run(paced=False), figures())]).plans["whole:0f1e2d3c"]
    assert not {"heard.p95", "stage.tts.p95", "unspoken"} & set(hurried.metrics)


def test_the_committed_one_can_be_read() -> None:
    if not BASELINE.exists():
        pytest.skip("no baseline is committed")
    committed = read_baseline()
    assert committed is not None
    assert committed.plans
    assert all(replace(plan, metrics={}).speed_ms > 0 for plan in committed.plans.values())
