"""Whisper's log-mel features.

Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), section 2.2: 80 Slaney
mel bands over 25 ms Hann windows every 10 ms at 16 kHz, log10 clipped 8 decades below the maximum, scaled by (x+4)/4.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16000
FFT = 400
HOP = 160
BANDS = 80
FRAMES_PER_S = RATE_HZ // HOP
_FLOOR = 1e-10

Floats = NDArray[np.float32]


def log_mel(samples: Floats, frames: int) -> Floats:
    """Features f32[80, frames] of 16 kHz samples, padded with silence or cut to `frames` (10 ms each)."""
    samples = samples[: frames * HOP]
    spoken = min(frames, -(-len(samples) // HOP))
    padded = np.zeros(spoken * HOP + FFT, np.float32)
    padded[FFT // 2 : FFT // 2 + len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP][:spoken]
    spectrum = np.fft.rfft(windows * _hann(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    decades = np.full((BANDS, frames), np.log10(_FLOOR), np.float32)
    decades[:, :spoken] = np.log10(np.maximum(_filters() @ power.T, _FLOOR))
    np.maximum(decades, decades.max() - 8.0, out=decades)
    return (decades + 4.0) / 4.0


@cache
def _hann() -> Floats:
    return np.hanning(FFT + 1)[:-1].astype(np.float32)


@cache
def _filters() -> Floats:
    """Slaney's mel filters, f32[80, 201]: linear below 1 kHz, logarithmic above, each of area one."""
    step = 200.0 / 3
    knee_hz, knee_mel, log_step = 1000.0, 1000.0 / step, np.log(6.4) / 27.0
    top_mel = knee_mel + np.log(RATE_HZ / 2 / knee_hz) / log_step
    mels = np.linspace(0.0, top_mel, BANDS + 2)
    edges = np.where(mels < knee_mel, mels * step, knee_hz * np.exp(log_step * (mels - knee_mel)))
    bins = np.linspace(0.0, RATE_HZ / 2, FFT // 2 + 1)
    rising = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
