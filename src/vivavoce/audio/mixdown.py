"""The original voice under the dub."""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vivavoce.audio.pcm import Samples

# About -56 dBFS: what is quieter than this in a dub is the space between its words.
VOICE_PEAK = 50


class MuteWatch(Protocol):
    """Is told when the original went down and came back, in ms of what was mixed, each as soon as it is so.

    `sound_ms` is the dub's first sound that it went down for, and the last before it came back.
    """

    def lowered(self, *, at_ms: float, sound_ms: float) -> None: ...

    def restored(self, *, at_ms: float, sound_ms: float) -> None: ...


class Mixer:
    """Adds a dub to the original, which is turned down while the dub speaks.

    The gain of the original moves at a constant rate in decibels, `attack_ms` down and `release_ms` back up, so that no
    step can be heard; pauses of the dub up to `hold_ms` do not bring the original back. How the sound is cut into
    frames does not change the result. Where both are loud the original gives way: the dub passes unchanged and the sum
    cannot overflow.
    """

    def __init__(
        self,
        rate_hz: int,
        *,
        duck_db: float = -18.0,
        attack_ms: float = 60.0,
        release_ms: float = 400.0,
        hold_ms: float = 300.0,
        watch: MuteWatch | None = None,
    ) -> None:
        self._rate_hz = rate_hz
        self._floor_db = min(0.0, duck_db)
        self._down_db = -self._floor_db / max(1.0, attack_ms * rate_hz / 1000.0)
        self._up_db = -self._floor_db / max(1.0, release_ms * rate_hz / 1000.0)
        self._hold = round(hold_ms * rate_hz / 1000.0)
        self._silent_for = self._hold + 1
        self._gain_db = 0.0
        self._watch = watch if self._floor_db < 0.0 else None
        self._place = 0
        self._sound_from: int | None = None
        self._sound_until = 0
        self._is_down = False

    @property
    def gain_db(self) -> float:
        """What the original is at now: 0 alone, `duck_db` under the dub."""
        return self._gain_db

    def mix(self, original: Samples, dub: Samples) -> Samples:
        """Mix two stretches of the same moment; the shorter is continued with silence."""
        length = max(len(original), len(dub))
        if not length:
            return np.zeros(0, dtype=np.int16)
        under, over = _padded(original, length), _padded(dub, length)
        gain = 10.0 ** (self._gains_db(over) / 20.0)
        return np.rint(over + _into_room(under * gain, over)).astype(np.int16)

    def _gains_db(self, dub: NDArray[np.float64]) -> NDArray[np.float64]:
        """The original's gain at each sample, continuing from the last call."""
        gains = np.empty(len(dub))
        speaks = self._speaks(dub)
        borders = [0, *(np.flatnonzero(np.diff(speaks)) + 1).tolist(), len(dub)]
        for start, end in pairwise(borders):
            steps = np.arange(1, end - start + 1)
            if speaks[start]:
                gains[start:end] = np.maximum(self._gain_db - steps * self._down_db, self._floor_db)
            else:
                gains[start:end] = np.minimum(self._gain_db + steps * self._up_db, 0.0)
            self._gain_db = float(gains[end - 1])
            if self._watch is not None:
                self._tell(self._watch, gains[start:end], self._place + start, speaks=bool(speaks[start]))
        self._place += len(dub)
        return gains

    def _tell(self, watch: MuteWatch, gains: NDArray[np.float64], place: int, *, speaks: bool) -> None:
        """Tell what became of the original in a stretch from `place` on in which the dub speaks, or does not."""
        if speaks:
            self._sound_until = place + len(gains) - self._hold
            if self._sound_from is None:
                self._sound_from = place
            if not self._is_down and gains[-1] <= self._floor_db:
                self._is_down = True
                at = place + int(np.argmax(gains <= self._floor_db))
                watch.lowered(at_ms=self._ms(at), sound_ms=self._ms(self._sound_from))
        elif self._sound_from is not None and gains[-1] >= 0.0:
            if self._is_down:
                at = place + int(np.argmax(gains >= 0.0))
                watch.restored(at_ms=self._ms(at), sound_ms=self._ms(self._sound_until))
            self._sound_from, self._is_down = None, False

    def _ms(self, samples: int) -> float:
        return 1000.0 * samples / self._rate_hz

    def _speaks(self, dub: NDArray[np.float64]) -> NDArray[np.bool_]:
        """True from a sample with voice until `hold` samples after the last one."""
        places = np.arange(len(dub))
        last_voiced = np.maximum.accumulate(np.where(np.abs(dub) > VOICE_PEAK, places, -self._silent_for))
        since = places - last_voiced
        self._silent_for = min(int(since[-1]) + 1, self._hold + 1)
        return since <= self._hold


def _padded(samples: Samples, length: int) -> NDArray[np.float64]:
    return np.pad(samples.astype(np.float64), (0, length - len(samples)))


def _into_room(under: NDArray[np.float64], over: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bend `under` softly into the room that `over` leaves on its side of full scale; unbent where `over` is silent."""
    room = np.where(under >= 0.0, 32767.0 - over, 32768.0 + over)
    bend = np.minimum(room, np.abs(over)) / 2.0
    knee = room - bend
    beyond = np.maximum(np.abs(under) - knee, 0.0)
    bent = np.where(bend > 0.0, bend * np.tanh(beyond / np.where(bend > 0.0, bend, 1.0)), 0.0)
    bowed: NDArray[np.float64] = np.copysign(np.minimum(np.abs(under), knee) + bent, under)
    return bowed
