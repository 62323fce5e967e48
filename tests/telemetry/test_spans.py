"""What becomes of answers that no utterance had, in long sessions."""

from __future__ import annotations

import pytest

from vivavoce.clock import NS_PER_MS
from vivavoce.ledger.usage import Work
from vivavoce.telemetry.observer import Passage, SessionLabels
from vivavoce.telemetry.trace import MOST_ROWS, Rows, SessionTrace

pytest.importorskip("opentelemetry.sdk", reason="the group telemetry is not installed")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from vivavoce.telemetry.spans import SpanMaker


class Long:
    """A session on a clock that is moved by hand, whose rows become spans at once."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.maker = SpanMaker(provider.get_tracer("test"), models={}, caps_ms={})
        self.now_ns = 0
        labels = SessionLabels(session_id="s", product="translate")
        self.trace = SessionTrace(labels, lambda: self.now_ns, 0, self.hand)
        self.most_waiting = 0

    def hand(self, rows: Rows) -> None:
        self.maker.make(rows)
        self.most_waiting = max(self.most_waiting, *(len(each.waiting) for each in self.maker._sessions.values()), 0)

    def answer(self, at_ms: float) -> None:
        self.now_ns = round(at_ms * NS_PER_MS)
        self.trace.used("mt", "e", Work(characters=5, latency_ms=30.0))

    def utterance(self, number: int, start_ms: float, decided_ms: float) -> None:
        start_ns, decided_ns = round(start_ms * NS_PER_MS), round(decided_ms * NS_PER_MS)
        self.trace.passed(
            Passage(number=number, start_ns=start_ns, end_ns=decided_ns, stages={"endpoint": (start_ns, decided_ns)})
        )

    def named(self, name: str) -> list[str]:
        """The names of the parents of all spans of a name."""
        spans = self.spans.get_finished_spans()
        names = {span.context.span_id: span.name for span in spans if span.context}
        return [names.get(span.parent.span_id, "") for span in spans if span.name == name and span.parent]


def test_answers_that_no_utterance_had_do_not_wait_for_the_end() -> None:
    session = Long()
    for number in range(200):
        begun_ms = number * 8000.0
        session.answer(begun_ms + 5200)  # asked for after the decision: no utterance's
        session.utterance(number, begun_ms, begun_ms + 5100)
    assert session.most_waiting <= 4
    session.trace.ended("done")
    assert len(session.named("translate e")) == 200


def test_answers_wait_for_an_utterance_that_goes_on() -> None:
    """The dub of the first is heard late; the second is a monologue of minutes."""
    session = Long()
    session.answer(15_000)
    session.utterance(1, 0, 10_000)
    for second in range(20, 200, 5):
        session.answer(second * 1000.0)
    session.utterance(2, 14_000, 200_000)
    session.trace.ended("done")
    assert session.named("translate e") == ["utterance"] * 37


def test_where_no_utterance_ends_answers_wait_some_minutes() -> None:
    session = Long()
    for second in range(20 * MOST_ROWS):
        session.answer(second * 1000.0)
    assert session.most_waiting <= MOST_ROWS + 601
