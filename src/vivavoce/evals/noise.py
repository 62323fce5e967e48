"""Sounds without speech, made by code: silence, noises and music. The same seed gives the same samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vivavoce.audio.pcm import Samples, from_float

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MadeSound:
    name: str
    samples: Samples


def made_sounds(duration_s: float, rate_hz: int, *, seed: int = 0) -> list[MadeSound]:
    """Every kind of sound at a low and a high level, equally long, `duration_s` together."""
    levels = {"quiet": -42.0, "loud": -14.0}
    count = round(duration_s * rate_hz / (len(_KINDS) * len(levels)))
    rng = np.random.default_rng(seed)
    made: list[MadeSound] = []
    for name, make in _KINDS.items():
        for level, rms_db in levels.items():
            sound = make(rng, count, rate_hz)
            made.append(MadeSound(f"{name}, {level}", from_float(_at_level(sound, rms_db), rate_hz).samples))
    return made


def _at_level(sound: Floats, rms_db: float) -> Floats:
    rms = float(np.sqrt(np.mean(sound**2)))
    return sound if rms == 0 else np.clip(sound * 10 ** (rms_db / 20) / rms, -0.99, 0.99)


def _silence(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    return np.zeros(count)


def _white(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    return rng.standard_normal(count)


def _coloured(rng: np.random.Generator, count: int, slope: float) -> Floats:
    """Noise whose power falls with frequency to the power of `slope`: 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.maximum(1.0, np.arange(len(spectrum)))
    return np.fft.irfft(spectrum / frequency ** (slope / 2), count)


def _pink(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    return _coloured(rng, count, 1.0)


def _rumble(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    """Brown noise that swells, like traffic or wind."""
    swell = 1.0 + 0.8 * np.sin(2 * np.pi * 0.2 * _seconds(count, rate_hz))
    return _coloured(rng, count, 2.0) * swell


def _hum(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    """Mains: 50 Hz and harmonics over a faint hiss."""
    seconds = _seconds(count, rate_hz)
    tones = sum((np.sin(2 * np.pi * 50 * k * seconds) / k for k in range(1, 8)), start=np.zeros(count))
    return tones + 0.01 * rng.standard_normal(count)


def _clicks(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    """Keys and knocks: decaying bursts at irregular times."""
    return _bursts(rng, count, rate_hz, per_s=4.0, decay_s=0.008)


def _applause(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    return _bursts(rng, count, rate_hz, per_s=250.0, decay_s=0.005)


def _bursts(rng: np.random.Generator, count: int, rate_hz: int, *, per_s: float, decay_s: float) -> Floats:
    hits = np.zeros(count)
    at = rng.integers(0, count, max(1, round(per_s * count / rate_hz)))
    np.add.at(hits, at, rng.uniform(0.3, 1.0, len(at)))
    tail = np.exp(-np.arange(round(6 * decay_s * rate_hz)) / (decay_s * rate_hz))
    burst = tail * rng.standard_normal(len(tail))
    return np.fft.irfft(np.fft.rfft(hits, 2 * count) * np.fft.rfft(burst, 2 * count), 2 * count)[:count]


def _chords(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    """Four chords in turn, organ-like, two seconds each."""
    roots = (220.0, 174.6, 261.6, 196.0)
    return _notes(count, rate_hz, [(2.0, [root * 2 ** (s / 12) for s in (0, 4, 7, 12)]) for root in roots], vibrato=0.0)


def _melody(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    """One voice-like line with vibrato over a pentatonic scale."""
    scale = 261.6 * 2 ** (np.array([0, 2, 4, 7, 9, 12, 14]) / 12)
    tune = [(float(rng.choice([0.25, 0.5, 1.0])), [float(rng.choice(scale))]) for _ in range(64)]
    return _notes(count, rate_hz, tune, vibrato=0.012)


def _notes(count: int, rate_hz: int, tune: list[tuple[float, list[float]]], *, vibrato: float) -> Floats:
    out = np.zeros(count)
    at = turn = 0
    while at < count:
        length_s, frequencies = tune[turn % len(tune)]
        seconds = _seconds(min(count - at, round(length_s * rate_hz)), rate_hz)
        envelope = np.minimum(1.0, seconds / 0.02) * np.exp(-1.5 * seconds)
        for frequency in frequencies:
            phase = 2 * np.pi * frequency * (seconds - vibrato / (2 * np.pi * 5.5) * np.cos(2 * np.pi * 5.5 * seconds))
            out[at : at + len(seconds)] += envelope * sum(np.sin(k * phase) / k**1.5 for k in range(1, 7))
        at += len(seconds)
        turn += 1
    return out


def _drums(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    """Kick on the beat, noise on the off-beat, at 120 a minute."""
    out = np.zeros(count)
    step = rate_hz // 4
    for number, at in enumerate(range(0, count, step)):
        seconds = _seconds(min(step, count - at), rate_hz)
        kick = np.sin(2 * np.pi * (50 * seconds + 4 * (1 - np.exp(-20 * seconds)))) * np.exp(-12 * seconds)
        snare = rng.standard_normal(len(seconds)) * np.exp(-25 * seconds)
        out[at : at + len(seconds)] += kick if number % 2 == 0 else 0.5 * snare
    return out


def _sweep(rng: np.random.Generator, count: int, rate_hz: int) -> Floats:
    """A tone that glides between 150 and 3,000 Hz every three seconds, like a siren."""
    pitch = 150.0 * 20.0 ** (0.5 - 0.5 * np.cos(2 * np.pi * _seconds(count, rate_hz) / 3.0))
    return np.sin(2 * np.pi * np.cumsum(pitch) / rate_hz)


def _seconds(count: int, rate_hz: int) -> Floats:
    return np.arange(count) / rate_hz


_KINDS: dict[str, Callable[[np.random.Generator, int, int], Floats]] = {
    "silence": _silence,
    "white noise": _white,
    "pink noise": _pink,
    "rumble": _rumble,
    "mains hum": _hum,
    "clicks": _clicks,
    "applause": _applause,
    "chords": _chords,
    "melody": _melody,
    "drums": _drums,
    "sweep": _sweep,
}
