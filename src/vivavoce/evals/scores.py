"""How good a text is: word errors, chrF, and what subtitles took back."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from vivavoce.contract.stats import Floats
from vivavoce.legs.values import Word
from vivavoce.text.phrases import spoken_form
from vivavoce.translate.events import Event, Heard, Translated


@dataclass(frozen=True, slots=True)
class WordErrors:
    """`rate` is (substitutions + deletions + insertions) / reference words, in percent."""

    rate: float
    words: int
    substitutions: int
    deletions: int
    insertions: int


def has_accents(text: str) -> bool:
    """Whether any letter carries a diacritic."""
    return any(unicodedata.combining(c) for c in unicodedata.normalize("NFD", text))


def normalised(text: str, *, language: str, accents: bool = True) -> str:
    """Text as words for comparing, by OpenAI's published normalisers; without `accents` diacritics are dropped."""
    return " ".join(_normaliser(language, accents)(text).split())


@cache
def _normaliser(language: str, accents: bool) -> Callable[[str], str]:
    if language == "en":
        from whisper_normalizer.english import EnglishTextNormalizer

        english: Callable[[str], str] = EnglishTextNormalizer()
        return english
    from whisper_normalizer.basic import BasicTextNormalizer

    basic: Callable[[str], str] = BasicTextNormalizer(remove_diacritics=not accents)
    return basic


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was recognised of a text in a language, beside what was really said."""

    language: str
    register: str
    reference: str
    text: str


def normalised_pairs(said: Sequence[Said]) -> list[tuple[str, str]]:
    """(reference, text) of each, normalised for `word_errors`.

    Where no reference of a language and register has a diacritic they were typed without, so both sides lose them.
    """
    accented = {(each.language, each.register) for each in said if has_accents(each.reference)}

    def both(each: Said) -> tuple[str, str]:
        accents = (each.language, each.register) in accented
        reference, text = (
            normalised(text, language=each.language, accents=accents) for text in (each.reference, each.text)
        )
        return reference, text

    return [both(each) for each in said]


def word_errors(pairs: Iterable[tuple[str, str]]) -> WordErrors | None:
    """Word errors over (reference, hypothesis) pairs that are normalised; None when no reference has a word."""
    import jiwer

    rows = [(reference, hypothesis) for reference, hypothesis in pairs if reference.strip()]
    if not rows:
        return None
    found = jiwer.process_words([reference for reference, _ in rows], [hypothesis for _, hypothesis in rows])
    words = found.hits + found.substitutions + found.deletions
    return WordErrors(100.0 * found.wer, words, found.substitutions, found.deletions, found.insertions)


def chrf(pairs: Iterable[tuple[str, str]], *, word_order: int = 0) -> float | None:
    """Corpus chrF (sacreBLEU's defaults, 0 to 100) over (reference, hypothesis) pairs; None without references.

    `word_order=2` makes it chrF++.
    """
    from sacrebleu.metrics.chrf import CHRF

    rows = [(reference, hypothesis) for reference, hypothesis in pairs if reference.strip()]
    if not rows:
        return None
    metric = CHRF(word_order=word_order)
    return float(metric.corpus_score([hypothesis for _, hypothesis in rows], [[r for r, _ in rows]]).score)


_CHARACTERS = 6
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def chrf_counts(reference: str, hypothesis: str, *, word_order: int = 2) -> list[float]:
    """The counts that chrF rests on: for each order the n-grams of the hypothesis, of the reference, and shared ones.

    Counts of several pairs add up, and `chrf_of` makes the corpus score of their sum, which is what resampling needs.
    As Popović defined it (https://aclanthology.org/W17-4770) and sacreBLEU counts: six orders of characters without
    blanks, then words, of which one mark at the end or else at the beginning is cut off.
    """
    counts: list[float] = []
    orders = [(_characters, n) for n in range(1, _CHARACTERS + 1)] + [(_words, n) for n in range(1, word_order + 1)]
    for units, n in orders:
        ours, theirs = (_ngrams(units(text), n) for text in (hypothesis, reference))
        counts += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return counts


def chrf_of(counts: Floats) -> Floats:
    """The score (0 to 100) of each row of summed `chrf_counts`; orders without n-grams on a side are left out."""
    ours, theirs, shared = (counts[:, i::3] for i in range(3))
    there = (ours > 0) & (theirs > 0)
    orders = np.maximum(there.sum(axis=1), 1)
    precision = np.where(there, shared / np.maximum(ours, 1), 0.0).sum(axis=1) / orders
    recall = np.where(there, shared / np.maximum(theirs, 1), 0.0).sum(axis=1) / orders
    weighted = 4 * precision + recall  # recall counts twice as much: beta is 2
    return np.asarray(100 * 5 * precision * recall / np.where(weighted > 0, weighted, 1.0))


def _ngrams(units: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(units[i : i + n]) for i in range(len(units) - n + 1))


def _characters(text: str) -> Sequence[str]:
    return "".join(text.split())


def _words(text: str) -> Sequence[str]:
    words: list[str] = []
    for word in text.split():
        if len(word) > 1 and word[-1] in _PUNCTUATION:
            words += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in _PUNCTUATION:
            words += [word[0], word[1:]]
        else:
            words.append(word)
    return words


def match_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """Indices of the words that stand for each other, in order: the alignment with the fewest word errors."""
    if not reference or not hypothesis:
        return []
    import jiwer

    found = jiwer.process_words(" ".join(map(_token, reference)), " ".join(map(_token, hypothesis)))
    return [
        (chunk.ref_start_idx + i, chunk.hyp_start_idx + i)
        for chunk in found.alignments[0]
        if chunk.type in ("equal", "substitute")
        for i in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]


def _token(word: str) -> str:
    return "".join(spoken_form(word).split()) or "-"


@dataclass(frozen=True, slots=True)
class Erasure:
    """`committed` words that were shown as settled and changed; `visible` words, the unstable tail included, that
    changed or vanished; `words` that stand in the end."""

    committed: int
    visible: int
    words: int

    def __add__(self, other: Erasure) -> Erasure:
        return Erasure(self.committed + other.committed, self.visible + other.visible, self.words + other.words)

    @property
    def normalised(self) -> float:
        """Visible words taken back per word that stands in the end."""
        return self.visible / self.words if self.words else 0.0


def erasure(events: Iterable[Event]) -> Erasure:
    """Compare what was shown of each utterance and each translated line with what was shown of it before."""
    settled: dict[int, tuple[str, ...]] = {}
    shown: dict[int, tuple[str, ...]] = {}
    lines: dict[int, tuple[str, ...]] = {}
    committed = visible = 0
    for event in events:
        if isinstance(event, Heard):
            sure = _texts(event.settled)
            committed += _taken_back(settled.get(event.utterance, ()), sure)
            visible += _taken_back(shown.get(event.utterance, ()), sure + _texts(event.tail))
            settled[event.utterance], shown[event.utterance] = sure, sure + _texts(event.tail)
        elif isinstance(event, Translated):
            line = tuple(event.text.split())
            committed += _taken_back(lines.get(event.line, ()), line)
            lines[event.line] = line
    return Erasure(committed, visible, sum(map(len, shown.values())))


def _texts(words: Sequence[Word]) -> tuple[str, ...]:
    return tuple(word.text for word in words)


def _taken_back(before: Sequence[str], now: Sequence[str]) -> int:
    """Words of `before` from the first one that changed on."""
    same = 0
    while same < min(len(before), len(now)) and before[same] == now[same]:
        same += 1
    return len(before) - same
