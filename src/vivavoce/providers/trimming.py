"""Silence before and after a stretch of speech, cut while the speech still comes."""

from __future__ import annotations

import numpy as np

from vivavoce.audio.pcm import Samples

_LONGEST_HELD = 1 << 16
"""Samples of silence within speech that wait for what follows; more of it is no pause of speech, and is given."""


class Trimmer:
    """One stretch: silence before its first and behind its last sound is cut to `margin` samples.

    Silence in between waits until sound follows it. Silence is what stays within `quiet` (of 32768) of zero.
    """

    def __init__(self, *, quiet: int, margin: int) -> None:
        self._quiet, self._margin = quiet, margin
        self._held = np.zeros(0, np.int16)
        self._begun = False
        self.cut = 0
        """Samples cut before the first sound so far."""

    def push(self, piece: Samples) -> Samples:
        """Take samples in; give those that are sound, or lie between sounds, possibly none."""
        piece = np.concatenate([self._held, piece])
        loud = np.flatnonzero((piece > self._quiet) | (piece < -self._quiet))
        if not len(loud):
            given = max(0, len(piece) - (_LONGEST_HELD if self._begun else self._margin))
            self._held = piece[given:]
            if self._begun:
                return piece[:given]
            self.cut += given
            return piece[:0]
        begin = 0 if self._begun else max(0, int(loud[0]) - self._margin)
        end = min(len(piece), int(loud[-1]) + 1 + self._margin)
        if not self._begun:
            self.cut += begin
        self._held, self._begun = piece[end:], True
        return piece[begin:end]
