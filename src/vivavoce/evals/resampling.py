"""The resampler's bands and cost beside soxr's: `python -m vivavoce.evals.resampling`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.audio.resample import Resampler, resample

PAIRS_HZ = ((8000, 16_000), (16_000, 8000), (24_000, 8000), (24_000, 16_000), (48_000, 16_000))
AMPLITUDE = 30_000.0
SECONDS = 0.4
EDGE_S = 0.06
TONES = 40

Change = Callable[[Samples, int, int], np.ndarray]


@dataclass(frozen=True, slots=True)
class Bands:
    """Of one resampler for one pair of rates.

    `ripple_db` is the largest change of level up to 0.9 of the lower Nyquist frequency, `reject_db` the loudest of what
    would alias (or, upwards, image) beyond it, `frame_us` the CPU that a frame of 20 ms takes in a stream.
    """

    ripple_db: float
    reject_db: float
    frame_us: float


def ours(samples: Samples, from_hz: int, to_hz: int) -> np.ndarray:
    return resample(Pcm(samples, from_hz), to_hz).samples


def soxr(samples: Samples, from_hz: int, to_hz: int) -> np.ndarray:
    import soxr  # type: ignore[import-untyped]

    return np.asarray(soxr.resample(samples, from_hz, to_hz, quality="HQ"))


def measure(change: Change, push: Callable[[Samples], object], from_hz: int, to_hz: int) -> Bands:
    low_hz, high_hz = min(from_hz, to_hz) / 2, max(from_hz, to_hz) / 2
    kept = np.linspace(0.02, 0.9, TONES) * low_hz
    ripple = max(abs(_gain_db(change, tone, from_hz, to_hz)) for tone in kept)
    if to_hz < from_hz:
        lost = np.linspace(low_hz, 0.98 * high_hz, TONES)
        reject = max(_level_db(change(_sine(tone, from_hz), from_hz, to_hz), to_hz) for tone in lost)
    else:
        reject = max(_image_db(change, tone, from_hz, to_hz) for tone in kept)
    return Bands(ripple, reject, _frame_us(push, from_hz))


def _sine(hz: float, rate_hz: int) -> Samples:
    return np.rint(AMPLITUDE * np.sin(2 * math.pi * hz * np.arange(int(SECONDS * rate_hz)) / rate_hz)).astype(np.int16)


def _steady(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    edge = int(EDGE_S * rate_hz)
    return samples[edge:-edge].astype(np.float64)


def _fit(samples: np.ndarray, hz: float, rate_hz: int) -> np.ndarray:
    """The part of `samples` that is a sine of this frequency, whatever its phase."""
    steady = _steady(samples, rate_hz)
    turns = 2 * math.pi * hz * np.arange(len(steady)) / rate_hz
    basis = np.stack([np.sin(turns), np.cos(turns)], axis=1)
    return np.asarray(basis @ np.linalg.lstsq(basis, steady, rcond=None)[0])


def _gain_db(change: Change, hz: float, from_hz: int, to_hz: int) -> float:
    fitted = _fit(change(_sine(hz, from_hz), from_hz, to_hz), hz, to_hz)
    return 20 * math.log10(fitted.std() * math.sqrt(2) / AMPLITUDE)


def _level_db(samples: np.ndarray, rate_hz: int) -> float:
    return 20 * math.log10(max(_steady(samples, rate_hz).std() * math.sqrt(2) / AMPLITUDE, 1e-9))


def _image_db(change: Change, hz: float, from_hz: int, to_hz: int) -> float:
    out = change(_sine(hz, from_hz), from_hz, to_hz)
    left = _steady(out, to_hz) - _fit(out, hz, to_hz)
    return 20 * math.log10(left.std() * math.sqrt(2) / AMPLITUDE)


def _frame_us(push: Callable[[Samples], object], from_hz: int, frames: int = 2000) -> float:
    frame = np.random.default_rng(7).integers(-9000, 9000, from_hz // 50, np.int16)
    begun_s = time.process_time()
    for _ in range(frames):
        push(frame)
    return 1e6 * (time.process_time() - begun_s) / frames


def main() -> None:
    import soxr as theirs
    from rich.console import Console
    from rich.table import Table

    table = Table("rates, Hz", "", "ripple to 0.9 Nyquist, dB", "loudest alias or image, dB", "CPU a 20 ms frame, µs")
    for from_hz, to_hz in PAIRS_HZ:
        stream = theirs.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")
        resampler = Resampler(from_hz, to_hz)
        for name, change, push in (
            ("ours", ours, lambda frame, to=resampler: to.push(frame)),
            (f"soxr {theirs.__version__} HQ", soxr, lambda frame, to=stream: to.resample_chunk(frame)),
        ):
            bands = measure(change, push, from_hz, to_hz)
            figures = (f"{bands.ripple_db:.3f}", f"{bands.reject_db:.1f}", f"{bands.frame_us:.1f}")
            table.add_row(f"{from_hz} → {to_hz}", name, *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
