"""Minutes of speech without a pause, and minutes without speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vivavoce.audio.pcm import Samples
from vivavoce.clock import SteppedClock, SystemClock
from vivavoce.config.settings import Settings
from vivavoce.evals.bench_clips import WHOLE_SHARE, Report, latency, shifted
from vivavoce.evals.clips import Recording
from vivavoce.evals.lag import (
    Lag,
    growth_per_minute,
    heard_words,
    lags,
    settled_words,
    slope_per_minute,
    translated_words,
    voiced_share,
)
from vivavoce.evals.live import LiveRun, Take
from vivavoce.evals.noise import MadeSound, made_sounds
from vivavoce.evals.offline import recognise_whole, whole_recogniser
from vivavoce.evals.scores import erasure, normalised, word_errors
from vivavoce.evals.usage import Usage
from vivavoce.legs.values import Word
from vivavoce.translate.assembly import Voice, open_legs, session_settings
from vivavoce.translate.events import Heard, Notice, Spoken, Translated, UtteranceDone
from vivavoce.translate.session import Legs

GAP_MS = 150.0
DRAIN_S = 5.0
"""About how long the dub goes on after the last word."""
WARM_MS = 120_000.0
"""Memory of the first two minutes does not count as growth: caches and arenas fill in them."""


class ContinuousPart:
    """The clips' speech, trimmed and joined with short gaps, over and over until `minutes` are full."""

    def __init__(
        self, settings: Settings, recordings: Sequence[Recording], *, target: str, voice: Voice, minutes: float
    ) -> None:
        self.usage: Usage | None = None
        self._settings = settings
        self._target = target
        self._voice = voice
        self._speech = [recording.trimmed() for recording in recordings]
        self._minutes = minutes
        self._rate_hz = recordings[0].pcm.rate_hz
        self._take: Take | None = None
        self._words: list[Word] = []
        self._placed = self._laid_out()

    @property
    def planned_s(self) -> float:
        sound_s = min(self._minutes * 60, sum(recording.pcm.duration_ms for recording in self._speech) / 1000)
        return self._minutes * 60 + DRAIN_S + sound_s * WHOLE_SHARE

    async def run(self, report: Report) -> None:
        source = self._speech[0].clip.language
        async with open_legs(self._settings, source=source, target=self._target, voice=self._voice) as legs:
            self.usage = Usage()
            run = LiveRun(
                legs=legs,
                settings=session_settings(self._settings, source=source, target=self._target, voice=self._voice),
                clock=SystemClock(),
                on_progress=lambda number, played_ms: report(played_ms / 1000),
                meter=self.usage,
            )
            try:
                await run.play([self._sound()])
            finally:
                self._take = run.takes[0] if run.takes else None
            # Not before: whole recordings take more memory than a session ever does.
            await self._align(legs, report)

    def _laid_out(self) -> list[tuple[Recording, float]]:
        placed: list[tuple[Recording, float]] = []
        at_ms = 0.0
        while at_ms < self._minutes * 60_000:
            recording = self._speech[len(placed) % len(self._speech)]
            placed.append((recording, at_ms))
            at_ms += recording.pcm.duration_ms + GAP_MS
        return placed

    async def _align(self, legs: Legs, report: Report) -> None:
        """Find when each word of the pieces ends; a piece is recognised once."""
        known: dict[str, tuple[Word, ...]] = {}
        done_s = self._minutes * 60 + DRAIN_S
        recogniser = whole_recogniser(legs.stt)
        for recording, at_ms in self._placed:
            if recording.clip.id not in known and recogniser is not None:
                known[recording.clip.id] = await recognise_whole(recogniser, recording)
                done_s += recording.pcm.duration_ms / 1000 * WHOLE_SHARE
                report(done_s)
            self._words += shifted(known.get(recording.clip.id, ()), at_ms)

    def _sound(self) -> Samples:
        gap = np.zeros(round(GAP_MS * self._rate_hz / 1000), np.int16)
        parts = [part for recording, _ in self._placed for part in (recording.pcm.samples, gap)]
        return np.concatenate(parts)[: round(self._minutes * 60 * self._rate_hz)]

    def figures(self) -> dict[str, Any]:
        """What was measured so far. A run that was cut off has no lags: its words were not timed."""
        take = self._take
        if take is None or not take.lines:
            return {}
        lines, spoken = take.lines, take.of(Spoken)
        until_ms = max(line.clause.end_ms for line in lines)
        words = [word for word in self._words if word.end_ms <= until_ms]
        heard = lags(words, heard_words(lines, spoken, take.began_ms))
        growth = growth_per_minute(heard)
        taken_back = erasure(take.events)
        voiced = voiced_share(lines, spoken)
        errors = self._errors(take, until_ms)
        memory = slope_per_minute(take.memory, after_ms=WARM_MS)
        figures: dict[str, Any] = {
            "minutes": round(until_ms / 60_000, 2),
            "words": len(words),
            "matched": len(heard),
            "clauses": len(lines),
            "utterances": len(take.of(UtteranceDone)),
            "lag_ms": latency(lag.lag_ms for lag in heard),
            "lag_growth_ms_per_min": round(growth[0], 1) if growth else None,
            "lag_growth_interval": [round(growth[1].low, 1), round(growth[1].high, 1)] if growth else None,
            "lag_by_minute_ms": _by_minute(heard),
            "voiced": None if voiced is None else round(voiced, 4),
            "commit_ms": latency(lag.lag_ms for lag in lags(words, settled_words(take.events))),
            "translated_ms": latency(lag.lag_ms for lag in lags(words, translated_words(lines))),
            "wer": errors,
            "erasure": {"committed": taken_back.committed, "visible": round(taken_back.normalised, 3)},
            "cpu_per_speech_s": round(take.cpu_s / (until_ms / 1000), 3) if take.over else None,
            "rss_mib": round(self.usage.peak_mib) if self.usage and self.usage.peak_mib else None,
            "rss_growth_mib_per_min": None if memory is None else round(memory, 2),
            "notices": _counted(take.of(Notice)),
        }
        return {name: value for name, value in figures.items() if value is not None}

    def _errors(self, take: Take, until_ms: float) -> float | None:
        ends = [(at_ms + recording.pcm.duration_ms + GAP_MS, recording) for recording, at_ms in self._placed]
        whole = [(end_ms, recording) for end_ms, recording in ends if end_ms <= until_ms + 2 * GAP_MS]
        if not whole:
            return None
        language = self._speech[0].clip.language
        reference = normalised(" ".join(recording.clip.transcript for _, recording in whole), language=language)
        # A piece that was cut off at the end has no reference: its text is left out by its time.
        texts = [line.clause.text for line in take.lines if line.clause.end_ms <= whole[-1][0] + GAP_MS]
        found = word_errors([(reference, normalised(" ".join(texts), language=language))])
        return None if found is None else round(found.rate, 2)


def _by_minute(rows: Sequence[Lag]) -> list[float]:
    """Median lag of the words that end in each minute, for a look at its course."""
    minutes: dict[int, list[float]] = {}
    for row in rows:
        minutes.setdefault(int(row.word_end_ms // 60_000), []).append(row.lag_ms)
    return [round(float(np.median(minutes[minute]))) for minute in sorted(minutes)]


def _counted(notices: Sequence[Notice]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for notice in notices:
        counts[notice.kind] = counts.get(notice.kind, 0) + 1
    return counts


class SilencePart:
    """Sounds without speech through a session, as fast as it goes: no text may come of them."""

    planned_s = 40.0

    def __init__(self, settings: Settings, *, source: str, target: str, voice: Voice, minutes: float = 5.0) -> None:
        self._settings = settings
        self._source = source
        self._target = target
        self._voice = voice
        self._minutes = minutes
        self._sounds: list[MadeSound] = []
        self._takes: list[Take] = []

    async def run(self, report: Report) -> None:
        session = session_settings(self._settings, source=self._source, target=self._target, voice=self._voice)
        self._sounds = made_sounds(self._minutes * 60, session.rate_hz)
        async with open_legs(self._settings, source=self._source, target=self._target, voice=self._voice) as legs:
            run = LiveRun(
                legs=legs,
                settings=session,
                clock=SteppedClock(),
                paced=False,
                on_progress=lambda number, _: report(self.planned_s * number / len(self._sounds)),
            )
            self._takes = run.takes
            await run.play([sound.samples for sound in self._sounds])

    def figures(self) -> dict[str, Any]:
        takes = [take for take in self._takes if take.over]
        if not takes:
            return {}
        sound_s = sum(len(sound.samples) for sound in self._sounds[: len(takes)]) / self._rate_hz()
        texts = [row for take in takes for row in _texts(self._sounds[take.number].name, take)]
        return {"minutes": round(sound_s / 60, 2), "texts": len(texts), "what": texts}

    def _rate_hz(self) -> int:
        return session_settings(self._settings, source=self._source, target=self._target, voice=self._voice).rate_hz


def _texts(name: str, take: Take) -> list[dict[str, Any]]:
    """What was shown during one sound, the longest text of each utterance, and what was translated of it."""
    shown: dict[int, str] = {}
    for heard in take.of(Heard):
        text = " ".join(word.text for word in (*heard.settled, *heard.tail))
        shown[heard.utterance] = max(shown.get(heard.utterance, ""), text, key=len)
    for line in take.of(Translated):
        shown[line.utterance] = shown.get(line.utterance) or line.clause.text
    return [{"sound": name, "text": text} for text in shown.values() if text]
