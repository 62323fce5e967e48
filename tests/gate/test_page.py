from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

from rich.console import Console

from vivavoce.gate.baseline import Baseline, new_baseline
from vivavoce.gate.metric import Metric
from vivavoce.gate.page import WIDTH, verdict_page
from vivavoce.gate.run import Run
from vivavoce.gate.verdict import Verdict, judge

Figures = Callable[..., list[Metric]]
MakeRun = Callable[..., Run]


def shown(verdict: Verdict, run: Run, width: int = WIDTH) -> str:
    out = StringIO()
    Console(file=out, width=width).print(verdict_page(verdict, run))
    return out.getvalue()


def line(page: str, name: str) -> str:
    return next(line for line in page.splitlines() if line.split()[:1] == [name])


def test_every_figure_stands_beside_its_bar_and_baseline(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    page = shown(judge(figures(wer=13.0), a_run(), baseline), a_run())
    for metric in figures():
        assert metric.name in page
    cells = "wer 13.00 % 11.70–14.30 1400 < 12 8.00 +5.00 +1.50 blocked session"
    assert line(page, "wer").split() == cells.split()
    assert line(page, "heard.p95").split()[:4] == ["heard.p95", "640", "ms", "576–704"]
    assert "Latency: replayed at real time through the whole path: passed" in page
    assert "Quality: texts against references: blocked" in page
    assert page.rstrip().endswith("blocked by wer; it lies on session")


def test_a_held_miss_is_seen(figures: Figures, a_run: MakeRun) -> None:
    held = new_baseline([(a_run(), figures(heard__p95=820.0))])
    page = shown(judge(figures(heard__p95=820.0), a_run(), held), a_run())
    assert "held" in line(page, "heard.p95")
    assert page.rstrip().endswith("passed; short of bar or cap, held with the baseline: heard.p95")


def test_too_few_events_say_how_many_are_needed(figures: Figures, a_run: MakeRun) -> None:
    few = [metric for metric in figures() if not metric.name.startswith("heard")]
    few.append(Metric(name="heard.p95", value=500.0, unit="ms", n=12, what="utterances", owner="session"))
    assert "12/60" in line(shown(judge(few, a_run(), None), a_run()), "heard.p95").split()


def test_it_fits_into_its_width(figures: Figures, a_run: MakeRun, baseline: Baseline) -> None:
    metrics = [*figures(), replace(figures()[-1], name="mt.glossary.consistency")]
    page = shown(judge(metrics, a_run(), baseline), a_run(), WIDTH)
    assert "…" not in page
    assert all("pass" in line(page, name) for name in ("heard.p95", "chrf.en-pt"))
