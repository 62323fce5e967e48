"""From speech probabilities to where speech starts, pauses, resumes and ends."""

from __future__ import annotations

from dataclasses import dataclass

from vivavoce.legs.values import VoiceEvent, VoiceEventKind


@dataclass(frozen=True, slots=True)
class GateSettings:
    """`speech` opens, below `silence` closes; between them the state stays. Times in ms of sound."""

    speech: float = 0.5
    silence: float = 0.35
    start_ms: float = 90.0
    pause_ms: float = 64.0
    resume_ms: float = 32.0
    end_ms: float = 320.0


class VoiceGate:
    """A state machine over windows of equal length, each with the probability that it is speech."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        self._speaking = False
        self._paused = False
        self._voiced_ms = 0.0
        self._voiced_from_ms = 0.0
        self._last_voiced_ms = 0.0
        self.silent = True

    def push(self, probability: float, start_ms: float, end_ms: float) -> VoiceEvent | None:
        """Judge the window from `start_ms` to `end_ms`; at most one thing happens in it."""
        settings = self._settings
        voiced = probability >= (settings.silence if self._speaking and not self._paused else settings.speech)
        self.silent = not voiced
        if voiced:
            if not self._voiced_ms:
                self._voiced_from_ms = start_ms
            self._voiced_ms += end_ms - start_ms
        else:
            self._voiced_ms = 0.0
        if not self._speaking:
            if self._voiced_ms >= settings.start_ms:
                self._speaking, self._paused, self._last_voiced_ms = True, False, end_ms
                return VoiceEvent(VoiceEventKind.START, self._voiced_from_ms, end_ms)
            return None
        if voiced and self._paused and self._voiced_ms >= settings.resume_ms:
            self._paused = False
            self._last_voiced_ms = end_ms
            return VoiceEvent(VoiceEventKind.RESUME, self._voiced_from_ms, end_ms)
        if voiced and not self._paused:
            self._last_voiced_ms = end_ms
        quiet_ms = end_ms - self._last_voiced_ms
        if self._paused and quiet_ms >= settings.end_ms:
            self._speaking = self._paused = False
            return VoiceEvent(VoiceEventKind.END, self._last_voiced_ms, end_ms)
        if not self._paused and quiet_ms >= settings.pause_ms:
            self._paused = True
            return VoiceEvent(VoiceEventKind.PAUSE, self._last_voiced_ms, end_ms)
        return None
