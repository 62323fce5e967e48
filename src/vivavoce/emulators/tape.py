"""Known sound with words at known times, and where in it a piece of sound lies.

A script is JSON: `{"clips": [{"audio": "x.wav", "words": [["text", start_ms, end_ms], …]}, …]}`, paths from the file's
folder, times from the clip's first sample.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vivavoce.audio.files import open_audio
from vivavoce.errors import ConfigError

Floats = NDArray[np.float32]

AUDIBLE = 20.0
"""RMS in steps of 16 bits; what is below looks the same everywhere."""
ALIKE = 0.7
"""Normalised cross-correlation of 20 ms with the same sound resampled; other sounds are rarely that much alike."""
SURE = 0.8
"""The same for 100 ms and more, the most alike of all places."""
_GAP_S = 1.0
_COARSE_HZ = 4000
_BLOCK = 1 << 16
_HOP = _BLOCK - 2048
_CANDIDATES = 8
_AS_GOOD = 0.03


class Clip(BaseModel):
    model_config = ConfigDict(extra="forbid")

    audio: Path
    words: list[tuple[str, Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]]


class Script(BaseModel):
    model_config = ConfigDict(extra="forbid")

    clips: list[Clip]

    @classmethod
    def load(cls, path: Path) -> Script:
        """Raises ConfigError for a file that is missing or is no script."""
        try:
            script = cls.model_validate(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            raise ConfigError(f"{path} is no script of clips: {error}", hint=str(__doc__).split("\n\n")[1]) from None
        return cls(clips=[Clip(audio=path.parent / clip.audio, words=clip.words) for clip in script.clips])


@dataclass(frozen=True, slots=True)
class TapeWord:
    """Times are samples of the tape."""

    text: str
    start: int
    end: int


class Tape:
    """All clips of a script behind each other at one rate, with silence between them."""

    def __init__(self, script: Script, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        gap = np.zeros(round(_GAP_S * rate_hz), np.float32)
        pieces, words, at = [gap], list[TapeWord](), len(gap)
        for clip in script.clips:
            sound = np.concatenate([pcm.samples for pcm in open_audio(clip.audio).blocks(rate_hz=rate_hz)])
            words += [
                TapeWord(text, at + round(start_ms * rate_hz / 1000), at + round(end_ms * rate_hz / 1000))
                for text, start_ms, end_ms in clip.words
            ]
            pieces += [sound.astype(np.float32), gap]
            at += len(sound) + len(gap)
        self.sound: Floats = np.concatenate(pieces)
        self.words = sorted(words, key=lambda word: word.end)
        self._step = max(1, rate_hz // _COARSE_HZ)
        self._coarse = _Coarse(_decimated(self.sound, self._step))

    def at(self, at: int, length: int) -> Floats:
        """Samples from `at` on; fewer where the tape has not so many."""
        return self.sound[at : at + length] if at >= 0 else self.sound[:0]

    def likeness(self, piece: Floats, at: int) -> float:
        """Normalised cross-correlation of a piece with what lies at `at`."""
        there = self.at(at, len(piece))
        if len(there) < len(piece):
            return 0.0
        # Quiet places are like anything else but for their level.
        energy = max(float(there @ there), 0.01 * float(piece @ piece), 1.0)
        return float(piece @ there) / float(np.sqrt(energy * max(float(piece @ piece), 1.0)))

    def find(self, piece: Floats, *, near: int | None) -> int | None:
        """Where a piece begins; of places that are as good the next after `near`, else the first. None if nowhere."""
        if near is not None and (found := self._find(piece, near)) is not None:
            return found
        return self._find(piece, None)

    def _find(self, piece: Floats, near: int | None) -> int | None:
        step, found = self._step, list[tuple[float, int]]()
        for place in self._coarse.places(_decimated(piece, step), near=None if near is None else near // step):
            around = range(place * step - 2 * step, place * step + 2 * step + 1)
            found.append(max((self.likeness(piece, at), at) for at in around))
        best = max((likeness for likeness, _ in found), default=0.0)
        if best < SURE:
            return None
        good = sorted({at for likeness, at in found if likeness >= best - _AS_GOOD})
        after = [at for at in good if near is not None and at >= near - step]
        return (after or good)[0]


class _Coarse:
    """Cross-correlation with a long sound, by blocks whose spectra are kept."""

    def __init__(self, sound: Floats) -> None:
        self._energy = np.concatenate([[0.0], np.cumsum(sound.astype(np.float64) ** 2)])
        count = max(1, -(-len(sound) // _HOP))
        padded = np.pad(sound, (0, count * _HOP + _BLOCK - len(sound)))
        self._spectra = [np.fft.rfft(padded[n * _HOP : n * _HOP + _BLOCK]) for n in range(count)]

    def places(self, piece: Floats, *, near: int | None) -> list[int]:
        """The most alike places, each 2 ms and more from the others; with `near` of the 15 s after it and around."""
        piece = piece[: _BLOCK - _HOP]
        first, blocks = 0, self._spectra
        if near is not None:
            first = min(max(near // _HOP, 0), len(blocks) - 1)
            blocks = blocks[first : first + 2]
        spectrum = np.conj(np.fft.rfft(piece, _BLOCK))
        along = np.concatenate([np.fft.irfft(block * spectrum)[:_HOP] for block in blocks])
        begin = first * _HOP
        along = along[: max(0, len(self._energy) - len(piece) - begin)]
        if not len(along):
            return []
        energy = self._energy[begin + len(piece) :][: len(along)] - self._energy[begin:][: len(along)]
        own = max(float(piece @ piece), 1e-9)
        likeness = along / np.sqrt(np.maximum(energy, 0.01 * own) * own)
        found = list[int]()
        for _ in range(_CANDIDATES):
            best = int(likeness.argmax())
            found.append(begin + best)
            likeness[max(0, best - 8) : best + 9] = -1.0
        return found


def _decimated(sound: Floats, step: int) -> Floats:
    """Every `step`-th sample of the sound without what is above about a quarter of the new rate."""
    if step == 1:
        return sound
    smooth = np.convolve(sound, _lowpass(step), mode="same")
    return np.ascontiguousarray(smooth[::step], np.float32)


@lru_cache
def _lowpass(step: int) -> Floats:
    window = np.hanning(4 * step + 1)
    return np.asarray(window / window.sum(), np.float32)
