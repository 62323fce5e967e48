from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vivavoce.legs.values import VoiceEvent, VoiceEventKind
from vivavoce.providers.voice_gate import GateSettings, VoiceGate

WINDOW_MS = 32.0
SETTINGS = GateSettings(speech=0.5, silence=0.35, start_ms=90, pause_ms=64, resume_ms=60, end_ms=320)
START, PAUSE, RESUME, END = VoiceEventKind.START, VoiceEventKind.PAUSE, VoiceEventKind.RESUME, VoiceEventKind.END


def hear(probabilities: list[float], gate: VoiceGate | None = None) -> list[VoiceEvent]:
    gate = gate or VoiceGate(SETTINGS)
    judged = [gate.push(p, n * WINDOW_MS, (n + 1) * WINDOW_MS) for n, p in enumerate(probabilities)]
    return [event for event in judged if event is not None]


def test_an_utterance_starts_pauses_and_ends() -> None:
    events = hear([0.0] * 2 + [0.9] * 10 + [0.0] * 12)
    assert events == [
        VoiceEvent(START, 2 * WINDOW_MS, 5 * WINDOW_MS),
        VoiceEvent(PAUSE, 12 * WINDOW_MS, 14 * WINDOW_MS),
        VoiceEvent(END, 12 * WINDOW_MS, 22 * WINDOW_MS),
    ]


def test_a_short_sound_is_not_speech() -> None:
    assert hear([0.0, 0.9, 0.9, 0.0, 0.9, 0.9, 0.0]) == []


def test_speech_after_a_pause_takes_it_back() -> None:
    events = hear([0.9] * 5 + [0.0] * 4 + [0.9] * 4 + [0.0] * 12)
    assert [event.kind for event in events] == [START, PAUSE, RESUME, PAUSE, END]
    assert events[2].at_ms == 9 * WINDOW_MS
    assert events[4].at_ms == 13 * WINDOW_MS


def test_a_click_in_a_pause_does_not_take_it_back() -> None:
    events = hear([0.9] * 5 + [0.0] * 4 + [0.9] + [0.0] * 10)
    assert [event.kind for event in events] == [START, PAUSE, END]


def test_between_the_thresholds_the_state_stays() -> None:
    assert hear([0.4] * 20) == []
    assert [event.kind for event in hear([0.9] * 4 + [0.4] * 20)] == [START]


def test_silent_tells_of_the_newest_window() -> None:
    gate = VoiceGate(SETTINGS)
    assert gate.silent
    hear([0.9] * 5, gate)
    assert not gate.silent
    gate.push(0.1, 160, 192)
    assert gate.silent


def test_a_reset_forgets_the_utterance() -> None:
    gate = VoiceGate(SETTINGS)
    hear([0.9] * 5, gate)
    gate.reset()
    assert gate.silent
    assert hear([0.0] * 20, gate) == []


@given(st.lists(st.floats(0, 1), max_size=200))
def test_events_come_in_a_possible_order(probabilities: list[float]) -> None:
    allowed = {None: {START}, START: {PAUSE}, PAUSE: {RESUME, END}, RESUME: {PAUSE}, END: {START}}
    before: VoiceEventKind | None = None
    decided_ms = 0.0
    for event in hear(probabilities):
        assert event.kind in allowed[before]
        assert event.at_ms <= event.decided_ms
        assert event.decided_ms > decided_ms
        if event.kind is END:
            assert event.decided_ms - event.at_ms >= SETTINGS.end_ms
        before, decided_ms = event.kind, event.decided_ms
