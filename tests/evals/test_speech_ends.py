from __future__ import annotations

import numpy as np
import pytest

from vivavoce.audio.pcm import Pcm, from_float
from vivavoce.errors import NoSpeech
from vivavoce.evals.speech_ends import label_speech, label_utterances, precedes_endpoint_too_little

RATE_HZ = 16000


def _made(*parts: tuple[float, float], floor_db: float = -90.0) -> Pcm:
    """(seconds, RMS in dB) stretches of noise over a noise floor."""
    rng = np.random.default_rng(1)
    stretches = [rng.standard_normal(round(s * RATE_HZ)) * 10 ** (db / 20) for s, db in parts]
    sound = np.concatenate(stretches)
    return from_float(sound + rng.standard_normal(len(sound)) * 10 ** (floor_db / 20), RATE_HZ)


@pytest.mark.parametrize("floor_db", [-90.0, -60.0, -45.0])
def test_the_first_and_last_sound_are_found_whatever_the_noise_floor(floor_db: float) -> None:
    speech = label_speech(_made((0.4, -120), (1.0, -20), (0.3, -120), (0.8, -25), (0.6, -120), floor_db=floor_db))
    assert speech.start_ms == pytest.approx(400, abs=12)
    assert speech.end_ms == pytest.approx(2500, abs=12)


def test_a_quiet_ending_belongs_to_the_speech_as_long_as_it_stands_out_of_the_noise() -> None:
    quiet = ((0.3, -120), (1.0, -20), (0.2, -48), (0.5, -120))
    assert label_speech(_made(*quiet)).end_ms == pytest.approx(1500, abs=12)
    assert label_speech(_made(*quiet, floor_db=-50.0)).end_ms == pytest.approx(1300, abs=12)


def test_a_click_after_the_speech_does_not_move_its_end() -> None:
    assert label_speech(_made((0.3, -120), (1.0, -20), (0.5, -120), (0.004, -10), (0.3, -120))).end_ms < 1320


def test_labels_do_not_depend_on_the_level() -> None:
    parts = ((0.4, -120.0), (1.0, -20.0), (0.3, -50.0), (0.5, -120.0))
    loud = label_speech(_made(*parts, floor_db=-80))
    faint = label_speech(_made(*((s, db - 15) for s, db in parts), floor_db=-95))
    assert faint.start_ms == pytest.approx(loud.start_ms, abs=10)
    assert faint.end_ms == pytest.approx(loud.end_ms, abs=10)


@pytest.mark.parametrize("samples", [np.zeros(RATE_HZ, np.int16), np.zeros(10, np.int16)])
def test_silence_has_no_label(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
    with pytest.raises(NoSpeech):
        label_speech(Pcm(samples, RATE_HZ))


def test_a_label_nearer_to_the_endpoint_than_its_silence_is_impossible() -> None:
    assert precedes_endpoint_too_little(1001.0, decided_ms=1320.0, endpoint_ms=320.0)
    assert not precedes_endpoint_too_little(1000.0, decided_ms=1320.0, endpoint_ms=320.0)
    assert precedes_endpoint_too_little(1500.0, decided_ms=1320.0, endpoint_ms=320.0)


def test_utterances_are_parted_by_long_silences_only() -> None:
    made = _made((0.4, -120), (1.0, -20), (0.3, -120), (0.8, -25), (0.6, -120), (0.5, -22), (0.9, -120))
    found = label_utterances(made)
    assert [(each.start_ms, each.end_ms) for each in found] == [
        (pytest.approx(400, abs=15), pytest.approx(2500, abs=15)),
        (pytest.approx(3100, abs=15), pytest.approx(3600, abs=15)),
    ]
    assert len(label_utterances(made, gap_ms=250)) == 3
    assert len(label_utterances(made, gap_ms=700)) == 1
    whole = label_speech(made)
    assert (found[0].start_ms, found[-1].end_ms) == (whole.start_ms, whole.end_ms)


def test_silence_has_no_utterances() -> None:
    with pytest.raises(NoSpeech):
        label_utterances(Pcm(np.zeros(RATE_HZ, np.int16), RATE_HZ))
