"""What an evaluation leaves for production, and which one is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.cli.evaluated import Reference, reference, remember
from vivavoce.contract.envelope import Machine, this_machine
from vivavoce.errors import ConfigError
from vivavoce.gate.baseline import Baseline, BaselineMetric, BaselinePlan, write_baseline
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import ClipRun, Run
from vivavoce.telemetry.evaluated import Evaluated


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def metric(name: str, value: float | None, n: int = 60) -> Metric:
    return Metric(name=name, value=value, unit="ms", n=n, what="utterances", owner="session")


def run(*, paced: bool = True, void_reason: str | None = None) -> Run:
    return Run(
        id="r1",
        at_ms=1,
        plan="whole:1",
        paced=paced,
        machine=this_machine(),
        versions={},
        config_hash="c1",
        speed_ms=1.0,
        engines={"stt": "whisper"},
        clips=(
            ClipRun(
                id="a", pair="en-pt", register="", reference="", reference_translation="", transcript="", speech_ms=1.0
            ),
        ),
        void_reason=void_reason,
    )


MEASURED = [
    metric("heard.p95", 640.0),
    metric("heard.p50", 500.0),
    metric("heard.short.p95", 1.0),
    metric("stage.stt.p95", 190.0),
    metric("stage.mt.p95", None),
    metric("wer", 9.0),
]


def test_the_last_valid_run_at_real_time_is_remembered() -> None:
    remember(run(), MEASURED)
    remember(run(paced=False), [metric("heard.p95", 1.0)])
    remember(run(void_reason="busy"), [metric("heard.p95", 1.0)])
    remember(run(), [metric("heard.p95", 1.0, n=59)])
    found = Evaluated(
        run="r1",
        at_ms=1,
        p95_ms={"heard": 640.0, "stt": 190.0},
        config_hash="c1",
        engines={"stt": "whisper"},
        pairs=("en-pt",),
    )
    assert reference(None) == Reference("evaluation r1 on this machine", found)


def plan(machine: Machine, *, at_ms: int, paced: bool = True) -> BaselinePlan:
    value = BaselineMetric(value=float(at_ms), worst=0.0, unit="ms", n=60)
    return BaselinePlan(
        runs=(),
        at_ms=at_ms,
        paced=paced,
        machine=machine,
        speed_ms=1.0,
        config_hash="",
        engines={},
        metrics={"heard.p95": value},
    )


def test_a_named_baseline_goes_before_it(tmp_path: Path) -> None:
    remember(run(), MEASURED)
    path, other = tmp_path / "baseline.json", Machine("another", 64, "", 1)
    plans = {
        "old": plan(this_machine(), at_ms=1),
        "new": plan(other, at_ms=2),
        "quality": plan(other, at_ms=3, paced=False),
    }
    write_baseline(Baseline(plans=plans), path)
    found = Evaluated(run="new", at_ms=2, p95_ms={"heard": 2.0}, config_hash="", engines={}, pairs=())
    assert reference(path) == Reference("baseline of new", found, elsewhere=True)
    write_baseline(Baseline(plans={"quality": plans["quality"]}), path)
    with pytest.raises(ConfigError, match="no latencies"):
        reference(path)
