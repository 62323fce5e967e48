"""A call's events and what is recognised of it as signals of how well it goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vivavoce.agent.turns import Turn
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.media import (
    CallEvent,
    Closed,
    Confirmed,
    Ducked,
    Refuted,
    SpeechResume,
    SpeechStart,
)
from vivavoce.telemetry.signals import Packets, SessionSignals


class CallSignals:
    """Takes the events of one call as they happen, and the words of its ears.

    A start of speech was false where finals were asked for until the next one, and none had a word. One that nobody
    asked the recogniser about counts as a start alone.
    """

    def __init__(self, signals: SessionSignals, *, clock: Clock) -> None:
        self._signals, self._clock = signals, clock
        self._begun_ns = clock.now_ns()
        self._open = self._wordless = False
        self._turn = 0

    def take(self, event: CallEvent) -> None:
        signals = self._signals
        match event:
            case SpeechStart():
                self._close()
                self._open = True
                signals.speech_started()
            case SpeechResume():
                signals.speech_resumed()
            case Ducked():
                signals.lowered(at_ms=self._now_ms)
            case Confirmed():
                signals.restored(at_ms=self._now_ms)
            case Refuted():
                signals.restored(at_ms=self._now_ms)
                signals.refuted()
            case Closed(arrivals=arrivals):
                self._close()
                self.turn_over()
                signals.restored(at_ms=self._now_ms)
                if arrivals is not None:
                    packets = Packets(
                        count=arrivals.packets,
                        gaps=arrivals.gaps,
                        jitter_p50_ms=arrivals.jitter_p50_ms,
                        jitter_p95_ms=arrivals.jitter_p95_ms,
                    )
                    signals.packets_came(packets)

    def recognised(self, words: Sequence[str]) -> None:
        """All words of the turn so far, by a final that was asked for."""
        if words:
            self._open = False
        self._wordless = not words
        self._signals.words_shown(self._turn, (), words)

    def turn_over(self) -> None:
        """The ears forget the turn: its words stay as they were last."""
        self._signals.words_settled()
        self._turn += 1

    def answered(self, turns: Iterable[Turn]) -> None:
        """The turns that stood. Heard is from the silence to the answer, whose first sound is ready by then."""
        for turn in turns:
            self._signals.utterance_done((turn.decided_ns - turn.silent_ns) / NS_PER_MS)

    @property
    def _now_ms(self) -> float:
        return (self._clock.now_ns() - self._begun_ns) / NS_PER_MS

    def _close(self) -> None:
        """Nothing more can be recognised of the last start of speech."""
        if self._open and self._wordless:
            self._signals.nothing_heard()
        self._open = self._wordless = False
