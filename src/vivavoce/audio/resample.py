"""Changing the sampling rate of a stream or of a stretch of sound.

Output sample 0 stands where input sample 0 stood, and `n` samples become `ceil(n * to / from)` once flushed. Up to 0.9
of the lower Nyquist frequency the level is kept within 0.1 dB; what would alias or image is at least 80 dB down.
"""

from __future__ import annotations

import numpy as np

from vivavoce import _media
from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.errors import AudioError

MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 192_000


class Resampler:
    """A stream at one rate turned into a stream at another; how it is cut into pieces does not change the result.

    Raises AudioError for a rate outside 4 to 192 kHz, and for two rates whose ratio has no small terms.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        for rate_hz in (from_hz, to_hz):
            if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
                raise AudioError(
                    f"a sampling rate of {rate_hz} Hz is not supported",
                    hint=f"use a rate from {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz",
                )
        try:
            self._stream = _media.Resampler(from_hz, to_hz)
        except ValueError as error:
            raise AudioError(str(error), hint="use a common rate such as 16000, 44100 or 48000 Hz") from error
        self.from_hz = from_hz
        self.to_hz = to_hz

    @property
    def look_ahead_ms(self) -> float:
        """How much later than its input an output can be given."""
        return 1000.0 * self._stream.look_ahead / self.from_hz

    def push(self, samples: Samples) -> Samples:
        """Take samples in; give those that are complete, possibly none."""
        return np.frombuffer(self._stream.push(samples), dtype=np.int16)

    def flush(self) -> Samples:
        """Give what was held back, and begin a new stream."""
        return np.frombuffer(self._stream.flush(), dtype=np.int16)

    def reset(self) -> None:
        """Forget what was held back, and begin a new stream."""
        self._stream.reset()


def resample(pcm: Pcm, rate_hz: int) -> Pcm:
    """The same stretch of sound at another rate. Raises AudioError as `Resampler` does."""
    if rate_hz == pcm.rate_hz:
        return pcm
    stream = Resampler(pcm.rate_hz, rate_hz)
    return Pcm(np.concatenate([stream.push(pcm.samples), stream.flush()]), rate_hz, pcm.start_ms)
