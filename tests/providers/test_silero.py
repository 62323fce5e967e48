from __future__ import annotations

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from vivavoce.audio.pcm import Pcm, from_float
from vivavoce.audio.resample import resample
from vivavoce.errors import LegUnavailable, VivavoceError
from vivavoce.legs.values import VoiceEvent, VoiceEventKind
from vivavoce.models import ModelStore
from vivavoce.providers.silero import RATE_HZ, Silero

START, PAUSE, RESUME, END = VoiceEventKind.START, VoiceEventKind.PAUSE, VoiceEventKind.RESUME, VoiceEventKind.END
MAY_FOLLOW = {None: {START}, START: {PAUSE}, PAUSE: {RESUME, END}, RESUME: {PAUSE}, END: {START}}


@pytest.fixture
def silero() -> Silero:
    try:
        return Silero()
    except VivavoceError as error:
        pytest.skip(f"Silero cannot run: {error.message}")


@pytest.fixture(scope="module")
def speech() -> Pcm:
    """A second of silence, 7 s of the demo recording with a pause in them, another second of silence."""
    try:
        path = ModelStore().path("demo-en", "two_cities.wav")
    except VivavoceError as error:
        pytest.skip(f"the demo recording is not here: {error.message}")
    samples, rate_hz = soundfile.read(path, frames=7 * 48_000, dtype="float32")
    quiet = np.zeros(RATE_HZ, np.int16)
    heard = resample(from_float(samples, rate_hz), RATE_HZ).samples
    return Pcm(np.concatenate([quiet, heard, quiet]), RATE_HZ, 500.0)


def hear(silero: Silero, pcm: Pcm, block: int) -> list[VoiceEvent]:
    events: list[VoiceEvent] = []
    for at in range(0, len(pcm.samples), block):
        events += silero.push(Pcm(pcm.samples[at : at + block], RATE_HZ, pcm.start_ms + 1000 * at / RATE_HZ))
    return events


def test_speech_is_found_between_silences(silero: Silero, speech: Pcm) -> None:
    events = hear(silero, speech, 320)
    # The reader begins 1.0 s into the recording; there is nothing from its end on.
    assert events[0].kind is START
    assert events[0].at_ms == pytest.approx(2500, abs=250)
    assert events[-1].kind is END
    assert events[-1].at_ms == pytest.approx(8500, abs=250)
    assert silero.silent
    before: VoiceEventKind | None = None
    decided_ms = 0.0
    for event in events:
        assert event.kind in MAY_FOLLOW[before]
        assert decided_ms < event.decided_ms
        assert event.at_ms <= event.decided_ms
        before, decided_ms = event.kind, event.decided_ms


@pytest.mark.parametrize("block", [1, 160, 511, 512, 5000, 1 << 20])
def test_the_length_of_blocks_changes_nothing(silero: Silero, speech: Pcm, block: int) -> None:
    part = Pcm(speech.samples[RATE_HZ : RATE_HZ * 4 if block > 1 else RATE_HZ * 5 // 2], RATE_HZ, 500.0)
    whole = silero.push(part)
    assert whole
    silero.reset()
    assert hear(silero, part, block) == whole


def test_silent_tells_of_the_newest_sound(silero: Silero, speech: Pcm) -> None:
    assert silero.silent
    events = hear(silero, Pcm(speech.samples[: RATE_HZ * 5 // 2], RATE_HZ), 320)
    assert [event.kind for event in events] == [START]
    assert not silero.silent
    silero.push(Pcm(np.zeros(RATE_HZ // 4, np.int16), RATE_HZ))
    assert silero.silent


@pytest.mark.parametrize("level", [0.0, 0.003, 0.05])
def test_silence_and_hiss_are_no_speech(silero: Silero, level: float) -> None:
    hiss: NDArray[np.float64] = np.random.default_rng(0).normal(0, 1, 3 * RATE_HZ) * level
    assert silero.push(from_float(hiss, RATE_HZ)) == []
    assert silero.silent


def test_after_a_reset_nothing_is_remembered(silero: Silero, speech: Pcm) -> None:
    silero.push(Pcm(speech.samples[: RATE_HZ * 5 // 2], RATE_HZ))
    silero.reset()
    assert silero.silent
    assert silero.push(Pcm(np.zeros(RATE_HZ, np.int16), RATE_HZ)) == []


def test_another_rate_is_refused(silero: Silero) -> None:
    with pytest.raises(LegUnavailable, match="8000"):
        silero.push(Pcm(np.zeros(160, np.int16), 8000))
