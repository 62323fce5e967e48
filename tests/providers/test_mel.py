"""The features, against the paper's definition written out in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vivavoce.providers.mel import BANDS, FFT, HOP, RATE_HZ, log_mel


def mel(hz: float) -> float:
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def hertz(mels: float) -> float:
    return 200 * mels / 3 if mels < 15 else 1000 * 6.4 ** ((mels - 15) / 27)


EDGES_HZ = [hertz(mel(RATE_HZ / 2) * n / (BANDS + 1)) for n in range(BANDS + 2)]


def expected(samples: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """Frame by frame a DFT as a sum of complex waves, band by band a triangle of area one."""
    time = np.arange(FFT)
    bins_hz = np.arange(FFT // 2 + 1) * RATE_HZ / FFT
    waves = np.exp(-2j * np.pi * np.outer(np.arange(FFT // 2 + 1), time) / FFT)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / FFT)
    sound = np.concatenate([np.zeros(FFT // 2), samples, np.zeros(frames * HOP + FFT)])
    decades = np.empty((BANDS, frames))
    for frame in range(frames):
        power = np.abs(waves @ (sound[frame * HOP : frame * HOP + FFT] * window)) ** 2
        for band in range(BANDS):
            low, middle, high = EDGES_HZ[band : band + 3]
            triangle = np.interp(bins_hz, [low, middle, high], [0, 1, 0]) * 2 / (high - low)
            decades[band, frame] = np.log10(max(1e-10, float(triangle @ power)))
    features: NDArray[np.float64] = (np.maximum(decades, decades.max() - 8) + 4) / 4
    return features


@pytest.mark.parametrize("length", [1600, 1555, 100])
def test_features_are_those_of_the_paper(length: int) -> None:
    rng = np.random.default_rng(3)
    time = np.arange(length) / RATE_HZ
    samples = (0.3 * np.sin(2 * np.pi * 440 * time) + rng.normal(0, 0.01, length)).astype(np.float32)
    frames = -(-length // HOP)
    found = log_mel(samples, frames)
    assert found.shape == (BANDS, frames)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(samples, frames), atol=2e-3)


@pytest.mark.parametrize("hz", [250.0, 1000.0, 3000.0, 6500.0])
def test_a_tone_is_loudest_in_its_band(hz: float) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(RATE_HZ // 4) / RATE_HZ).astype(np.float32)
    band = int(log_mel(tone, 25)[:, 12].argmax())
    assert EDGES_HZ[band] < hz < EDGES_HZ[band + 2]


def test_what_is_missing_is_silence_and_what_is_too_much_is_cut() -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, RATE_HZ).astype(np.float32)
    padded = log_mel(sound[: RATE_HZ // 2], 100)
    assert padded.shape == (BANDS, 100)
    assert np.all(padded[:, 55:] == padded.min())
    np.testing.assert_array_equal(log_mel(sound, 30), log_mel(sound[: 30 * HOP], 30))


@pytest.mark.parametrize("length", [0, 8000])
def test_silence_is_even(length: int) -> None:
    np.testing.assert_allclose(log_mel(np.zeros(length, np.float32), 50), -1.5, rtol=1e-6)
