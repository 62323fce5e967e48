"""A session's events as what traces, metrics and alarms are told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.contract.profile import Stage
from vivavoce.telemetry.observer import Observer, Passage
from vivavoce.translate.events import Event, Notice, NoticeKind, Translated, UtteranceDone

LESS: Final = frozenset(
    {
        NoticeKind.LOW_CONFIDENCE,
        NoticeKind.OTHER_LANGUAGE,
        NoticeKind.NO_ROUTE,
        NoticeKind.SHORTER_PAUSES,
        NoticeKind.FASTER,
        NoticeKind.SOUND_LOST,
        NoticeKind.STT_FAILED,
        NoticeKind.MT_FAILED,
        NoticeKind.TTS_FAILED,
        NoticeKind.DUB_CAPPED,
    }
)
"""Notices of something less than was asked for."""


class ObservedEvents:
    """Takes every event of a session, in order. Texts stay here; `now_ms` is the session's time, on its clock."""

    def __init__(self, observer: Observer, *, clock: Clock, now_ms: Callable[[], float]) -> None:
        self._observer, self._clock, self._now_ms = observer, clock, now_ms

    def take(self, event: Event) -> None:
        match event:
            case UtteranceDone():
                self._observer.passed(self._passage(event))
            case Translated():
                self._observer.clause(spoken=event.spoken)
                if event.terms:
                    kept = event.terms - event.rescued - event.missed
                    self._observer.terms(kept=max(0, kept), rescued=event.rescued, missed=event.missed)
            case Notice(kind=kind) if kind in LESS:
                self._observer.noticed(kind)

    def _passage(self, done: UtteranceDone) -> Passage:
        # Sample 0 was heard at the session's origin.
        origin_ns = self._clock.now_ns() - round(self._now_ms() * NS_PER_MS)

        def at_ns(ms: float) -> int:
            return origin_ns + round(ms * NS_PER_MS)

        stages = {str(name): (at_ns(start_ms), at_ns(end_ms)) for name, (start_ms, end_ms) in done.stages.items()}
        return Passage(
            number=done.utterance,
            start_ns=at_ns(done.speech_start_ms),
            end_ns=max(end_ns for _, end_ns in stages.values()),
            stages=stages,
            told={
                "language": done.language,
                "confidence": round(done.confidence, 3),
                "speech_ms": round(done.speech_end_ms - done.speech_start_ms, 1),
                "spoken": Stage.HEARD in done.stages,
            },
        )
