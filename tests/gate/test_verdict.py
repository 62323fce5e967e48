from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vivavoce.contract.envelope import Machine
from vivavoce.gate.baseline import Baseline, new_baseline
from vivavoce.gate.finding import Finding
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import Run
from vivavoce.gate.verdict import Verdict, judge

Figures = Callable[..., list[Metric]]
MakeRun = Callable[..., Run]


def finding(verdict: Verdict, name: str) -> Finding:
    return next(each for each in verdict.findings if each.name == name)


def with_n(metrics: Sequence[Metric], name: str, n: int) -> list[Metric]:
    return [replace(metric, n=n) if metric.name == name else metric for metric in metrics]


def test_a_run_like_its_baseline_passes(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    verdict = judge(figures(), a_run(), baseline)
    assert verdict.outcome == "passed"
    assert verdict.harnesses == {"latency": "passed", "quality": "passed"}
    assert {each.status for each in verdict.findings} == {"pass", "told"}
    assert verdict.of("told") == ("heard.p99", "hallucination.silence", "hallucination.repetition", "glossary.control")
    assert verdict.summary == "passed"
    assert verdict.notes == ()


@pytest.mark.parametrize(
    ("changed", "blocked", "leg"),
    [
        ({"heard__p95": 700.0}, "heard.p95", "session"),
        ({"wer": 12.0, "stt__wer": 12.0}, "stt.wer", "stt"),
        ({"hallucination": 2.0, "mt__hallucination": 2.0}, "mt.hallucination", "mt"),
        ({"chrf__en_pt": 56.0, "mt__chrf__en_pt": 60.0}, "mt.chrf.en-pt", "mt"),
        ({"glossary__success": 95.0}, "glossary.success", "session"),
        ({"erasure__committed": 1.0}, "erasure.committed", "stt"),
        ({"failed": 1.0}, "failed", "session"),
        ({"unspoken": 2.0}, "unspoken", "session"),
    ],
)
def test_each_bar_blocks_at_its_value(
    figures: Figures, a_run: MakeRun, baseline: Baseline, changed: dict[str, float], blocked: str, leg: str
) -> None:
    verdict = judge(figures(**changed), a_run(), baseline)
    assert verdict.outcome == "blocked"
    assert blocked in verdict.blocked
    assert finding(verdict, blocked).leg == leg
    assert blocked in verdict.summary


def test_either_harness_blocks_alone(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    late = judge(figures(heard__p95=900.0), a_run(), baseline)
    assert late.harnesses == {"latency": "blocked", "quality": "passed"}
    wrong = judge(figures(wer=20.0), a_run(), baseline)
    assert wrong.harnesses == {"latency": "passed", "quality": "blocked"}
    assert late.outcome == wrong.outcome == "blocked"


def test_a_regression_blocks_within_the_absolute_bar(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    verdict = judge(figures(stt__wer=9.0), a_run(), baseline)
    assert verdict.blocked == ("stt.wer",)
    assert finding(verdict, "stt.wer").reason == "1.50 points worse than the baseline; from 1.50 points on that blocks"
    assert judge(figures(stt__wer=8.9), a_run(), baseline).outcome == "passed"


def test_a_miss_that_the_baseline_has_is_held_and_shown(figures: Figures, a_run: MakeRun) -> None:
    held = new_baseline([(a_run(id="b"), figures(heard__p95=820.0))])
    verdict = judge(figures(heard__p95=840.0), a_run(), held)
    assert verdict.outcome == "passed"
    assert finding(verdict, "heard.p95").status == "held"
    assert "heard.p95" in verdict.summary
    assert judge(figures(heard__p95=820.0 * 1.15), a_run(), held).blocked == ("heard.p95",)
    better = judge(figures(heard__p95=690.0), a_run(), held)
    assert finding(better, "heard.p95").status == "pass"
    assert "A new baseline would hold that" in better.notes[-1]


def test_a_baseline_nearer_to_its_bar_than_its_runs_to_each_other_holds_the_miss(
    figures: Figures, a_run: MakeRun
) -> None:
    near = new_baseline([(a_run(id=f"b{ms:.0f}"), figures(heard__p95=ms)) for ms in (675.0, 692.0)])
    assert finding(judge(figures(heard__p95=705.0), a_run(), near), "heard.p95").status == "held"
    clear = new_baseline([(a_run(id=f"b{ms:.0f}"), figures(heard__p95=ms)) for ms in (675.0, 680.0)])
    assert finding(judge(figures(heard__p95=705.0), a_run(), clear), "heard.p95").status == "blocked"


@pytest.mark.parametrize("name", ["heard.p95", "wer", "chrf.en-pt", "hallucination", "glossary.success"])
def test_too_few_events_never_pass(figures: Figures, a_run: MakeRun, baseline: Baseline, name: str) -> None:
    verdict = judge(with_n(figures(), name, 4), a_run(), baseline)
    assert finding(verdict, name).status == "not enough"
    assert verdict.outcome == "undecided"
    assert verdict.undecided == (name,)


def test_where_many_events_lack_they_may_be_the_worst(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    fewer = judge(with_n(figures(heard__p95=300.0), "heard.p95", 71), a_run(), baseline)
    assert finding(fewer, "heard.p95").reason == "71 utterances, and the baseline has 80"
    assert fewer.undecided == ("heard.p95",)
    assert judge(with_n(figures(), "heard.p95", 72), a_run(), baseline).outcome == "passed"
    # Two less of a few are no tenth.
    assert judge(with_n(figures(), "mt.chrf.en-pt", 5), a_run(), baseline).outcome == "passed"


def test_what_the_baseline_has_must_be_measured(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    verdict = judge([metric for metric in figures() if metric.name != "mt.chrf.en-pt"], a_run(), baseline)
    assert verdict.undecided == ("mt.chrf.en-pt",)
    assert judge(figures(wer=None), a_run(), baseline).undecided == ("wer",)
    assert judge(figures(wer=float("nan")), a_run(), baseline).undecided == ("wer",)


def test_a_whole_run_needs_the_figures_of_the_requirements(a_run: MakeRun) -> None:
    verdict = judge([], a_run(), None)
    assert verdict.outcome == "undecided"
    assert {"heard.p95", "wer", "hallucination", "chrf", "glossary.success", "erasure.committed"} <= set(
        verdict.undecided
    )


def test_without_a_baseline_only_the_absolute_bars_hold(figures: Figures, a_run: MakeRun) -> None:
    verdict = judge(figures(), a_run(), None)
    assert "No baseline" in verdict.notes[0]
    assert {each.status for each in verdict.findings} == {"new", "told", "not enough"}
    # What has no absolute bar and must be measured is not passed by having been measured.
    assert verdict.undecided == ("chrf.en-pt", "mt.chrf.en-pt")
    assert judge(figures(wer=13.0), a_run(), None).blocked == ("wer",)


def test_a_figure_that_is_new_counts_by_its_bar(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    new = Metric(name="wer.de", value=11.0, unit="%", n=200, what="words", owner="stt")
    verdict = judge([*figures(), new], a_run(), baseline)
    assert finding(verdict, "wer.de").status == "new"
    assert verdict.outcome == "passed"
    assert judge([*figures(), replace(new, value=12.0)], a_run(), baseline).blocked == ("wer.de",)


def test_a_judge_without_a_say_leaves_it_undecided(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    verdict = judge(figures(), a_run(judge_problem="its answer to a/1 cannot be read"), baseline)
    assert verdict.undecided == ("hallucination.judged",)
    assert verdict.notes == ("The judge had no say: its answer to a/1 cannot be read",)


def test_a_void_run_decides_nothing(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    verdict = judge(figures(wer=40.0), a_run(void_reason="another program took a core"), baseline)
    assert verdict.outcome == "undecided"
    assert verdict.blocked == verdict.of("pass") == ()
    assert verdict.harnesses == {"latency": "undecided", "quality": "undecided"}
    assert verdict.summary == "undecided: the run is void: another program took a core"


def test_moments_of_a_hurried_run_are_not_judged(figures: Figures, a_run: MakeRun) -> None:
    hurried = a_run(paced=False, plan="short:1")
    baseline = new_baseline([(replace(hurried, id="b"), figures())])
    verdict = judge(figures(heard__p95=5000.0), hurried, baseline)
    assert verdict.harnesses == {"quality": "passed"}
    assert finding(verdict, "heard.p95").status == "told"
    assert verdict.summary == "passed, quality alone"
    assert not any(name.startswith("heard") for name in baseline.plans["short:1"].metrics)


def test_a_short_plan_needs_less(figures: Figures, a_run: MakeRun) -> None:
    few = with_n(figures(), "hallucination", 25)
    assert "hallucination" in judge(few, a_run(), None).undecided
    assert "hallucination" not in judge(few, a_run(plan="short:1"), None).undecided
    assert "hallucination" in judge(with_n(few, "hallucination", 19), a_run(plan="short:1"), None).undecided


def test_of_few_events_one_more_is_no_regression(figures: Figures, a_run: MakeRun) -> None:
    run = a_run(plan="short:1")
    baseline = new_baseline([(replace(run, id="b"), with_n(figures(hallucination=4.0), "hallucination", 25))])
    one, two = (with_n(figures(hallucination=value), "hallucination", 25) for value in (8.0, 12.0))
    assert finding(judge(one, run, baseline), "hallucination").status == "held"
    assert finding(judge(two, run, baseline), "hallucination").status == "blocked"


def test_another_machine_may_hold_latencies_and_cannot_disprove_them(
    figures: Figures, a_run: MakeRun, baseline: Baseline
) -> None:
    elsewhere = a_run(machine=Machine("Old CPU", 2, "Linux 6", 8192), speed_ms=15.0)
    like = judge(figures(), elsewhere, baseline)
    assert like.outcome == "passed"
    assert "10.0 ms there and 15.0 ms here" in like.notes[0]
    slower = judge(figures(stage__tts__p95=420.0), elsewhere, baseline)
    assert slower.undecided == ("stage.tts.p95",)
    assert "another machine" in finding(slower, "stage.tts.p95").reason
    # Absolute bars are for all, and so is quality.
    assert judge(figures(heard__p95=720.0), elsewhere, baseline).blocked == ("heard.p95",)
    assert judge(figures(stt__wer=9.5), elsewhere, baseline).blocked == ("stt.wer",)


def test_what_makes_latencies_doubtful_is_told(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    assert "not the same speed" in judge(figures(), a_run(speed_ms=13.0), baseline).notes[0]
    assert "120 ms late" in judge(figures(), a_run(latest_tick_ms=120.0), baseline).notes[0]
    assert judge(figures(), a_run(speed_ms=12.0, latest_tick_ms=90.0), baseline).notes == ()


def test_other_engines_and_prompts_are_told(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    run = a_run(engines={"stt": "whisper", "mt": "chat", "tts": "kokoro"}, prompts=("mt/v2",))
    notes = judge(figures(), run, baseline).notes
    assert notes[0] == "Another engine than the baseline's for mt: chat, there bergamot."
    assert notes[1] == "Other prompts than the baseline's: mt/v2, there none."


def test_a_stage_over_its_cap_is_held_in_sight(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    over = finding(judge(figures(stage__tts__p95=320.0), a_run(), baseline), "stage.tts.p95")
    assert (over.status, over.bar) == ("held", "cap 310 ms")


def test_the_verdict_is_json(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    told = json.loads(json.dumps(judge(figures(wer=20.0), a_run(), baseline).to_json(), allow_nan=False))
    assert told["outcome"] == "blocked"
    assert told["blocked"] == ["wer"]
    row = next(each for each in told["findings"] if each["name"] == "wer")
    assert (row["status"], row["bar"], row["n"], row["leg"]) == ("blocked", "< 12 %", 1400, "session")


CHANGEABLE = {
    "heard__p95": (300.0, 1200.0, 1),
    "stage__tts__p95": (100.0, 900.0, 1),
    "wer": (0.0, 60.0, 1),
    "hallucination": (0.0, 20.0, 1),
    "chrf__en_pt": (0.0, 100.0, -1),
    "glossary__success": (0.0, 100.0, -1),
    "erasure__committed": (0.0, 9.0, 1),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_getting_worse_never_makes_a_run_pass(figures: Figures, a_run: MakeRun, data: st.DataObject) -> None:
    """Whatever the baseline, the machine and how many events there are."""
    name = data.draw(st.sampled_from(sorted(CHANGEABLE)))
    low, high, sign = CHANGEABLE[name]
    then, now, step = (data.draw(st.floats(low, high)) for _ in range(3))
    worse = now + sign * step
    then = 0.0 if name == "erasure__committed" else then  # a baseline with any is refused
    n = data.draw(st.sampled_from([1, 10, 60, 240, 2000]))
    run = a_run(plan=data.draw(st.sampled_from(["whole:1", "short:1"])))
    elsewhere = replace(run, machine=Machine("Other", 4, "Linux", 1), speed_ms=data.draw(st.floats(4.0, 30.0)))
    dotted = name.replace("__", ".").replace("_", "-")
    baseline = data.draw(st.sampled_from([None, new_baseline([(replace(run, id="b"), figures(**{name: then}))])]))
    first, second = (judge(with_n(figures(**{name: value}), dotted, n), elsewhere, baseline) for value in (now, worse))
    rank = {"passed": 0, "undecided": 1, "blocked": 2}
    assert rank[second.outcome] >= rank[first.outcome]
    if finding(first, dotted).status == "blocked":
        assert finding(second, dotted).status == "blocked"
