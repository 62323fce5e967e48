"""What one `vivavoce translate` tells of itself: traces, metrics and drift."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console

from vivavoce.accounts.accounts import DONE, SessionFacts
from vivavoce.clock import Clock, SystemClock
from vivavoce.config.settings import Settings, config_hash
from vivavoce.telemetry.drift import Drift
from vivavoce.telemetry.evaluated import load_evaluated
from vivavoce.telemetry.monitor import open_monitor
from vivavoce.telemetry.observer import Observer, SessionLabels
from vivavoce.telemetry.tracing import TraceStats


class Told:
    """How the session ended, once that is known."""

    outcome = DONE


@asynccontextmanager
async def monitored(
    settings: Settings,
    facts: SessionFacts,
    console: Console,
    *,
    clock: Clock,
    paced: bool,
    metrics_port: int | None,
    drifted: Callable[[Drift], None],
    told: Told,
) -> AsyncIterator[Observer]:
    """Who is to be told of the session; left, its trace is on its way. `clock` is the session's.

    Its p95s are held against those of the last evaluation on this machine, where that was of its settings and pair.
    """
    port = metrics_port or settings.telemetry.metrics_port
    evaluated, pair = load_evaluated(), f"{facts.source}-{facts.target}"
    if evaluated is not None and not evaluated.is_like(config_hash=config_hash(settings), pairs=[pair]):
        evaluated = None

    def exported(stats: TraceStats) -> None:
        if stats.lost:
            whole = stats.lost + stats.sent
            console.print(f"note: {stats.lost} of {whole} spans did not reach the collector of traces")

    labels = SessionLabels(
        session_id=facts.session_id,
        product=facts.product,
        app_id=facts.app_id,
        source=facts.source,
        target=facts.target,
        tier=facts.tier,
        paced=paced,
    )
    async with open_monitor(
        settings,
        clock=SystemClock(),
        metrics=bool(port),
        metrics_port=port or None,
        evaluated=evaluated,
        drifted=drifted,
        exported=exported,
    ) as monitor:
        with monitor.session(labels, clock=clock, outcome=lambda: told.outcome) as observer:
            yield observer
