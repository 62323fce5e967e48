"""Figures of a process for Prometheus. Labels are names of ours, of the configuration's engines, or few kinds.

Names follow "Metric and label naming" of the Prometheus documentation: base units, `_total` for counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vivavoce.contract.profile import AGENT_TURN_CAP_MS, AGENT_WHOLE_TURN_CAP_MS, PROFILES, Profile
from vivavoce.ledger.prices import Prices
from vivavoce.ledger.usage import Work
from vivavoce.telemetry.drift import DriftWatch
from vivavoce.telemetry.observer import Passage, SessionLabels, Unobserved
from vivavoce.telemetry.tracing import TraceStats

_USUAL_MS: Final = (5, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 1000, 1500, 2000, 5000)
_OUTCOMES: Final = frozenset({"done", "interrupted", "never came"})
_LATENCIES: Final = {
    "late": "How much later than due frames left.",
    "clear": "From an interruption until nothing more of ours was sent.",
    "silero_wait": "How long sound waited for voice detection.",
    "event_age": "How old events were when they were taken.",
}
_NANO: Final = 1_000_000_000
_QUANTILES: Final = {"p50": "0.5", "p95": "0.95", "p99": "0.99", "p999": "0.999"}


def buckets_of(profiles: Sequence[Profile]) -> list[float]:
    """Upper bounds in seconds: usual ones, and every target and cap, so that what is over a cap is counted exactly."""
    bounds_ms: set[float] = {*_USUAL_MS, AGENT_TURN_CAP_MS, AGENT_WHOLE_TURN_CAP_MS}
    for profile in profiles:
        for budget in profile.stages.values():
            bounds_ms |= {ms for ms in (budget.target_ms, budget.cap_ms) if ms}
    return [ms / 1000 for ms in sorted(bounds_ms)]


class Metrics:
    """All figures of one process. `session` gives what counts one session; `text` is what Prometheus reads.

    `now_ms` is the time of day that prices are looked up for.
    """

    def __init__(self, *, profile: Profile, prices: Prices, now_ms: Callable[[], int], version: str) -> None:
        self._prices, self._now_ms = prices, now_ms
        # When a counter began is in none of our questions, and would be a second line for each of them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        Info("vivavoce_build", "The program.", registry=registry).info({"version": version})
        buckets = buckets_of([*PROFILES.values(), profile])
        work = ("leg", "engine")

        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"vivavoce_{name}", told, labels, registry=registry)

        self.stage = Histogram(
            "vivavoce_stage_seconds",
            "A stage of the latency contract, for each utterance; heard is the whole.",
            ("product", "stage"),
            buckets=buckets,
            registry=registry,
        )
        self.answer = Histogram(
            "vivavoce_answer_seconds",
            "How long an engine's answers took.",
            work,
            buckets=buckets,
            registry=registry,
        )
        self.active = Gauge("vivavoce_sessions_active", "Sessions that go on.", ("product",), registry=registry)
        self.sessions = counter("sessions", "Sessions that are over.", "product", "outcome")
        self.utterances = counter("utterances", "Utterances that were interpreted, or answered.", "product")
        self.clauses = counter("clauses", "Clauses that were translated; spoken in the dub, or not.", "spoken")
        self.glossary = counter("glossary_terms", "Locked terms in clauses, by how their rendering came about.", "fate")
        self.sound = counter("sound_seconds", "Sound that was recognised, or spoken.", *work)
        self.characters = counter("characters", "Characters that were translated, or spoken.", *work)
        self.tokens = counter("tokens", "Tokens of language models.", *work, "direction")
        self.cost = counter("cost_dollars", "What that cost by the price list, in US dollars.", *work)
        self.unpriced = counter("unpriced_work", "Work whose price nobody knows.", *work)
        self.failovers = counter("failovers", "How often a leg went to an engine that is not its first.", *work)
        self.degradations = counter("degradations", "What was less than asked for, as it was told users.", "kind")
        self.interruptions = counter("interruptions", "Of the agent, by callers: meant, or only seeming.", "outcome")

    def session(self, labels: SessionLabels) -> CountedSession:
        """Count a session that begins now."""
        return CountedSession(self, labels)

    def watch_media(self, stats: Callable[[], Mapping[str, Any]]) -> None:
        """Tell a media plane's figures, too; see `vivavoce.media.Engine.stats`."""
        self.registry.register(_Media(stats))

    def watch_drift(self, drift: DriftWatch) -> None:
        self.registry.register(_Drift(drift))

    def watch_traces(self, stats: Callable[[], TraceStats]) -> None:
        self.registry.register(_Traces(stats))

    def text(self) -> bytes:
        """All of it in Prometheus's text format; of `packages.CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def cost_nano(self, engine: str, work: Work) -> int | None:
        return self._prices.cost(engine, work.quantities, at_ms=self._now_ms()).nano


class CountedSession(Unobserved):
    """Implements `Observer` by counting. Each of its methods takes microseconds."""

    def __init__(self, metrics: Metrics, labels: SessionLabels) -> None:
        self._metrics, self._labels, self._over = metrics, labels, False
        metrics.active.labels(labels.product).inc()

    def used(self, leg: str, engine: str, work: Work) -> None:
        metrics = self._metrics
        if work.latency_ms is not None:
            metrics.answer.labels(leg, engine).observe(work.latency_ms / 1000)
        if work.sound_ms:
            metrics.sound.labels(leg, engine).inc(work.sound_ms / 1000)
        if work.characters:
            metrics.characters.labels(leg, engine).inc(work.characters)
        for direction, tokens in (("input", work.tokens_in), ("output", work.tokens_out)):
            if tokens:
                metrics.tokens.labels(leg, engine, direction).inc(tokens)
        cost_nano = metrics.cost_nano(engine, work)
        if cost_nano is None:
            metrics.unpriced.labels(leg, engine).inc()
        elif cost_nano:
            metrics.cost.labels(leg, engine).inc(cost_nano / _NANO)

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        if why:
            self._metrics.failovers.labels(leg, engine).inc()

    def passed(self, passage: Passage) -> None:
        product = self._labels.product
        self._metrics.utterances.labels(product).inc()
        if self._labels.paced:
            for stage, ms in passage.durations_ms().items():
                self._metrics.stage.labels(product, stage).observe(ms / 1000)

    def clause(self, *, spoken: bool) -> None:
        self._metrics.clauses.labels(str(spoken).lower()).inc()

    def terms(self, *, kept: int, rescued: int, missed: int) -> None:
        for fate, count in (("kept", kept), ("rescued", rescued), ("missed", missed)):
            self._metrics.glossary.labels(fate).inc(count)

    def noticed(self, kind: str) -> None:
        self._metrics.degradations.labels(kind).inc()

    def interrupted(self, *, confirmed: bool) -> None:
        self._metrics.interruptions.labels("confirmed" if confirmed else "refuted").inc()

    def ended(self, outcome: str) -> None:
        if self._over:
            return
        self._over = True
        self._metrics.active.labels(self._labels.product).dec()
        self._metrics.sessions.labels(self._labels.product, outcome if outcome in _OUTCOMES else "failed").inc()


class _Media(Collector):
    def __init__(self, stats: Callable[[], Mapping[str, Any]]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats()
        yield GaugeMetricFamily("vivavoce_media_calls", "Calls whose sound comes.", value=stats["calls"])
        yield CounterMetricFamily("vivavoce_media_refused", "Connections that were refused.", value=stats["refused"])
        frames = CounterMetricFamily("vivavoce_media_frames", "Frames of 20 ms of calls.", labels=["kind"])
        for kind in ("in", "out", "late", "lost"):
            frames.add_metric([kind], stats[f"frames_{kind}"])
        yield frames
        yield CounterMetricFamily(
            "vivavoce_media_worker_cpu_seconds", "CPU time of the plane's workers.", value=stats["worker_cpu_s"]
        )
        for name in _LATENCIES:
            yield _latency(name, stats[f"{name}_ms"])

    def describe(self) -> Iterator[Metric]:
        return iter(())


def _latency(name: str, figures: Mapping[str, float]) -> Metric:
    """Quantiles since the start, as gauges: the plane tells no sum, which a summary has."""
    quantiles = GaugeMetricFamily(f"vivavoce_media_{name}_seconds", _LATENCIES[name], labels=["q"])
    for key, quantile in _QUANTILES.items():
        quantiles.add_metric([quantile], figures[key] / 1000)
    return quantiles


class _Drift(Collector):
    def __init__(self, drift: DriftWatch) -> None:
        self._drift = drift

    def collect(self) -> Iterator[Metric]:
        labels = ["product", "stage", "against"]
        raised = GaugeMetricFamily("vivavoce_drift", "1 while p95 is past what it is held against.", labels=labels)
        p95 = GaugeMetricFamily("vivavoce_drift_p95_seconds", "p95 of the window.", labels=labels)
        limit = GaugeMetricFamily("vivavoce_drift_limit_seconds", "What p95 may be.", labels=labels)
        for (product, stage, against), state in self._drift.states().items():
            of = [product, stage, against]
            raised.add_metric(of, float(state.raised))
            limit.add_metric(of, state.limit_ms / 1000)
            if state.p95_ms is not None:
                p95.add_metric(of, state.p95_ms / 1000)
        yield from (raised, p95, limit)

    def describe(self) -> Iterator[Metric]:
        return iter(())


class _Traces(Collector):
    def __init__(self, stats: Callable[[], TraceStats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats()
        spans = CounterMetricFamily("vivavoce_spans", "Spans by what became of them.", labels=["fate"])
        for fate in ("sent", "failed", "dropped"):
            spans.add_metric([fate], getattr(stats, fate))
        yield spans

    def describe(self) -> Iterator[Metric]:
        return iter(())
