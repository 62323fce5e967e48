"""Made-up runs and figures, for what judges them and shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vivavoce.contract.envelope import Machine
from vivavoce.contract.stats import Interval
from vivavoce.gate.baseline import Baseline, new_baseline
from vivavoce.gate.metric import Metric, Owner
from vivavoce.gate.run import Run

# name: (value, unit, n, what, owner, better)
FIGURES: dict[str, tuple[float, str, int, str, Owner, str]] = {
    "heard.p50": (540.0, "ms", 80, "utterances", "session", "lower"),
    "heard.p95": (640.0, "ms", 80, "utterances", "session", "lower"),
    "heard.p99": (690.0, "ms", 80, "utterances", "session", "lower"),
    "stage.endpoint.p95": (330.0, "ms", 80, "utterances", "session", "lower"),
    "stage.stt.p95": (190.0, "ms", 80, "utterances", "stt", "lower"),
    "stage.mt.p95": (14.0, "ms", 80, "utterances", "mt", "lower"),
    "stage.tts.p95": (280.0, "ms", 80, "utterances", "tts", "lower"),
    "stage.queue.p95": (200.0, "ms", 80, "utterances", "session", "lower"),
    "unheard": (0.0, "%", 80, "utterances", "session", "lower"),
    "unspoken": (0.0, "%", 240, "clauses", "session", "lower"),
    "wer": (8.0, "%", 1400, "words", "stt", "lower"),
    "stt.wer": (7.5, "%", 1400, "words", "stt", "lower"),
    "chrf.en-pt": (58.0, "", 6, "clips", "session", "higher"),
    "mt.chrf.en-pt": (62.0, "", 6, "clips", "mt", "higher"),
    "hallucination": (1.0, "%", 240, "clauses", "mt", "lower"),
    "hallucination.silence": (0.0, "%", 240, "clauses", "stt", "lower"),
    "hallucination.repetition": (0.5, "%", 240, "clauses", "mt", "lower"),
    "mt.hallucination": (0.8, "%", 240, "clauses", "mt", "lower"),
    "glossary.success": (97.0, "%", 60, "terms", "mt", "higher"),
    "glossary.control": (60.0, "%", 60, "words", "mt", "higher"),
    "mt.glossary.success": (98.0, "%", 60, "terms", "mt", "higher"),
    "erasure.committed": (0.0, "words", 1400, "words", "stt", "lower"),
    "failed": (0.0, "clips", 30, "clips", "session", "lower"),
    "stt.failed": (0.0, "windows", 30, "clips", "stt", "lower"),
    "mt.failed": (0.0, "sentences", 240, "sentences", "mt", "lower"),
}


def _figures(**values: float | None) -> list[Metric]:
    """Figures that pass; `values` are others for some, by name with two underscores for a dot and one for a dash."""
    changed = {name.replace("__", ".").replace("_", "-"): value for name, value in values.items()}
    made = []
    for name, (usual, unit, n, what, owner, better) in FIGURES.items():
        value = changed.pop(name, usual)
        interval = None if value is None else Interval(0.9 * value, 1.1 * value)
        made.append(
            Metric(
                name=name,
                value=value,
                unit=unit,
                n=n,
                what=what,
                owner=owner,
                better=better,
                interval=interval,  # type: ignore[arg-type]
            )
        )
    assert not changed, f"no such figures: {changed}"
    return made


def _run(**fields: Any) -> Run:
    usual = {
        "id": "r1",
        "at_ms": 1_767_225_600_000,
        "plan": "whole:0f1e2d3c",
        "paced": True,
        "machine": Machine("Some CPU", 2, "Linux 6", 8192),
        "versions": {"vivavoce": "0.1.0"},
        "config_hash": "c0ffee",
        "speed_ms": 10.0,
        "engines": {"stt": "whisper", "mt": "bergamot", "tts": "kokoro"},
        "caps_ms": {"endpoint": 400.0, "stt": 210.0, "mt": 30.0, "tts": 310.0},
    }
    return Run(**(usual | fields))


@pytest.fixture
def figures() -> Callable[..., list[Metric]]:
    return _figures


@pytest.fixture
def a_run() -> Callable[..., Run]:
    return _run


@pytest.fixture
def baseline() -> Baseline:
    """Of three runs, which differ a little in latency."""
    runs = [
        (_run(id=f"b{number}"), _figures(heard__p95=640.0 + away, stage__tts__p95=280.0 + away))
        for number, away in enumerate((-4.0, 0.0, 4.0))
    ]
    return new_baseline(runs)
