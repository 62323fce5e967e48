"""A process's traces, metrics and alarms together: what its sessions are told to.

async with open_monitor(settings, clock=clock) as monitor:
    with monitor.session(SessionLabels(…), clock=clock) as observer:
        ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING

from vivavoce.clock import Clock, time_of_day_ms
from vivavoce.config.settings import Settings
from vivavoce.contract.profile import AGENT_TURN_CAP_MS, Profile
from vivavoce.ledger.prices import packaged_prices
from vivavoce.telemetry.drift import Drift, DriftWatch
from vivavoce.telemetry.evaluated import Evaluated
from vivavoce.telemetry.genai import models_of
from vivavoce.telemetry.observer import AGENT, TRANSLATE, Observer, Observers, SessionLabels
from vivavoce.telemetry.otlp import OtlpSettings, otlp_settings
from vivavoce.telemetry.packages import METRICS, missing, require
from vivavoce.telemetry.tracing import TraceStats, Tracing, open_tracing

if TYPE_CHECKING:
    from vivavoce.telemetry.metrics import Metrics

REPLY = "reply"
"""A stage of calls: from the decision that the caller has finished to the agent's first sound."""


def caps_of(profile: Profile) -> dict[str, dict[str, float]]:
    """Caps by product and stage."""
    translate = {str(stage): budget.cap_ms for stage, budget in profile.stages.items() if budget.cap_ms is not None}
    return {TRANSLATE: translate, AGENT: {REPLY: AGENT_TURN_CAP_MS}}


class Monitor:
    """Made by `open_monitor`. `metrics` is None where nobody can ask for them."""

    def __init__(self, *, tracing: Tracing | None, metrics: Metrics | None, drift: DriftWatch) -> None:
        self._tracing, self.metrics, self.drift = tracing, metrics, drift

    @contextmanager
    def session(
        self, labels: SessionLabels, *, clock: Clock, outcome: Callable[[], str] = lambda: "done"
    ) -> Iterator[Observer]:
        """What a session is told to, while it lasts; in the end `outcome` is asked, unless an error says it."""
        each: list[Observer] = [self.drift.session(labels)]
        if self.metrics is not None:
            each.append(self.metrics.session(labels))
        if self._tracing is not None:
            each.append(self._tracing.session(labels, clock=clock))
        observer, said = Observers(each), ""
        try:
            yield observer
        except BaseException as error:
            said = type(error).__name__
            raise
        finally:
            observer.ended(said or outcome())


@asynccontextmanager
async def open_monitor(
    settings: Settings,
    *,
    clock: Clock,
    metrics: bool = False,
    metrics_port: int | None = None,
    evaluated: Evaluated | None = None,
    otlp: OtlpSettings | None = None,
    drifted: Callable[[Drift], None] = lambda _: None,
    exported: Callable[[TraceStats], None] = lambda _: None,
) -> AsyncIterator[Monitor]:
    """Traces go where `otlp`, else the settings and the environment, say; there are `metrics` if they are asked for, at
    a port of this machine where one is named.

    `evaluated` is an evaluation of translation that sessions are comparable with. `drifted` hears of alarms, `exported`
    in the end what became of the spans. Raises ConfigError where packages are missing, OutputError for a port that is
    taken.
    """
    profile = settings.contract.resolve()
    caps_ms = caps_of(profile)
    if metrics:
        require("metrics", METRICS)
    drift = DriftWatch(
        caps_ms=caps_ms,
        evaluated_ms={TRANSLATE: evaluated.p95_ms if evaluated else {}},
        engines=evaluated.engines if evaluated else None,
        tolerance=settings.telemetry.drift_tolerance,
        clock_ns=clock.now_ns,
        tell=drifted,
    )
    program = version("vivavoce")
    async with open_tracing(
        otlp or otlp_settings(settings.telemetry),
        models=models_of(settings.engines),
        caps_ms=caps_ms,
        version=program,
        told=exported,
    ) as tracing:
        counted = None
        if metrics:
            from vivavoce.telemetry.metrics import Metrics

            now_ms = time_of_day_ms(clock)
            counted = Metrics(profile=profile, prices=packaged_prices(), now_ms=now_ms, version=program)
            counted.watch_drift(drift)
            if tracing is not None:
                counted.watch_traces(lambda: tracing.stats)
        with _scraped(counted, metrics_port):
            yield Monitor(tracing=tracing, metrics=counted, drift=drift)


def _scraped(metrics: Metrics | None, port: int | None) -> AbstractContextManager[object]:
    if metrics is None or port is None:
        return nullcontext()
    from vivavoce.telemetry.scraping import scraped

    return scraped(metrics, port=port)


def can_measure() -> bool:
    """Whether the packages for metrics are here."""
    return not missing(METRICS)
