"""Rows of a trace as OpenTelemetry's spans: a session, its utterances, their stages and what engines were asked.

Only the exporter's thread comes here, for making spans takes longer than recording rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from vivavoce.telemetry import genai
from vivavoce.telemetry.genai import Model
from vivavoce.telemetry.observer import AGENT, Passage, SessionLabels, Value
from vivavoce.telemetry.placing import Placed, place
from vivavoce.telemetry.trace import Asked, Ending, Happening, Rows, SessionTrace

_WELL = frozenset({"done", "interrupted"})
_DISORDER_NS: Final = 10_000_000_000
_LONGEST_WAIT_NS: Final = 600_000_000_000


@dataclass(slots=True)
class _Session:
    root: Span
    context: Context
    epoch_ns: int
    waiting: list[Asked] = field(default_factory=list)
    """Answers that may belong to an utterance which is not over."""
    begun_ns: int = 0
    """The latest start of an utterance that is over."""


class SpanMaker:
    """Makes spans of one process's sessions with a tracer; `caps_ms` by product and stage are told beside durations."""

    def __init__(
        self, tracer: Tracer, *, models: Mapping[str, Model], caps_ms: Mapping[str, Mapping[str, float]]
    ) -> None:
        self._tracer, self._models, self._caps_ms = tracer, models, caps_ms
        # Weakly, for a session's last rows may have been dropped.
        self._sessions: WeakKeyDictionary[SessionTrace, _Session] = WeakKeyDictionary()

    def make(self, rows: Rows) -> None:
        session = self._sessions.get(rows.trace) or self._begin(rows.trace)
        passages = [row for row in rows.rows if isinstance(row, Passage)]
        asked = [*session.waiting, *(row for row in rows.rows if isinstance(row, Asked))]
        placed, session.waiting = place(passages, asked)
        for each in placed:
            self._utterance(session, each, rows.trace.labels)
        self._give_up_waiting(session, passages)
        for row in rows.rows:
            if isinstance(row, Happening):
                session.root.add_event(
                    f"vivavoce.{row.name}", _ours(dict(row.told)), timestamp=session.epoch_ns + row.at_ns
                )
            elif isinstance(row, Ending):
                self._end(rows.trace, session, row)

    def _begin(self, trace: SessionTrace) -> _Session:
        labels = trace.labels
        told: dict[str, Value] = {
            genai.CONVERSATION: labels.session_id,
            "vivavoce.session.id": labels.session_id,
            "vivavoce.product": labels.product,
            "vivavoce.app": labels.app_id,
            "vivavoce.source": labels.source,
            "vivavoce.target": labels.target,
            "vivavoce.tier": labels.tier,
            "vivavoce.paced": labels.paced,
        }
        name = f"interpret {labels.source}-{labels.target}"
        if labels.product == AGENT:
            told |= {genai.OPERATION: genai.INVOKE_AGENT, genai.AGENT_NAME: labels.name, genai.PROVIDER: genai.OURS}
            name = f"{genai.INVOKE_AGENT} {labels.name}".rstrip()
        root = self._tracer.start_span(
            name,
            context=Context(),
            attributes={key: value for key, value in told.items() if value != ""},
            start_time=trace.epoch_ns + trace.begun_ns,
        )
        made = self._sessions[trace] = _Session(root, api.set_span_in_context(root, Context()), trace.epoch_ns)
        return made

    def _utterance(self, session: _Session, placed: Placed, labels: SessionLabels) -> None:
        passage, caps_ms = placed.passage, self._caps_ms.get(labels.product, {}) if labels.paced else {}
        told = _ours({"utterance": passage.number, **passage.told})
        durations_ms = passage.durations_ms()
        told |= {f"vivavoce.{stage}_ms": round(ms, 3) for stage, ms in durations_ms.items()}
        span = self._span(session, session.context, "utterance", passage.start_ns, passage.end_ns, told, end=False)
        inside = api.set_span_in_context(span, session.context)
        for stage, (start_ns, end_ns) in passage.stages.items():
            told = _ours({"stage": stage})
            if (cap_ms := caps_ms.get(stage)) is not None:
                told |= _ours({"cap_ms": cap_ms, "over_cap": durations_ms[stage] > cap_ms})
            asked = placed.within.get(stage, ())
            if asked:
                told |= _ours({"engine": asked[-1].engine})
            stage_span = self._span(session, inside, stage, start_ns, end_ns, told, end=False)
            for one in asked:
                self._asked(session, api.set_span_in_context(stage_span, inside), one)
            stage_span.end(session.epoch_ns + end_ns)
        for one in placed.others:
            self._asked(session, inside, one)
        span.end(session.epoch_ns + passage.end_ns)

    def _give_up_waiting(self, session: _Session, passages: Sequence[Passage]) -> None:
        """Answers that no later utterance can have, and such as waited long, belong to the session alone.

        Utterances are told nearly in the order in which they began.
        """
        session.begun_ns = max([session.begun_ns, *(passage.start_ns for passage in passages)])
        last_ns = max((one.end_ns for one in session.waiting), default=0)
        from_ns = max(session.begun_ns - _DISORDER_NS, last_ns - _LONGEST_WAIT_NS)
        for one in session.waiting:
            if one.end_ns < from_ns:
                self._asked(session, session.context, one)
        session.waiting = [one for one in session.waiting if one.end_ns >= from_ns]

    def _asked(self, session: _Session, context: Context, one: Asked) -> None:
        work, model = one.work, self._models.get(one.engine, Model(genai.OURS, one.engine))
        operation = genai.operation_of(one.leg, tokens=work.tokens_in is not None)
        told: dict[str, Value | None] = {
            genai.OPERATION: operation,
            genai.PROVIDER: model.provider,
            genai.MODEL: model.name,
            genai.OUTPUT_TYPE: genai.output_of(one.leg),
            genai.INPUT_TOKENS: work.tokens_in,
            genai.OUTPUT_TOKENS: work.tokens_out,
            "vivavoce.leg": one.leg,
            "vivavoce.engine": one.engine,
            "vivavoce.characters": one.characters,
            "vivavoce.prompt.version": work.prompt_version or None,
        }
        known = {key: value for key, value in told.items() if value is not None}
        kind = SpanKind.CLIENT if model.hosted else SpanKind.INTERNAL
        self._span(session, context, f"{operation} {model.name}", one.start_ns, one.end_ns, known, kind=kind)

    def _end(self, trace: SessionTrace, session: _Session, ending: Ending) -> None:
        for one in session.waiting:
            self._asked(session, session.context, one)
        root = session.root
        root.set_attributes(_ours({"outcome": ending.outcome, **dict(ending.told)}))
        if ending.outcome not in _WELL:
            root.set_attribute(genai.ERROR_TYPE, ending.outcome)
            root.set_status(StatusCode.ERROR)
        root.end(session.epoch_ns + ending.at_ns)
        del self._sessions[trace]

    def _span(
        self,
        session: _Session,
        context: Context,
        name: str,
        start_ns: int,
        end_ns: int,
        told: Mapping[str, Value],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        end: bool = True,
    ) -> Span:
        span = self._tracer.start_span(
            name, context=context, kind=kind, attributes=dict(told), start_time=session.epoch_ns + start_ns
        )
        if end:
            span.end(session.epoch_ns + max(start_ns, end_ns))
        return span


def _ours(told: Mapping[str, Value]) -> dict[str, Value]:
    return {f"vivavoce.{name}": value for name, value in told.items()}
