"""Metrics as Prometheus reads them: of the official parser, with names by its conventions and few labels."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest

from vivavoce.clock import NS_PER_MS
from vivavoce.config.load import default_settings
from vivavoce.contract.profile import PROFILES
from vivavoce.errors import OutputError
from vivavoce.ledger.prices import packaged_prices
from vivavoce.ledger.usage import Work
from vivavoce.telemetry.drift import DriftWatch
from vivavoce.telemetry.observer import Passage, SessionLabels
from vivavoce.telemetry.tracing import TraceStats

pytest.importorskip("prometheus_client", reason="the group telemetry is not installed")

from prometheus_client.parser import text_string_to_metric_families

from vivavoce.telemetry.metrics import Metrics, buckets_of
from vivavoce.telemetry.scraping import scraped

CANARY = "canary-of-what-was-said"
LABELS = SessionLabels(session_id="canary-id", product="translate", app_id="canary-app", source="en", target="pt")


def metrics_now() -> Metrics:
    profile = default_settings().contract.resolve()
    return Metrics(profile=profile, prices=packaged_prices(), now_ms=lambda: 1_780_000_000_000, version="1")


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def passage(**stages_ms: float) -> Passage:
    stages = {name: (0, round(ms * NS_PER_MS)) for name, ms in stages_ms.items()}
    return Passage(number=1, start_ns=0, end_ns=1, stages=stages, told={"text": CANARY})


def test_a_session_is_counted() -> None:
    metrics = metrics_now()
    session = metrics.session(LABELS)
    found = samples(metrics.text())
    assert found["vivavoce_sessions_active", (("product", "translate"),)] == 1
    session.moved("stt", "deepgram", place=1, why="")
    session.moved("stt", "whisper", place=2, why=CANARY)
    session.used("stt", "deepgram", Work(sound_ms=60_000.0))
    session.used("mt", "gpt-4o-mini", Work(characters=40, tokens_in=1000, tokens_out=100, latency_ms=180.0))
    session.used("tts", "unheard-of", Work(characters=40))
    session.clause(spoken=True)
    session.clause(spoken=False)
    session.terms(kept=2, rescued=1, missed=0)
    session.noticed("dub cap")
    session.interrupted(confirmed=False)
    session.passed(passage(stt=210.0, heard=700.1))
    session.ended("LegTimeout")
    session.ended("done")
    found = samples(metrics.text())

    def value(name: str, **labels: str) -> float:
        return found[f"vivavoce_{name}", tuple(sorted(labels.items()))]

    assert value("sessions_active", product="translate") == 0
    assert value("sessions_total", product="translate", outcome="failed") == 1
    assert value("utterances_total", product="translate") == 1
    assert (value("clauses_total", spoken="true"), value("clauses_total", spoken="false")) == (1, 1)
    fates = [value("glossary_terms_total", fate=fate) for fate in ("kept", "rescued", "missed")]
    assert fates == [2, 1, 0]
    assert value("sound_seconds_total", leg="stt", engine="deepgram") == 60
    assert value("tokens_total", leg="mt", engine="gpt-4o-mini", direction="input") == 1000
    assert value("characters_total", leg="mt", engine="gpt-4o-mini") == 40
    assert value("failovers_total", leg="stt", engine="whisper") == 1
    assert value("degradations_total", kind="dub cap") == 1
    assert value("interruptions_total", outcome="refuted") == 1
    assert 0 < value("cost_dollars_total", leg="stt", engine="deepgram") < 1
    assert value("unpriced_work_total", leg="tts", engine="unheard-of") == 1
    assert value("answer_seconds_count", leg="mt", engine="gpt-4o-mini") == 1
    # What is exactly at its cap is not over it.
    assert value("stage_seconds_bucket", product="translate", stage="stt", le="0.21") == 1
    assert value("stage_seconds_bucket", product="translate", stage="stt", le="0.2") == 0
    assert value("stage_seconds_bucket", product="translate", stage="heard", le="0.7") == 0
    assert "canary" not in metrics.text().decode()
    assert not [name for name, _ in found if name.endswith("_created")]


def test_stages_of_a_file_that_is_not_played_mean_nothing() -> None:
    metrics = metrics_now()
    metrics.session(SessionLabels(session_id="s", product="translate", paced=False)).passed(passage(stt=1.0))
    found = samples(metrics.text())
    assert found["vivavoce_utterances_total", (("product", "translate"),)] == 1
    assert not [name for name, _ in found if name.startswith("vivavoce_stage_seconds_")]


def test_every_cap_and_target_is_a_bound() -> None:
    bounds = buckets_of([*PROFILES.values()])
    assert bounds == sorted(set(bounds))
    for profile in PROFILES.values():
        for budget in profile.stages.values():
            assert budget.target_ms / 1000 in bounds
            assert budget.cap_ms is None or budget.cap_ms / 1000 in bounds


def test_drift_media_and_traces_are_told() -> None:
    metrics = metrics_now()
    watch = DriftWatch(
        caps_ms={"translate": {"stt": 200.0}},
        evaluated_ms={"translate": {"stt": 100.0}},
        tolerance=0.25,
        clock_ns=lambda: 0,
        tell=lambda _: None,
    )
    metrics.watch_drift(watch)
    metrics.watch_traces(lambda: TraceStats(sent=3, failed=2, dropped=1))
    quantiles = {"p50": 1.0, "p95": 2.0, "p99": 3.0, "p999": 4.0, "max": 5.0, "n": 6}
    latencies: dict[str, Any] = dict.fromkeys(("late_ms", "clear_ms", "silero_wait_ms", "event_age_ms"), quantiles)
    frames = {f"frames_{kind}": n for n, kind in enumerate(("in", "out", "late", "lost"))}
    metrics.watch_media(lambda: {"calls": 7, "refused": 8, "worker_cpu_s": 0.5, **frames, **latencies})
    for _ in range(20):
        watch.observe("translate", {"stt": 300.0})
    found = samples(metrics.text())
    cap = (("against", "cap"), ("product", "translate"), ("stage", "stt"))
    evaluation = (("against", "evaluation"), *cap[1:])
    assert (found["vivavoce_drift", cap], found["vivavoce_drift", evaluation]) == (1, 0)
    assert found["vivavoce_drift_p95_seconds", cap] == 0.3
    assert ("vivavoce_drift_p95_seconds", evaluation) not in found, "twenty are too few for that"
    assert found["vivavoce_drift_limit_seconds", evaluation] == 0.125
    assert found["vivavoce_spans_total", (("fate", "dropped"),)] == 1
    assert found["vivavoce_media_calls", ()] == 7
    assert found["vivavoce_media_frames_total", (("kind", "lost"),)] == 3
    assert found["vivavoce_media_late_seconds", (("q", "0.95"),)] == 0.002


def test_a_port_tells_them_while_it_is_open() -> None:
    metrics = metrics_now()
    with scraped(metrics, port=0) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert ("vivavoce_build_info", (("version", "1"),)) in samples(answer.read())
        with pytest.raises(OutputError, match=str(port)) as refused, scraped(metrics, port=port):
            pass
        assert "--metrics" in refused.value.hint
    with scraped(metrics, port=port):
        pass
