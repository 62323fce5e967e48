"""A stretch of sound with its place in the session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FRAME_MS = 20

Samples = NDArray[np.int16]


def pcm16(rate_hz: int) -> str:
    """The name of plain 16-bit samples as a codec: `pcm16-24k`, `pcm16-44.1k`."""
    return f"pcm16-{rate_hz / 1000:g}k"


@dataclass(frozen=True, slots=True)
class Pcm:
    """Mono 16-bit samples. `start_ms` counts from the session's first sample."""

    samples: Samples
    rate_hz: int
    start_ms: float = 0.0

    @property
    def duration_ms(self) -> float:
        return 1000.0 * len(self.samples) / self.rate_hz

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.duration_ms

    def as_float(self) -> NDArray[np.float32]:
        """The samples in [-1, 1)."""
        return self.samples.astype(np.float32) / 32768.0


def from_float(samples: NDArray[np.floating], rate_hz: int, start_ms: float = 0.0) -> Pcm:
    """Build a Pcm from samples in [-1, 1], rounding and saturating."""
    scaled = np.clip(np.rint(np.asarray(samples, dtype=np.float64) * 32768.0), -32768, 32767)
    return Pcm(scaled.astype(np.int16), rate_hz, start_ms)
