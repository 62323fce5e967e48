"""How long after a source word its commitment is shown and its translation is heard, and whether that lag grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vivavoce.contract.stats import Interval
from vivavoce.evals.scores import match_words
from vivavoce.legs.values import Word
from vivavoce.translate.events import Event, Heard, Spoken, Translated

MS_PER_MINUTE = 60_000.0


@dataclass(frozen=True, slots=True)
class ShownWord:
    """A source word and the session ms at which it was shown: as settled, or with its clause's translation.

    `fraction` is how much of its clause is over at the word's end, by characters; `line` is that of the clause.
    """

    text: str
    at_ms: float
    line: int = 0
    fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class Lag:
    """From a source word's end (session ms) to what became of it; `group` holds words that share their fate."""

    word_end_ms: float
    lag_ms: float
    group: int = 0


def settled_words(events: Iterable[Event]) -> list[ShownWord]:
    """Source words in order, each with the moment at which it was first shown as settled."""
    words: list[ShownWord] = []
    count: dict[int, int] = {}
    for event in events:
        if isinstance(event, Heard):
            known = count.get(event.utterance, 0)
            words.extend(ShownWord(word.text, event.at_ms) for word in event.settled[known:])
            count[event.utterance] = max(known, len(event.settled))
    return words


def translated_words(lines: Iterable[Translated]) -> list[ShownWord]:
    """Source words in order, each with the moment at which the translation of its clause was shown."""
    words: list[ShownWord] = []
    for line in lines:
        texts, done = line.clause.text.split(), 0
        whole = len(" ".join(texts))
        for text in texts:
            done += len(text)
            words.append(ShownWord(text, line.at_ms, line.line, done / whole))
            done += 1
    return words


def lags(source: Sequence[Word], shown: Sequence[ShownWord]) -> list[Lag]:
    """Match source words, timed in session ms, with shown ones by order, and take the time between."""
    pairs = match_words([word.text for word in source], [word.text for word in shown])
    return [Lag(source[i].end_ms, shown[j].at_ms - source[i].end_ms, shown[j].line) for i, j in pairs]


def heard_words(
    lines: Iterable[Translated], spoken: Iterable[Spoken], began_ms: Mapping[int, float]
) -> list[ShownWord]:
    """Source words, each with the moment at which as much of its clause's dub was heard as of the clause is over.

    Words of clauses that were not spoken are left out. `began_ms` is when a line's first sound was really heard.
    """
    chunks = chunks_by_line(spoken)
    return [
        replace(word, at_ms=heard_at(chunks[word.line], word.fraction, began_ms.get(word.line)))
        for word in translated_words(lines)
        if word.line in chunks
    ]


def chunks_by_line(spoken: Iterable[Spoken]) -> dict[int, list[Spoken]]:
    """The stretches of each line's dub, in order."""
    chunks: dict[int, list[Spoken]] = {}
    for chunk in spoken:
        chunks.setdefault(chunk.line, []).append(chunk)
    return chunks


def heard_at(chunks: Sequence[Spoken], fraction: float, began_ms: float | None = None) -> float:
    """The session ms at which this fraction of a line's sound was heard; gaps between its stretches do not count."""
    late_ms = 0.0 if began_ms is None else max(0.0, began_ms - chunks[0].start_ms)
    left_ms = fraction * sum(chunk.end_ms - chunk.start_ms for chunk in chunks)
    for chunk in chunks:
        length_ms = chunk.end_ms - chunk.start_ms
        if left_ms <= length_ms + 1e-6:
            return late_ms + chunk.start_ms + left_ms
        left_ms -= length_ms
    return late_ms + chunks[-1].end_ms


def voiced_share(lines: Iterable[Translated], spoken: Iterable[Spoken]) -> float | None:
    """Translated words whose sound has a place in the dub, over all translated words; None without any.

    An engine that does not say which words a stretch holds is taken to have spoken the whole line.
    """
    chunks = chunks_by_line(spoken)
    words = placed = 0
    for line in lines:
        count = len(line.text.split())
        words += count
        found = chunks.get(line.line, [])
        said = sum(len(chunk.text.split()) for chunk in found)
        placed += min(count, said) if said else count * bool(found)
    return placed / words if words else None


def growth_per_minute(rows: Sequence[Lag], *, seed: int = 0, resamples: int = 1000) -> tuple[float, Interval] | None:
    """By how many ms a minute the lag grows (least squares), with a 95 % bootstrap interval over the groups.

    None when there are fewer than three groups, too few to resample.
    """
    groups: dict[int, list[Lag]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    if len(groups) < 3:
        return None
    sums = np.array([_moments(group) for group in groups.values()])
    picks = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    low, high = np.nanquantile(_slopes(sums[picks].sum(axis=1)), [0.025, 0.975])
    return float(_slopes(sums.sum(axis=0)[None])[0]), Interval(float(low), float(high))


def _moments(rows: Sequence[Lag]) -> tuple[float, float, float, float, float]:
    """Count, sums of x and y, of x², of xy: all that a least squares line needs, and they add up over groups."""
    x = np.array([row.word_end_ms / MS_PER_MINUTE for row in rows])
    y = np.array([row.lag_ms for row in rows])
    return float(len(rows)), float(x.sum()), float(y.sum()), float((x * x).sum()), float((x * y).sum())


def _slopes(sums: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    n, x, y, xx, xy = sums.T
    spread = n * xx - x * x
    return np.asarray((n * xy - x * y) / np.where(spread > 0, spread, np.nan))


def slope_per_minute(points: Sequence[tuple[float, float]], *, after_ms: float = 0.0) -> float | None:
    """Least squares growth per minute of (session ms, value) points from `after_ms` on; None with fewer than three."""
    kept = [(at_ms / MS_PER_MINUTE, value) for at_ms, value in points if at_ms >= after_ms]
    if len(kept) < 3:
        return None
    minutes, values = np.array(kept).T
    return float(np.polyfit(minutes, values, 1)[0])
