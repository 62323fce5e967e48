from __future__ import annotations

from collections.abc import Callable

import pytest

from vivavoce.gate.baseline import Baseline
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import Run
from vivavoce.gate.verdict import judge

# What each kind of regression does to the figures, and on which leg it lies.
PLANTS = {
    "a recogniser with added errors": (
        {"wer": 14.0, "stt__wer": 14.0, "chrf__en_pt": 50.0, "glossary__success": 88.0, "hallucination": 3.0},
        ("stt",),
    ),
    "a translation that invents": (
        {"hallucination": 9.0, "mt__hallucination": 9.0, "chrf__en_pt": 51.0, "mt__chrf__en_pt": 55.0},
        ("mt",),
    ),
    "a prompt that drops a term": ({"glossary__success": 80.0, "mt__glossary__success": 80.0}, ("mt",)),
    "a slower voice": ({"stage__tts__p95": 480.0, "heard__p50": 740.0, "heard__p95": 840.0}, ("tts",)),
    "a slow voice that makes clauses queue": (
        {"stage__tts__p95": 700.0, "stage__queue__p95": 900.0, "heard__p95": 1300.0},
        ("tts",),
    ),
    "a queue of its own": ({"stage__queue__p95": 600.0}, ("session",)),
    "a path that loses words": ({"wer": 14.0, "chrf__en_pt": 50.0}, ("session",)),
    "text where nobody speaks": ({"hallucination": 4.0, "hallucination__silence": 3.0}, ("stt",)),
    "a wait in no stage": ({"heard__p95": 900.0}, ("session",)),
    "both legs, translation more": (
        {"stt__wer": 9.6, "mt__chrf__en_pt": 52.0, "chrf__en_pt": 46.0, "mt__glossary__success": 80.0},
        ("mt", "stt"),
    ),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_regression_is_placed_on_its_leg(
    plant: str, figures: Callable[..., list[Metric]], a_run: Callable[..., Run], baseline: Baseline
) -> None:
    changed, legs = PLANTS[plant]
    verdict = judge(figures(**changed), a_run(), baseline)
    told = verdict.of("told")
    assert len(verdict.blocked) == sum(name.replace("__", ".").replace("_", "-") not in told for name in changed)
    assert verdict.placed == legs


def test_a_leg_that_is_nearly_blocked_alone_is_evidence(
    figures: Callable[..., list[Metric]], a_run: Callable[..., Run], baseline: Baseline
) -> None:
    verdict = judge(figures(chrf__en_pt=55.5, mt__chrf__en_pt=60.5), a_run(), baseline)
    assert verdict.blocked == ("chrf.en-pt",)
    assert verdict.placed == ("mt",)


def test_without_figures_of_legs_alone_the_owner_has_it(
    figures: Callable[..., list[Metric]], a_run: Callable[..., Run], baseline: Baseline
) -> None:
    path = [metric for metric in figures(hallucination=9.0) if not metric.name.startswith(("mt.", "stt.", "stage."))]
    for plan in ("short:9", "whole:9"):
        verdict = judge(path, a_run(plan=plan), baseline)
        assert verdict.blocked == ("hallucination",)
        assert verdict.placed == ("mt",)
