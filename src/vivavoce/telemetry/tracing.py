"""Traces on their way out: sessions hand rows to a bounded queue, one thread makes spans of them and sends these.

Nothing of OpenTelemetry's SDK is imported before there is somewhere to send to.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vivavoce.clock import Clock
from vivavoce.errors import ConfigError
from vivavoce.telemetry.genai import Model
from vivavoce.telemetry.observer import SessionLabels
from vivavoce.telemetry.otlp import SERVICE, OtlpSettings
from vivavoce.telemetry.packages import TRACES, require
from vivavoce.telemetry.trace import Rows, SessionTrace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_LOG = logging.getLogger(__name__)

LEAVING_S: Final = 2.0
"""How long the end of a program waits for the last spans."""
_HANGING_S: Final = 0.5
_SDK_LOG: Final = "opentelemetry.exporter.otlp.proto.http"


@dataclass(frozen=True, slots=True)
class TraceStats:
    """Spans: that the collector took, that it did not take, and that were never sent since too many waited."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0

    @property
    def lost(self) -> int:
        return self.failed + self.dropped


class Tracing:
    """Where sessions hand their rows. Made by `open_tracing`."""

    def __init__(
        self,
        settings: OtlpSettings,
        exporter: SpanExporter,
        provider: TracerProvider,
        *,
        models: Mapping[str, Model],
        caps_ms: Mapping[str, Mapping[str, float]],
    ) -> None:
        from opentelemetry.sdk.trace import SpanProcessor

        from vivavoce.telemetry.spans import SpanMaker

        tracing = self

        class Gathering(SpanProcessor):
            def on_end(self, span: ReadableSpan) -> None:
                if span.context is not None and span.context.trace_flags.sampled:
                    tracing._ended.append(span)

        provider.add_span_processor(Gathering())
        self._settings, self._exporter = settings, exporter
        self._maker = SpanMaker(provider.get_tracer(SERVICE), models=models, caps_ms=caps_ms)
        self._waiting: deque[Rows] = deque()
        self._spans_waiting = 0
        self._ended: list[ReadableSpan] = []
        self._sent = self._failed = self._dropped = 0
        self._refused = self._leaving = self._broken = False
        self._awake = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="vivavoce-traces", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> TraceStats:
        return TraceStats(self._sent, self._failed, self._dropped)

    def session(self, labels: SessionLabels, *, clock: Clock) -> SessionTrace:
        """A session that begins now, on its own clock."""
        return SessionTrace(labels, clock.now_ns, time.time_ns() - clock.now_ns(), self.hand)

    def hand(self, rows: Rows) -> None:
        """Take rows, unless too many wait: then only a session's end. From any thread; does not wait."""
        spans = rows.spans
        with self._lock:
            if self._spans_waiting + spans > self._settings.most:
                ending = rows.ending
                self._dropped += spans - (ending.spans if ending else 0)
                if ending is None:
                    return
                rows, spans = ending, ending.spans
            self._spans_waiting += spans
            self._waiting.append(rows)
        if self._spans_waiting >= self._settings.batch:
            self._awake.set()

    def leave(self) -> None:
        """Send what is left, for `LEAVING_S` at most; blocks that long."""
        self._leaving = True
        self._awake.set()
        self._thread.join(LEAVING_S)
        # Ends the pauses between its tries; what hangs in a connection is left to itself.
        self._exporter.shutdown()
        self._thread.join(_HANGING_S)
        if self._thread.is_alive():
            with self._lock:
                self._dropped += self._spans_waiting
                self._spans_waiting = 0

    def _work(self) -> None:
        while True:
            self._awake.wait(self._settings.every_s)
            self._awake.clear()
            leaving = self._leaving
            self._make()
            while self._ended:
                batch, self._ended = self._ended[: self._settings.batch], self._ended[self._settings.batch :]
                self._send(batch)
            if leaving:
                return

    def _make(self) -> None:
        while self._waiting:
            rows = self._waiting.popleft()
            broken = False
            try:
                self._maker.make(rows)
            except Exception as error:
                broken = True
                self._broke(error)
            with self._lock:
                self._spans_waiting -= rows.spans
                self._dropped += rows.spans if broken else 0

    def _broke(self, error: Exception) -> None:
        """What nobody foresaw ends no thread: the spans that come after it are sent. Its words could be a caller's."""
        if not self._broken:
            _LOG.error("spans could not be made or sent: %s; sessions go on", type(error).__name__)
        self._broken = True

    def _send(self, batch: list[ReadableSpan]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        try:
            result = self._exporter.export(batch)
        except Exception as error:
            self._broke(error)
            with self._lock:
                self._dropped += len(batch)
            return
        if result is SpanExportResult.SUCCESS:
            self._sent += len(batch)
            if self._refused:
                _LOG.warning("the collector takes traces again")
            self._refused = False
            return
        self._failed += len(batch)
        if not self._refused and not self._leaving:
            _LOG.warning("the collector does not take traces; sessions go on without them")
        self._refused = True


def _made(
    settings: OtlpSettings, models: Mapping[str, Model], caps_ms: Mapping[str, Mapping[str, float]], version: str
) -> Tracing:
    require("traces", TRACES)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider

    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before ours.
    resource = Resource({SERVICE_VERSION: version}).merge(Resource.create())
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
    try:
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=settings.endpoint)
    except ValueError as error:
        raise ConfigError(f"no exporter of traces by these OTEL_* variables: {error}", hint="correct them") from error
    return Tracing(settings, exporter, provider, models=models, caps_ms=caps_ms)


@asynccontextmanager
async def open_tracing(
    settings: OtlpSettings | None,
    *,
    models: Mapping[str, Model],
    caps_ms: Mapping[str, Mapping[str, float]],
    version: str,
    told: Callable[[TraceStats], None] = lambda _: None,
) -> AsyncIterator[Tracing | None]:
    """Traces as the settings say, or None for none. Left, the last spans have had two seconds to go.

    `told` hears in the end what became of them. Raises ConfigError where packages are missing or OTEL_* variables are
    no good.
    """
    if settings is None:
        yield None
        return
    log = logging.getLogger(_SDK_LOG)
    level = log.level
    # It tells every try; we tell once.
    log.setLevel(logging.CRITICAL + 1)
    try:
        tracing = await asyncio.to_thread(_made, settings, models, caps_ms, version)
        try:
            yield tracing
        finally:
            await asyncio.to_thread(tracing.leave)
            told(tracing.stats)
    finally:
        log.setLevel(level)
