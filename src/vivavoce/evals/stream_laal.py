"""StreamLAAL: how long after a word's fair turn its translation is shown, over a stream in several sentences.

As Papi et al. defined it (https://aclanthology.org/2024.acl-long.202) and simulstream 1.0 computes it: the stream's
words are given to the reference's sentences so that word errors are fewest (Matusov et al., IWSLT 2005), and each
sentence has its length-adaptive average lagging (https://arxiv.org/abs/2206.05807). Words are what blanks part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of the translation and when it was shown, in ms of the stream."""

    text: str
    shown_ms: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence of the reference translation: its source is spoken from `start_ms` of the stream on."""

    text: str
    start_ms: float
    duration_ms: float


def timed_words(shown: Sequence[tuple[str, float]]) -> list[TimedWord]:
    """The words of clauses, each (translation, ms at which it was shown)."""
    return [TimedWord(word, shown_ms) for text, shown_ms in shown for word in text.split()]


def stream_laal(words: Sequence[TimedWord], segments: Sequence[Segment]) -> list[float | None]:
    """The lagging of each segment in ms; None for a segment that no word was given to."""
    parts = resegmented([word.text for word in words], [segment.text for segment in segments])
    return [
        laal([word.shown_ms - segment.start_ms for word in words[start:end]], segment) if end > start else None
        for segment, (start, end) in zip(segments, parts, strict=True)
    ]


def laal(delays_ms: Sequence[float], segment: Segment) -> float:
    """Length-adaptive average lagging in ms; `delays_ms` are from the segment's start.

    The n-th word is due when as much of the source is over as of the longer of the two translations. Words after the
    first one that came when the source was over do not count; one that comes later than that as the first is the delay.
    Raises ValueError without a word.
    """
    if not delays_ms:
        raise ValueError("no words, no lagging")
    per_word_ms = segment.duration_ms / max(len(delays_ms), len(segment.text.split()))
    lags: list[float] = []
    for n, delay_ms in enumerate(delays_ms):
        lags.append(delay_ms - n * per_word_ms)
        if delay_ms >= segment.duration_ms:
            break
    return sum(lags) / len(lags)


def resegmented(words: Sequence[str], segments: Sequence[str]) -> list[tuple[int, int]]:
    """For each segment the first word that is given to it and the one after its last; words go in order, all of them.

    Word errors, whatever the case, are as few as they can be. Words before a segment's first match belong to the one
    before it. Of ways with equal errors the one is taken that mwerSegmenter takes: it leaves a reference word out
    rather than insert one, and inserts rather than replace, and a segment that ends before the first word costs one.
    """
    keys = [word.casefold() for word in words]
    # By the number of words that are used up: the fewest errors, and where the segment under way began.
    errors, begins = list(range(len(keys) + 1)), [0] * (len(keys) + 1)
    begun: list[list[int]] = []
    for segment in segments:
        for wanted in segment.split():
            errors, begins = _with(wanted.casefold(), keys, errors, begins)
        begun.append(begins)
        errors[0] += 1
        begins = list(range(len(keys) + 1))
    ends = [len(keys)]
    for starts in reversed(begun[1:]):
        ends.append(starts[ends[-1]])
    ends.reverse()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _with(wanted: str, keys: Sequence[str], errors: list[int], begins: list[int]) -> tuple[list[int], list[int]]:
    """The table's next row: one more word of the reference."""
    row, row_begins = [errors[0] + 1], [begins[0]]
    for used, key in enumerate(keys, 1):
        left_out, inserted = errors[used] + 1, row[-1] + 1
        put = errors[used - 1] + (key != wanted)
        if put < left_out and put < inserted:
            row.append(put)
            row_begins.append(begins[used - 1])
        elif left_out <= inserted:
            row.append(left_out)
            row_begins.append(begins[used])
        else:
            row.append(inserted)
            row_begins.append(row_begins[-1])
    return row, row_begins
