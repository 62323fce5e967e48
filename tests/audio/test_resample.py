"""The resampler from Python: against soxr, on real speech, in pieces, and what it refuses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.audio.resample import Resampler, resample
from vivavoce.errors import AudioError

RATES_HZ = (8_000, 16_000, 24_000, 48_000)
FILE_RATES_HZ = (11_025, 12_000, 22_050, 32_000, 44_100, 88_200, 96_000)
PAIRS = [(a, b) for a in RATES_HZ for b in RATES_HZ if a != b]
PAIRS += [(a, b) for a in FILE_RATES_HZ for b in (16_000, 24_000)]


def band_limited_noise(rate_hz: int, top_hz: float, seconds: float = 1.0) -> Samples:
    """Noise with nothing above `top_hz`, at an RMS of 3,000: far from clipping."""
    rng = np.random.default_rng(7)
    length = int(rate_hz * seconds)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum[np.fft.rfftfreq(length, 1 / rate_hz) > top_hz] = 0
    noise = np.fft.irfft(spectrum, length) * np.hanning(length)
    return np.rint(noise * (3_000 / noise.std())).astype(np.int16)


def pass_band_snr_db(reference: np.ndarray, measured: np.ndarray, from_hz: int, to_hz: int) -> float:
    """How far `measured` is from `reference` below 0.9 of the lower Nyquist frequency, where nothing may be lost."""
    passed = np.fft.rfftfreq(len(reference), 1 / to_hz) < 0.9 * min(from_hz, to_hz) / 2
    error = np.fft.rfft(measured - reference)[passed]
    return 10 * math.log10(np.square(np.abs(np.fft.rfft(reference)[passed])).sum() / np.square(np.abs(error)).sum())


# Both bounds are near what rounding to 16 bits leaves: the noise is at 3,000 RMS, the speech at 750.
@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_agrees_with_soxr_on_noise(from_hz, to_hz):
    samples = band_limited_noise(from_hz, 0.9 * min(from_hz, to_hz) / 2)
    ours = resample(Pcm(samples, from_hz), to_hz).samples
    theirs = soxr.resample(samples.astype(np.float64), from_hz, to_hz, quality="HQ")
    assert abs(len(ours) - len(theirs)) <= 1
    shared = min(len(ours), len(theirs))
    assert pass_band_snr_db(theirs[:shared], ours[:shared], from_hz, to_hz) > 70


@pytest.mark.parametrize("to_hz", [8_000, 24_000, 48_000])
def test_agrees_with_soxr_on_real_speech(evalset, to_hz):
    clips = json.loads((evalset / "manifest.json").read_text("utf-8"))
    clip = next(clip for clip in clips if clip["id"] == "sb-spk1_snt4")
    samples, from_hz = soundfile.read(evalset / clip["file"], dtype="int16")
    ours = resample(Pcm(samples, from_hz), to_hz).samples
    theirs = soxr.resample(samples.astype(np.float64), from_hz, to_hz, quality="HQ")
    assert pass_band_snr_db(theirs, ours, from_hz, to_hz) > 65


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_length_and_place_follow_the_rates(from_hz, to_hz):
    pcm = Pcm(band_limited_noise(from_hz, 1_000, 0.25)[:-3], from_hz, start_ms=120.0)
    out = resample(pcm, to_hz)
    assert (out.rate_hz, out.start_ms) == (to_hz, 120.0)
    assert len(out.samples) == math.ceil(len(pcm.samples) * to_hz / from_hz)


@settings(max_examples=40, deadline=None)
@given(pair=st.sampled_from(PAIRS), cuts=st.lists(st.integers(0, 4_000), max_size=12))
def test_pieces_give_exactly_what_the_whole_gives(pair, cuts):
    from_hz, to_hz = pair
    samples = band_limited_noise(from_hz, 3_000, 0.3)
    stream = Resampler(from_hz, to_hz)
    pieces = [stream.push(piece) for piece in np.split(samples, sorted(cuts))]
    joined = np.concatenate([*pieces, stream.flush()])
    assert np.array_equal(joined, resample(Pcm(samples, from_hz), to_hz).samples)


def test_a_frame_is_out_within_the_look_ahead():
    stream = Resampler(16_000, 8_000)
    assert 3 < stream.look_ahead_ms < 8
    held_ms = 20 - len(stream.push(np.zeros(320, np.int16))) / 8
    assert held_ms <= stream.look_ahead_ms + 1 / 8


def test_equal_rates_change_nothing():
    samples = band_limited_noise(16_000, 8_000, 0.1)
    pcm = Pcm(samples, 16_000)
    assert resample(pcm, 16_000) is pcm
    stream = Resampler(16_000, 16_000)
    assert np.array_equal(stream.push(samples), samples)
    assert len(stream.flush()) == 0
    assert stream.look_ahead_ms == 0


def test_reset_forgets_what_was_held_back():
    samples = band_limited_noise(8_000, 3_000, 0.1)
    stream = Resampler(8_000, 16_000)
    stream.push(np.full(500, 30_000, np.int16))
    stream.reset()
    joined = np.concatenate([stream.push(samples), stream.flush()])
    assert np.array_equal(joined, resample(Pcm(samples, 8_000), 16_000).samples)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(3_999, 16_000), (16_000, 192_001), (0, 16_000), (16_000, -1)])
def test_rates_out_of_range_are_refused_with_the_range(from_hz, to_hz):
    with pytest.raises(AudioError) as refused:
        Resampler(from_hz, to_hz)
    assert "4000 to 192000 Hz" in refused.value.hint


def test_a_ratio_without_small_terms_is_refused():
    with pytest.raises(AudioError, match="44101 Hz to 191999 Hz") as refused:
        resample(Pcm(np.zeros(10, np.int16), 44_101), 191_999)
    assert refused.value.hint
