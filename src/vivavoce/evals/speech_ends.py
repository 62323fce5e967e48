"""Where the speech of a clean clip begins and ends, by its energy alone: labels that owe nothing to a detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import NoSpeech

_WINDOW_MS = 20.0
_HOP_MS = 5.0
_BELOW_SPEECH_DB = 36.0
_ABOVE_FLOOR_DB = 15.0
_SHORTEST_MS = 40.0
_SILENCE_DB = -75.0

GAP_MS = 500.0
"""Silence of at least this length separates two utterances."""


@dataclass(frozen=True, slots=True)
class Speech:
    """First and last speech sample, in ms from the clip's first sample."""

    start_ms: float
    end_ms: float

    @property
    def duration_ms(self) -> float:
        return self.end_ms - self.start_ms


def label_speech(pcm: Pcm) -> Speech:
    """Find the first and last stretch of at least 40 ms that is louder than the clip's own threshold.

    The threshold lies 36 dB under the speech level (95th percentile of short-time RMS), and at least 15 dB above the
    noise floor (5th percentile) as far as the floor leaves room for that. Raises NoSpeech for a clip of silence.
    """
    stretches = _stretches(pcm)
    return Speech(stretches[0].start_ms, stretches[-1].end_ms)


def label_utterances(pcm: Pcm, *, gap_ms: float = GAP_MS) -> list[Speech]:
    """Every utterance of a clip: what `label_speech` takes for speech, split at silences of at least `gap_ms`.

    The first begins and the last ends where `label_speech` says. Raises NoSpeech for a clip of silence.
    """
    first, *others = _stretches(pcm)
    utterances = [first]
    for stretch in others:
        if stretch.start_ms - utterances[-1].end_ms >= gap_ms:
            utterances.append(stretch)
        else:
            utterances[-1] = Speech(utterances[-1].start_ms, stretch.end_ms)
    return utterances


def _stretches(pcm: Pcm) -> list[Speech]:
    """All loud stretches in their order, at least one."""
    levels = _levels_db(pcm)
    if not len(levels) or (speech := float(np.percentile(levels, 95))) < _SILENCE_DB:
        raise NoSpeech("the clip is silent")
    floor = float(np.percentile(levels, 5))
    threshold = max(speech - _BELOW_SPEECH_DB, min(floor + _ABOVE_FLOOR_DB, (speech + floor) / 2))
    runs = _runs(levels >= threshold, at_least=round(_SHORTEST_MS / _HOP_MS))
    if not runs:
        raise NoSpeech("the clip holds clicks, no speech")
    centre_ms = _WINDOW_MS / 2
    return [
        Speech(begin * _HOP_MS + centre_ms, min((end - 1) * _HOP_MS + centre_ms, pcm.duration_ms))
        for begin, end in runs
    ]


def precedes_endpoint_too_little(label_end_ms: float, *, decided_ms: float, endpoint_ms: float) -> bool:
    """Whether a label is impossible: the endpoint waits for `endpoint_ms` of silence, so speech ended before that."""
    return decided_ms - label_end_ms < endpoint_ms


def _levels_db(pcm: Pcm) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """RMS of 20 ms windows every 5 ms, in dB of full scale."""
    window, hop = round(pcm.rate_hz * _WINDOW_MS / 1000), round(pcm.rate_hz * _HOP_MS / 1000)
    energy = np.concatenate([[0.0], np.cumsum(pcm.as_float().astype(np.float64) ** 2)])
    starts = np.arange(0, len(pcm.samples) - window + 1, hop)
    mean = (energy[starts + window] - energy[starts]) / window
    return np.asarray(10.0 * np.log10(np.maximum(mean, 1e-12)))


def _runs(loud: np.ndarray[tuple[int], np.dtype[np.bool_]], *, at_least: int) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of every run of loud windows that is long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= at_least]
