"""Clips played at real time into one live session, one after the other: latency, quality and cost for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vivavoce.clock import SystemClock
from vivavoce.config.settings import Settings
from vivavoce.contract.figures import latency_figures
from vivavoce.contract.profile import Profile, Stage
from vivavoce.evals.clips import Recording
from vivavoce.evals.lag import Lag, lags, settled_words, translated_words
from vivavoce.evals.live import LiveRun, Take
from vivavoce.evals.offline import recognise_whole, whole_recogniser
from vivavoce.evals.scores import Erasure, Said, chrf, erasure, normalised_pairs, word_errors
from vivavoce.evals.usage import Usage
from vivavoce.evals.utterances import Row, measure
from vivavoce.legs.mt import Translator
from vivavoce.legs.values import Clause, Word
from vivavoce.translate.assembly import Voice, open_legs, session_settings
from vivavoce.translate.events import UtteranceDone
from vivavoce.translate.session import Legs

DUB_S = 2.2
"""About how long after a clip its dub is over and the next one begins."""
WHOLE_SHARE = 0.15
"""About how many seconds recognition of a whole clip takes per second of it."""

Report = Callable[[float], None]
"""Told how many of a part's planned seconds are done."""


class ClipsPart:
    """One voice over the clips of one pair. Figures can be taken at any time, from the clips that are over."""

    def __init__(
        self, settings: Settings, recordings: Sequence[Recording], *, target: str, voice: Voice, whole: bool = False
    ) -> None:
        """`whole` also recognises and translates each clip whole, afterwards, to compare with."""
        self.voice = voice
        self.rows: list[Row] = []
        self.usage: Usage | None = None
        self.latest_tick_ms = 0.0
        self._settings = settings
        self._recordings = list(recordings)
        self._target = target
        self._whole = whole
        self._takes: list[Take] = []
        self._commits: list[Lag] = []
        self._translations: list[Lag] = []

    @property
    def planned_s(self) -> float:
        sound_s = sum(recording.pcm.duration_ms for recording in self._recordings) / 1000
        return sound_s + DUB_S * len(self._recordings) + sound_s * WHOLE_SHARE * self._whole

    async def run(self, report: Report) -> None:
        source = self._recordings[0].clip.language
        async with open_legs(self._settings, source=source, target=self._target, voice=self.voice) as legs:
            await self._play(legs, source, report)
            if self._whole:
                await self._compare(legs, source, report)

    async def _play(self, legs: Legs, source: str, report: Report) -> None:
        before_s = [0.0]
        for recording in self._recordings:
            before_s.append(before_s[-1] + recording.pcm.duration_ms / 1000 + DUB_S)
        self.usage = Usage()
        run = LiveRun(
            legs=legs,
            settings=session_settings(self._settings, source=source, target=self._target, voice=self.voice),
            clock=SystemClock(),
            on_progress=lambda number, played_ms: report(before_s[number] + played_ms / 1000),
            meter=self.usage,
        )
        endpoint_ms = self._settings.translate.endpoint_ms
        try:
            await run.play([recording.pcm.samples for recording in self._recordings])
        finally:
            self.latest_tick_ms = run.latest_tick_ms
            self._takes = [take for take in run.takes if take.over]
            self.rows = [
                measure(take, recording, endpoint_ms=endpoint_ms, target=self._target)
                for take, recording in zip(self._takes, self._recordings, strict=False)
            ]

    async def _compare(self, legs: Legs, source: str, report: Report) -> None:
        translator, recogniser = legs.translator(source), whole_recogniser(legs.stt)
        sound_s = sum(recording.pcm.duration_ms for recording in self._recordings) / 1000
        done_s = sound_s + DUB_S * len(self._recordings)
        for row, take, recording in zip(self.rows, self._takes, self._recordings, strict=True):
            if translator is not None:
                row.whole = await translate_whole(translator, row.transcript, source=source, target=self._target)
            if recogniser is not None:
                words = await recognise_whole(recogniser, recording)
                row.offline = " ".join(word.text for word in words)
                said = shifted(words, take.start_ms)
                self._commits += lags(said, settled_words(take.events))
                self._translations += lags(said, translated_words(take.lines))
            done_s += recording.pcm.duration_ms / 1000 * WHOLE_SHARE
            report(done_s)

    def figures(self, profile: Profile) -> dict[str, Any]:
        """Everything that was measured; what had nothing to rest on is left out."""
        rows = self.rows
        short, long = [r for r in rows if r.short], [r for r in rows if not r.short]
        shown = sum((erasure(take.events) for take in self._takes), Erasure(0, 0, 0))
        figures: dict[str, Any] = {
            "n": len(rows),
            "void": sum(row.void for row in rows),
            "unspoken": sum(row.unspoken for row in rows),
            "missed": sum(row.missed for row in rows),
            "heard_ms": latency(row.heard_ms for row in short if row.timed),
            "heard_long_ms": latency(row.heard_ms for row in long if row.timed),
            "first_from_start_ms": latency(row.first_from_start_ms for row in long),
            "queue_ms": latency(row.queue_ms for row in rows if row.timed),
            "label_ms": latency(row.label_ms for row in rows),
            "stages": self._stages(profile),
            "segments": segments_of(rows),
            **text_figures(rows),
            "erasure": {"committed": shown.committed, "visible": round(shown.normalised, 3)} if rows else None,
            "commit_ms": latency(lag.lag_ms for lag in self._commits),
            "translated_ms": latency(lag.lag_ms for lag in self._translations),
            "cpu_per_speech_s": {"short": cpu_per_speech_s(short), "long": cpu_per_speech_s(long)},
            "rss_mib": round(self.usage.peak_mib) if self.usage and rows else None,
            "latest_tick_ms": round(self.latest_tick_ms, 1),
        }
        return {name: value for name, value in figures.items() if value is not None}

    def _stages(self, profile: Profile) -> dict[str, Any] | None:
        values: dict[str, list[float]] = {}
        for take in self._takes:
            for done in take.of(UtteranceDone):
                for name, (start_ms, end_ms) in done.stages.items():
                    values.setdefault(name, []).append(end_ms - start_ms)
        values.pop(Stage.HEARD, None)
        caps = {str(stage): budget.cap_ms for stage, budget in profile.stages.items()}
        return {name: {**latency_figures(of), "cap": caps.get(name)} for name, of in values.items()} or None


def latency(values: Iterable[float | None]) -> dict[str, Any] | None:
    """Percentiles of the values that there are; None without any."""
    there = [value for value in values if value is not None]
    return latency_figures(there) if there else None


def segments_of(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Latency by the detector's own segments, from its own end: a clip with inner pauses has several."""
    heard = latency(length for row in rows for length in row.segments_ms)
    return {"n": heard["n"], "heard_ms": heard} if heard else None


def cpu_per_speech_s(rows: Sequence[Row]) -> float | None:
    speech_s = sum(row.speech_ms for row in rows) / 1000
    return round(sum(row.cpu_s for row in rows) / speech_s, 3) if speech_s else None


def text_figures(rows: Sequence[Row]) -> dict[str, Any]:
    """Word errors streamed and whole, and chrF of what was spoken; clips with a line that stayed silent not in chrF."""
    spoken = [row for row in rows if row.all_spoken]
    short = chrf((row.whole or "", row.spoken) for row in spoken if row.short)
    long = chrf((row.whole or "", row.spoken) for row in spoken if not row.short)
    streamed = errors_of(rows, "transcript")
    whole = errors_of([row for row in rows if row.offline is not None], "offline")
    reference = chrf((row.reference_translation or "", row.spoken) for row in spoken)
    return {
        "wer": streamed and streamed["rate"],
        "wer_errors": streamed,
        "wer_offline": whole and whole["rate"],
        "wer_by_register": {
            register: found["rate"]
            for register in sorted({row.register for row in rows})
            if (found := errors_of([row for row in rows if row.register == register], "transcript")) is not None
        },
        "chrf_spoken_vs_whole": {"short": _tenths(short), "long": _tenths(long)} if short or long else None,
        "chrf_reference": _tenths(reference),
        "chrf_reference_n": sum(bool(row.reference_translation) for row in spoken),
        "not_all_spoken": len(rows) - len(spoken),
    }


def errors_of(rows: Sequence[Row], field: str) -> dict[str, Any] | None:
    """Word errors of one text of each row against its reference, both normalised."""
    said = [
        Said(language=row.language, register=row.register, reference=row.reference, text=getattr(row, field))
        for row in rows
    ]
    found = word_errors(normalised_pairs(said))
    if found is None:
        return None
    return {
        "rate": round(found.rate, 2),
        "words": found.words,
        "substitutions": found.substitutions,
        "deletions": found.deletions,
        "insertions": found.insertions,
    }


async def translate_whole(translator: Translator, text: str, *, source: str, target: str) -> str:
    """One text translated as a whole; "" stays ""."""
    if not text:
        return ""
    chunks = translator.translate(Clause(text, 0.0, 0.0), source=source, target=target)
    return "".join([chunk.text async for chunk in chunks]).strip()


def shifted(words: Sequence[Word], by_ms: float) -> list[Word]:
    return [Word(word.text, word.start_ms + by_ms, word.end_ms + by_ms, word.confidence) for word in words]


def _tenths(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
