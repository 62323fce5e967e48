"""A session's record as a screen shows it and as figures list it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from vivavoce.cli.report import NoticeRow, ReportData, StageRow, UtteranceRow
from vivavoce.cli.screen import ScreenState, StageBar
from vivavoce.contract.envelope import Envelope
from vivavoce.contract.figures import measured_stages
from vivavoce.contract.profile import Profile, Stage
from vivavoce.contract.spans import SpanRecorder
from vivavoce.contract.stats import percentiles
from vivavoce.translate.events import Notice, NoticeKind
from vivavoce.translate.record import SessionRecord, UtteranceRecord
from vivavoce.translate.session import Session

_NOTICES = 4
_HURRIED = (NoticeKind.SHORTER_PAUSES, NoticeKind.FASTER)
CAPPED = "subtitles only: cap reached"


def screen_state(
    record: SessionRecord, session: Session, profile: Profile, *, duration_ms: float | None
) -> ScreenState:
    latest = record.latest or UtteranceRecord(0)
    tail = latest.heard.tail if latest.heard else ()
    capped = is_capped(record.notices)
    behind_ms = 0.0 if capped else session.dub.behind_ms
    return ScreenState(
        utterance=latest.number,
        source_committed=latest.source_text,
        source_tail=" ".join(word.text for word in tail),
        target_spoken=latest.target_text,
        position_ms=session.dub.position_ms,
        duration_ms=duration_ms,
        dub_state=CAPPED if capped else "speaking" if behind_ms else "waiting",
        behind_ms=behind_ms,
        notices=latest_notices(record.notices),
        stages=tuple(_bar(session.spans, profile, stage) for stage in Stage if stage in profile.stages),
    )


def is_capped(notices: Sequence[Notice]) -> bool:
    """Whether the dub has reached a cap and is not back."""
    kinds = (notice.kind for notice in reversed(notices))
    return next((kind for kind in kinds if kind in (NoticeKind.DUB_CAPPED, NoticeKind.DUB_BACK)), None) is (
        NoticeKind.DUB_CAPPED
    )


def latest_notices(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    """The last few, the oldest first; of those that tell how far the dub is behind, the last one alone."""
    found: list[Notice] = []
    for notice in reversed(notices):
        if notice.kind not in _HURRIED or not any(later.kind in _HURRIED for later in found):
            found.append(notice)
        if len(found) == _NOTICES:
            break
    return tuple(reversed(found))


def _bar(spans: SpanRecorder, profile: Profile, stage: Stage) -> StageBar:
    durations_ms = spans.durations_ms(stage)
    budget = profile.stages[stage]
    return StageBar(
        name=str(stage),
        last_ms=durations_ms[-1] if durations_ms else None,
        p95_ms=percentiles(durations_ms).p95 if durations_ms else None,
        target_ms=budget.target_ms,
        cap_ms=budget.cap_ms,
    )


def utterance_rows(record: SessionRecord) -> list[dict[str, Any]]:
    """One JSON row an utterance: its texts, where it was, and how long each stage took in ms."""
    rows = []
    for utterance in record.utterances.values():
        done = utterance.done
        rows.append(
            {
                "source": utterance.source_text,
                "target": utterance.target_text,
                "speech_ms": [round(done.speech_start_ms), round(done.speech_end_ms)] if done else None,
                "language": done.language if done else None,
                "confidence": round(done.confidence, 3) if done else None,
                "spoken": bool(utterance.spoken),
                "stages_ms": {str(name): round(end - start, 1) for name, (start, end) in done.stages.items()}
                if done
                else {},
            }
        )
    return rows


def report_data(
    record: SessionRecord,
    envelope: Envelope,
    profile: Profile,
    *,
    source: str,
    languages: tuple[str, str],
    engines: Mapping[str, str],
    duration_ms: float,
    min_confidence: float,
) -> ReportData:
    measured = measured_stages(envelope.figures) if envelope.figures.get("stages") else {}
    stages = tuple(
        StageRow(
            str(stage),
            budget.target_ms,
            budget.cap_ms,
            measured[stage].p50 if stage in measured else None,
            measured[stage].p95 if stage in measured else None,
        )
        for stage, budget in profile.stages.items()
    )
    machine = envelope.machine
    return ReportData(
        source=source,
        source_language=languages[0],
        target_language=languages[1],
        engines=engines,
        machine=f"{machine.cpu}, {machine.cores} cores",
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        duration_ms=duration_ms,
        stages=stages,
        utterances=tuple(_report_row(each) for each in record.utterances.values() if each.source_text),
        notices=tuple(NoticeRow(notice.at_ms, notice.text) for notice in record.notices),
        version=version("vivavoce"),
        void_reason=envelope.void_reason or "",
        low_confidence=min_confidence,
    )


def _report_row(utterance: UtteranceRecord) -> UtteranceRow:
    done, heard = utterance.done, utterance.heard
    words = heard.settled if heard else ()
    start_ms = done.speech_start_ms if done else words[0].start_ms
    end_ms = done.speech_end_ms if done else words[-1].end_ms
    stages = done.stages if done else {}
    return UtteranceRow(
        id=str(utterance.number),
        source_text=utterance.source_text,
        target_text=utterance.target_text,
        speech_start_ms=start_ms,
        speech_end_ms=end_ms,
        stages={str(name): (begin - end_ms, until - end_ms) for name, (begin, until) in stages.items()},
        heard_ms=stages[Stage.HEARD][1] - end_ms if Stage.HEARD in stages else None,
        confidence=done.confidence if done else 0.0,
        spoken=bool(utterance.spoken),
        dub=tuple((each.start_ms, each.end_ms, each.text) for each in utterance.spoken),
    )
