"""Words that a failover lost or said twice: a session's words against those that were said, or a twin's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from vivavoce.legs.values import Word
from vivavoce.text.phrases import spoken_form
from vivavoce.translate.events import Event, Heard

NEAR_MS = 2000.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What one text lacks of another, and has beyond it; a word heard otherwise is neither."""

    lost: int = 0
    added: int = 0


def settled(events: Iterable[Event], *, start_ms: float) -> list[Word]:
    """The settled words of all utterances in order, timed from `start_ms` on."""
    latest: dict[int, Heard] = {event.utterance: event for event in events if isinstance(event, Heard)}
    words = [word for number in sorted(latest) for word in latest[number].settled]
    return [Word(w.text, w.start_ms - start_ms, w.end_ms - start_ms, w.confidence) for w in words]


def changes(reference: Sequence[Word], words: Sequence[Word], *, near_ms: float | None = None) -> Changes:
    """Of `words` against `reference`: all, or those within two seconds of a moment. Case and marks do not count."""
    before, after = [spoken_form(w.text) for w in reference], [spoken_form(w.text) for w in words]
    lost = added = 0
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal" or not (near_ms is None or _near([*reference[i:j], *words[k:m]], near_ms)):
            continue
        same = min(j - i, m - k)
        lost += j - i - same
        added += m - k - same
    return Changes(lost, added)


def _near(words: Sequence[Word], moment_ms: float) -> bool:
    return any(word.end_ms >= moment_ms - NEAR_MS and word.start_ms <= moment_ms + NEAR_MS for word in words)
