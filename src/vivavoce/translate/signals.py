"""A session's events as signals of how well it goes."""

from __future__ import annotations

from vivavoce.contract.profile import Stage
from vivavoce.telemetry.signals import SessionSignals
from vivavoce.translate.events import Event, Heard, Trigger, TriggerKind, UtteranceDone


class SignalFeed:
    """Takes every event of a session, in order. Where it is not `paced`, latency has no meaning and is left out."""

    def __init__(self, signals: SessionSignals, *, paced: bool) -> None:
        self._signals, self._paced = signals, paced

    def take(self, event: Event) -> None:
        signals = self._signals
        match event:
            case Trigger(kind=TriggerKind.STARTED):
                signals.speech_started()
            case Trigger(kind=TriggerKind.RESUMED):
                signals.speech_resumed()
            case Trigger(kind=TriggerKind.FALSE):
                signals.nothing_heard()
            case Heard():
                settled = event.settled[len(event.settled) - event.newly_settled :]
                signals.words_shown(
                    event.utterance, [word.text for word in settled], [word.text for word in event.tail]
                )
            case UtteranceDone():
                heard = event.stages.get(Stage.HEARD) if self._paced else None
                signals.utterance_done(heard[1] - heard[0] if heard else None)
