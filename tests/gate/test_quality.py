"""The short part of the gate, in every run of the tests: quality must not be worse than the committed baseline."""

from __future__ import annotations

import asyncio

import pytest

from vivavoce.config.load import default_settings
from vivavoce.errors import ModelMissing, SourceUnreadable
from vivavoce.evals.clip_folder import ready_clips
from vivavoce.evals.clips import Clip, read_clips
from vivavoce.gate.baseline import read_baseline
from vivavoce.gate.metrics import measure
from vivavoce.gate.plan import short_plan
from vivavoce.gate.runner import GateRunner
from vivavoce.gate.verdict import judge

pytest.importorskip("jiwer", reason="the group eval is not installed")
pytest.importorskip("sacrebleu", reason="the group eval is not installed")
pytest.importorskip("psutil", reason="the group eval is not installed")


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    try:
        return read_clips(ready_clips())
    except (ModelMissing, SourceUnreadable) as error:
        pytest.skip(f"the clip set is not here: {error}")


def test_quality_is_not_worse_than_the_baseline(clips: list[Clip]) -> None:
    plan = short_plan(clips)
    baseline = read_baseline()
    assert baseline is not None
    assert plan.label in baseline.plans, "the short part has changed: `vivavoce eval --short`, then `… baseline`"
    runner = GateRunner(default_settings(), plan)
    asyncio.run(runner.run())
    run = runner.result()
    verdict = judge(measure(run), run, baseline)
    assert verdict.outcome == "passed", verdict.summary
