from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from vivavoce.errors import ConfigError
from vivavoce.gate.baseline import Baseline
from vivavoce.gate.metric import Metric
from vivavoce.gate.page import spread_page
from vivavoce.gate.run import Run
from vivavoce.gate.spread import spread

Figures = Callable[..., list[Metric]]
MakeRun = Callable[..., Run]


def test_runs_alike_hold(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    found = spread([(a_run(id="1"), figures()), (a_run(id="2"), figures(heard__p95=660.0))], baseline)
    assert found.holds
    assert found.outcomes == ("passed", "passed")
    heard = next(row for row in found.rows if row.name == "heard.p95")
    assert (heard.values, heard.spread, heard.threshold) == ((640.0, 660.0), 20.0, 97.5)
    assert heard.share == pytest.approx(20 / 650)
    assert json.loads(json.dumps(found.to_json()))["holds"] is True


def test_a_spread_as_large_as_its_threshold_does_not_hold(figures: Figures, a_run: MakeRun) -> None:
    found = spread([(a_run(id="1"), figures(stt__wer=6.0)), (a_run(id="2"), figures(stt__wer=7.5))], None)
    assert found.equal
    assert found.too_wide == ("stt.wer",)
    assert not found.holds
    assert "stt.wer" in found.summary


def test_a_figure_that_only_one_run_has_does_not_hold(figures: Figures, a_run: MakeRun) -> None:
    found = spread([(a_run(id="1"), figures()), (a_run(id="2"), figures(wer=None))], None)
    assert found.too_wide == ("wer",)
    assert not found.equal
    none = spread([(a_run(id="1"), figures(wer=None)), (a_run(id="2"), figures(wer=None))], None)
    assert none.holds


def test_unlike_verdicts_do_not_hold(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    found = spread([(a_run(id="1"), figures()), (a_run(id="2"), figures(erasure__committed=1.0))], baseline)
    assert not found.equal
    assert found.summary.startswith("verdicts differ: passed, blocked")


def test_figures_that_are_only_told_may_differ(figures: Figures, a_run: MakeRun) -> None:
    runs = [(a_run(id="1"), figures()), (a_run(id="2"), figures(glossary__control=10.0, heard__p99=2000.0))]
    assert spread(runs, None).holds


def test_unlike_plans_are_not_compared(figures: Figures, a_run: MakeRun) -> None:
    with pytest.raises(ConfigError, match="one run has no spread"):
        spread([(a_run(), figures())], None)
    with pytest.raises(ConfigError, match="different plans, whole:1 and whole:2"):
        spread([(a_run(plan="whole:1"), figures()), (a_run(plan="whole:2"), figures())], None)


def test_unlike_and_void_runs_are_not_compared(figures: Figures, a_run: MakeRun) -> None:
    one = (a_run(id="1"), figures())
    for other, said in (
        (a_run(id="1"), "named twice"),
        (a_run(id="2", void_reason="interrupted"), "run 2 is void: interrupted"),
        (a_run(id="2", config_hash="dead"), "not of one configuration"),
    ):
        with pytest.raises(ConfigError, match=said):
            spread([one, (other, figures())], None)


def test_its_page_has_every_run_and_the_threshold(figures: Figures, a_run: MakeRun) -> None:
    out = StringIO()
    found = spread([(a_run(id="1"), figures(stt__wer=6.0)), (a_run(id="2"), figures(stt__wer=7.5))], None)
    Console(file=out, width=120).print(spread_page(found))
    row = next(line for line in out.getvalue().splitlines() if "stt.wer" in line)
    assert row.split() == ["stt.wer", "6.00", "%", "7.50", "%", "1.50", "%", "22.2", "%", "1.50", "%", "too", "wide"]
