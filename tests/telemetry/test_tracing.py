"""Traces as a collector gets them, and sessions that do not notice one which is dead."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from vivavoce.clock import NS_PER_MS, SteppedClock
from vivavoce.config.load import default_settings
from vivavoce.errors import ConfigError
from vivavoce.ledger.usage import Work
from vivavoce.telemetry.genai import Model, models_of
from vivavoce.telemetry.observer import AGENT, Observer, Passage, SessionLabels
from vivavoce.telemetry.otlp import OtlpSettings, otlp_settings
from vivavoce.telemetry.trace import Rows
from vivavoce.telemetry.tracing import LEAVING_S, TraceStats, open_tracing

CANARY = "canary-of-what-was-said"
MODELS = {"chat": Model("openai", "gpt-4o-mini"), "whisper": Model("vivavoce", "whisper")}
CAPS_MS = {"translate": {"stt": 150.0, "mt": 300.0}}
LABELS = SessionLabels(session_id="s1", product="translate", app_id="film", source="en", target="pt")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OTEL_SERVICE_NAME",
        "OTEL_TRACES_SAMPLER",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
    ):
        monkeypatch.delenv(name, raising=False)


def ns(ms: float) -> int:
    return round(ms * NS_PER_MS)


async def interpret(session: Observer, clock: SteppedClock) -> None:
    """An utterance of a second: recognised in 100 ms, translated in 200 ms after an earlier clause in 50 ms."""

    async def at(ms: float) -> None:
        await clock.sleep_until(ns(ms))

    session.moved("stt", "whisper", place=1, why="")
    await at(600)
    session.used("mt", "chat", Work(characters=9, tokens_in=90, tokens_out=9, latency_ms=50.0, prompt_version="v1"))
    await at(1164)
    session.used("stt", "whisper", Work(sound_ms=1000.0))
    session.used("stt", "whisper", Work(sound_ms=0.0, latency_ms=100.0))
    await at(1365)
    session.used("mt", "chat", Work(characters=30, tokens_in=120, tokens_out=12, latency_ms=200.0, prompt_version="v1"))
    session.clause(spoken=True)
    await at(1400)
    session.moved("mt", "pairs", place=2, why=CANARY)
    session.noticed("faster")
    await at(1500)
    stages = {"trigger": (1000, 1064), "stt": (1064, 1164), "mt": (1165, 1365), "endpoint": (1000, 1320)}
    passage = {name: (ns(start), ns(end)) for name, (start, end) in stages.items()}
    session.passed(Passage(number=1, start_ns=0, end_ns=ns(1365), stages=passage, told={"language": "en"}))


def run(settings: OtlpSettings | None, *, outcome: str = "done", labels: SessionLabels = LABELS) -> TraceStats | None:
    told: list[TraceStats] = []

    async def main() -> None:
        clock = SteppedClock()
        async with open_tracing(settings, models=MODELS, caps_ms=CAPS_MS, version="1", told=told.append) as tracing:
            if tracing is not None:
                session = tracing.session(labels, clock=clock)
                await interpret(session, clock)
                session.ended(outcome)

    asyncio.run(main())
    return told[0] if told else None


def to(collector: Any, **more: Any) -> OtlpSettings:
    return OtlpSettings(f"{collector.url}/v1/traces", **more)


def test_a_session_is_a_trace_of_utterances_stages_and_answers(collector: Any) -> None:
    before_ns = time.time_ns()
    assert run(to(collector)) == TraceStats(sent=len(collector.spans))
    (root,), (utterance,) = collector.named("interpret en-pt"), collector.named("utterance")
    assert {span.trace for span in collector.spans} == {root.trace}
    assert (root.parent, utterance.parent) == ("", root.id)
    assert root.attributes["gen_ai.conversation.id"] == "s1"
    assert (root.attributes["vivavoce.app"], root.attributes["vivavoce.clauses"]) == ("film", 1)
    assert root.attributes["vivavoce.stt.whisper.sound_s"] == 1.0
    assert (utterance.attributes["vivavoce.language"], utterance.attributes["vivavoce.mt_ms"]) == ("en", 200.0)
    inside = collector.children(utterance)
    assert sorted(span.name for span in inside) == ["chat gpt-4o-mini", "endpoint", "mt", "stt", "trigger"]
    (mt,), (stt,) = collector.named("mt"), collector.named("stt")
    assert (stt.end_ns - stt.start_ns, mt.end_ns - mt.start_ns) == (ns(100), ns(200))
    assert (mt.attributes["vivavoce.cap_ms"], mt.attributes["vivavoce.over_cap"]) == (300.0, False)
    assert stt.attributes["vivavoce.engine"] == "whisper"
    (asked,) = collector.children(mt)
    assert asked.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.output.type": "text",
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 12,
        "vivavoce.leg": "mt",
        "vivavoce.engine": "chat",
        "vivavoce.characters": 30,
        "vivavoce.prompt.version": "v1",
    }
    assert [name for name, _ in root.events] == ["vivavoce.engine", "vivavoce.engine", "vivavoce.notice"]
    # Sample time is mapped to the time of day.
    assert before_ns <= root.start_ns <= time.time_ns()
    assert (mt.start_ns - root.start_ns, root.end_ns - root.start_ns) == (ns(1165), ns(1500))
    assert collector.resource["service.name"] == "vivavoce"


def test_no_text_is_in_it(collector: Any) -> None:
    run(to(collector))
    assert collector.bodies
    assert all(CANARY.encode() not in body for body in collector.bodies)


def test_a_session_that_broke_is_an_error(collector: Any) -> None:
    run(to(collector), outcome="LegTimeout")
    (root,) = [span for span in collector.spans if not span.parent]
    assert root.failed
    assert root.attributes["error.type"] == "LegTimeout"


def test_a_call_invokes_an_agent(collector: Any) -> None:
    run(to(collector), labels=SessionLabels(session_id="s2", product=AGENT, name="appointments"))
    (root,) = collector.named("invoke_agent appointments")
    assert root.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert root.attributes["gen_ai.agent.name"] == "appointments"


def test_the_environment_says_who_we_are_and_what_is_sampled(collector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20eA")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "dubbing")
    settings = otlp_settings(default_settings().telemetry)
    assert settings is not None
    assert run(settings)
    assert collector.resource["service.name"] == "dubbing"
    assert (collector.headers["authorization"], collector.headers["path"]) == ("Basic eA", "/v1/traces")
    collector.spans.clear()
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert run(settings) == TraceStats()
    assert not collector.spans


@pytest.mark.parametrize("status", [400, 503])
def test_a_collector_that_refuses_costs_spans_and_nothing_else(collector: Any, status: int) -> None:
    collector.status = status
    begun_s = time.monotonic()
    stats = run(to(collector))
    assert stats is not None
    assert (stats.sent, stats.lost > 0) == (0, True)
    assert time.monotonic() - begun_s < LEAVING_S + 4


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


def test_a_collector_that_hangs_delays_the_end_by_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_port() as port:
        begun_s = time.monotonic()
        stats = run(OtlpSettings(f"http://127.0.0.1:{port}/v1/traces", every_s=0.01))
        assert time.monotonic() - begun_s < LEAVING_S + 4
    assert stats is not None
    assert stats.sent == 0


def test_of_what_waits_too_long_the_newest_is_dropped_but_for_the_root(collector: Any) -> None:
    stats = run(to(collector, most=1))
    assert stats is not None
    assert stats.dropped > 0
    assert stats.sent == len(collector.spans) == 1
    (root,) = collector.named("interpret en-pt")
    assert root.attributes["vivavoce.utterances"] == 1


def test_what_nobody_foresaw_is_counted_and_ends_nothing(
    collector: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from vivavoce.telemetry.spans import SpanMaker

    make, broken = SpanMaker.make, []

    def once(maker: SpanMaker, rows: Rows) -> None:
        if not broken:
            broken.append(rows)
            raise KeyError(CANARY)
        make(maker, rows)

    monkeypatch.setattr(SpanMaker, "make", once)
    stats = run(to(collector))
    assert stats is not None
    assert (stats.dropped, stats.sent) == (broken[0].spans, len(collector.spans))
    assert collector.named("interpret en-pt")
    assert "KeyError" in caplog.text
    assert CANARY not in caplog.text


def test_an_exporter_that_breaks_is_tried_again(collector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    export, broken = OTLPSpanExporter.export, []

    def once(exporter: OTLPSpanExporter, batch: Any) -> Any:
        if not broken:
            broken.extend(batch)
            raise OSError
        return export(exporter, batch)

    monkeypatch.setattr(OTLPSpanExporter, "export", once)
    stats = run(to(collector, batch=2))
    assert stats is not None
    assert (stats.dropped, stats.sent) == (2, len(collector.spans))
    assert stats.sent > 2


def test_nothing_is_imported_for_nothing() -> None:
    import subprocess
    import sys

    code = """
import asyncio, sys
from vivavoce.clock import SystemClock
from vivavoce.config.load import default_settings
from vivavoce.telemetry.monitor import open_monitor
async def main():
    async with open_monitor(default_settings(), clock=SystemClock()):
        assert not [name for name in sys.modules if name.startswith(("opentelemetry", "prometheus"))], "imported"
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": ""}, timeout=60)


URL = "http://localhost:4318"


@pytest.mark.parametrize(
    ("otlp", "environment", "endpoint"),
    [
        ("", {}, None),
        (URL, {}, f"{URL}/v1/traces"),
        (f"{URL}/v1/traces", {}, f"{URL}/v1/traces"),
        (URL, {"OTEL_TRACES_EXPORTER": "none"}, None),
        (URL, {"OTEL_SDK_DISABLED": "true"}, None),
        (URL, {"VIVAVOCE_TELEMETRY": "off"}, None),
        (URL, {"DO_NOT_TRACK": "1"}, None),
    ],
)
def test_where_to(otlp: str, environment: dict[str, str], endpoint: str | None) -> None:
    settings = default_settings().telemetry.model_copy(update={"otlp": otlp})
    found = otlp_settings(settings, environment)
    assert (found and found.endpoint) == endpoint


def test_the_environment_goes_before_the_settings() -> None:
    settings = default_settings().telemetry.model_copy(update={"otlp": URL})
    found = otlp_settings(
        settings, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a/b", "OTEL_BSP_MAX_QUEUE_SIZE": "9"}
    )
    assert found == OtlpSettings(None, most=9)


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "many"},
    ],
)
def test_what_cannot_be_done_is_refused(environment: dict[str, str]) -> None:
    settings = default_settings().telemetry.model_copy(update={"otlp": URL})
    with pytest.raises(ConfigError) as refused:
        otlp_settings(settings, environment)
    assert refused.value.hint


def test_engines_are_named_by_provider_and_model() -> None:
    settings = default_settings()
    found = models_of(settings.engines)
    assert found["whisper"] == Model("vivavoce", "whisper")
    assert {found[name].provider for name in ("deepgram", "cartesia")} == {"deepgram", "cartesia"}
