"""What callers of an agent say: real clips with pauses spliced in between words, where nobody has finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vivavoce.agent.handset import FRAME, RATE_HZ
from vivavoce.audio.pcm import Pcm, Samples, from_float
from vivavoce.audio.resample import resample
from vivavoce.evals.clips import Recording
from vivavoce.evals.media_clips import loud_from
from vivavoce.evals.speech_ends import Speech
from vivavoce.legs.values import Word

PAUSE_MS = (300.0, 900.0)
SNAP_MS = 60.0
FADE_MS = 5.0
SEVERAL_WORDS = 8
"""A clip of so many words may get two pauses."""
BACKGROUND_MS = 200.0
BELOW_SPEECH_DB = 30.0
"""The clip's quietest stretch is taken for its background where it is so much quieter than its speech."""
HISS = 3e-4
"""Stands for the background of a clip that has none, of full scale."""
_WINDOW_MS, _STEP_MS = 10.0, 2.0
_REST_S = 2.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pause:
    start_ms: float
    length_ms: float

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.length_ms


@dataclass(frozen=True, slots=True)
class Turn:
    """i16[n] at 8 kHz in whole frames; `speech` and `pauses` in ms of it. `rest` is what is heard where nobody speaks,
    i16[m] in whole frames to be repeated."""

    samples: Samples
    speech: Speech
    pauses: tuple[Pause, ...]
    rest: Samples


Aligned = Callable[[NDArray[np.float32], str], Sequence[Word]]
"""The words of a known text in 16 kHz sound, timed."""


def splice(recording: Recording, align: Aligned, dice: np.random.Generator, *, most: int = 2) -> Turn:
    """Put one or two pauses between words of a clip, none next to its first or last word.

    They begin in the quietest 10 ms near the word's end, and sound like the clip's own background. Clips of fewer than
    four words, or `most` 0, stay whole.
    """
    clip, pcm = recording.trimmed(), recording.pcm
    background = _background(pcm)
    words = align(clip.pcm.as_float(), clip.clip.transcript) if most else ()
    inner = words[1:-2]
    wanted = min(most, 1 if len(words) < SEVERAL_WORDS else int(dice.integers(1, 3)), len(inner))
    chosen = sorted(dice.choice(len(inner), wanted, replace=False)) if wanted else []
    at_ms = sorted({quietest_ms(clip.pcm, inner[n].end_ms) for n in chosen})
    pieces: list[Floats] = []
    pauses: list[Pause] = []
    from_ms = 0.0
    for moment_ms in at_ms:
        length_ms = float(dice.uniform(*PAUSE_MS))
        pieces += [_piece(clip.pcm, from_ms, moment_ms), _tiled(background, _count(length_ms, pcm.rate_hz))]
        pauses.append(Pause(moment_ms + sum(pause.length_ms for pause in pauses), length_ms))
        from_ms = moment_ms
    pieces.append(_piece(clip.pcm, from_ms, clip.pcm.duration_ms))
    speech = Speech(clip.speech.start_ms, clip.speech.end_ms + sum(pause.length_ms for pause in pauses))
    rest = _tiled(background, round(_REST_S * pcm.rate_hz))
    return Turn(_on_the_wire(np.concatenate(pieces), pcm, rest), speech, tuple(pauses), _on_the_wire(rest, pcm, rest))


def outburst(recording: Recording) -> Turn:
    """A clip whose speech begins at once, for who interrupts: where it is within 12 dB of its loudest."""
    pcm, end_ms = recording.pcm, recording.speech.end_ms
    at_ms = loud_from(pcm, recording.speech.start_ms)
    rest = _tiled(_background(pcm), round(_REST_S * pcm.rate_hz))
    samples = _on_the_wire(_piece(pcm, at_ms, end_ms), pcm, rest)
    return Turn(samples, Speech(0.0, end_ms - at_ms), (), _on_the_wire(rest, pcm, rest))


def quietest_ms(pcm: Pcm, near_ms: float) -> float:
    """The middle of the quietest 10 ms, at most 60 ms away."""
    starts_ms = np.arange(near_ms - SNAP_MS, near_ms + SNAP_MS + 1e-6, _STEP_MS) - _WINDOW_MS / 2
    sound = pcm.as_float().astype(np.float64)
    powers = [_power(sound, start_ms, _WINDOW_MS, pcm.rate_hz) for start_ms in starts_ms]
    return float(starts_ms[int(np.argmin(powers))] + _WINDOW_MS / 2)


def _background(pcm: Pcm) -> Floats:
    """The quietest stretch, or hiss where that is speech, too, or nothing at all."""
    sound = pcm.as_float().astype(np.float64)
    starts_ms = np.arange(0.0, max(1.0, pcm.duration_ms - BACKGROUND_MS), 2 * _STEP_MS)
    powers = np.array([_power(sound, start_ms, BACKGROUND_MS, pcm.rate_hz) for start_ms in starts_ms])
    best, loud = int(np.argmin(powers)), float(np.percentile(powers, 95))
    if HISS**2 / 100 < powers[best] < loud / 10 ** (BELOW_SPEECH_DB / 10):
        at = _count(float(starts_ms[best]), pcm.rate_hz)
        return sound[at : at + _count(BACKGROUND_MS, pcm.rate_hz)]
    return np.random.default_rng(0).normal(0.0, HISS, pcm.rate_hz)


def _power(sound: Floats, start_ms: float, length_ms: float, rate_hz: int) -> float:
    at, length = _count(start_ms, rate_hz), _count(length_ms, rate_hz)
    window = sound[max(0, at) : at + length]
    return float(np.mean(window**2)) if len(window) == length else np.inf


def _tiled(background: Floats, length: int) -> Floats:
    """Forwards and backwards, so that it never jumps."""
    both = np.concatenate([background, background[::-1]])
    return np.resize(both, length)


def _piece(pcm: Pcm, from_ms: float, to_ms: float) -> Floats:
    sound = pcm.as_float().astype(np.float64)[_count(from_ms, pcm.rate_hz) : _count(to_ms, pcm.rate_hz)]
    ramp = np.linspace(0.0, 1.0, min(len(sound) // 2, _count(FADE_MS, pcm.rate_hz)))
    sound[: len(ramp)] *= ramp
    sound[len(sound) - len(ramp) :] *= ramp[::-1]
    return sound


def _on_the_wire(sound: Floats, pcm: Pcm, rest: Floats) -> Samples:
    """At the telephone's rate, filled up with background to whole frames."""
    frame = FRAME * pcm.rate_hz // RATE_HZ
    filled = np.concatenate([sound, rest[: -len(sound) % frame]])
    return resample(from_float(filled, pcm.rate_hz), RATE_HZ).samples


def _count(ms: float, rate_hz: int) -> int:
    return round(ms * rate_hz / 1000)
