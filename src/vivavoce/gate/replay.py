"""The clips of one pair through the whole path, in one session. When a clip breaks it, the rest have a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vivavoce.audio.pcm import Samples
from vivavoce.clock import Clock, SteppedClock, SystemClock
from vivavoce.config.settings import Settings
from vivavoce.errors import VivavoceError, first_of_ours
from vivavoce.evals.bench_clips import DUB_S
from vivavoce.evals.clips import Clip, Recording, load_recording
from vivavoce.evals.live import LiveRun, Meter, Take
from vivavoce.evals.noise import MadeSound, made_sounds
from vivavoce.gate.matching import clip_run
from vivavoce.gate.plan import glossary_of, occurring
from vivavoce.gate.run import ClipRun
from vivavoce.translate.assembly import Voice, session_settings
from vivavoce.translate.events import UtteranceDone
from vivavoce.translate.session import Legs

SILENCE = "silence"
"""The register, and the first part of the name, of a stretch in which nobody speaks."""
MARGIN_MS = 200.0
"""How much of a clip's own silence is played before and after its speech."""
UNPACED_SHARE = 0.3
"""About how many seconds a second of sound takes where it is not played at real time."""
_KINDS = 22
_KINDS_A_PAIR = 2
_STRIDE = 5

Report = Callable[[float], None]
"""Told how many of the planned seconds are done."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A sound that is played, and how its clip is named; `recording` is None for a stretch without speech."""

    id: str
    samples: Samples
    recording: Recording | None = None


class PairReplay:
    """The clips of one pair. `runs` can be read at any time: what was played to its end, and what could not be."""

    def __init__(
        self,
        settings: Settings,
        clips: Sequence[Clip],
        *,
        voice: Voice | None,
        paced: bool,
        silence_s: float = 0.0,
        turn: int = 0,
    ) -> None:
        """All clips are of one pair. `turn` is the pair's number: each hears other sounds without speech."""
        source, target = clips[0].language, clips[0].target
        self.pair = clips[0].pair
        self.latest_tick_ms = 0.0
        self._endpoint_ms = settings.translate.endpoint_ms
        self._paced = paced
        self._clips = list(clips)
        self._glossary = glossary_of(clips)
        self._settings = replace(
            session_settings(settings, source=source, target=target, voice=voice), glossary=self._glossary
        )
        self._silence_s = silence_s
        self._turn = turn
        self._pieces: list[Piece] = []
        self._failed: list[ClipRun] = []
        self._played: list[tuple[Piece, Take]] = []
        self._current: tuple[LiveRun, Sequence[Piece]] | None = None

    @property
    def planned_s(self) -> float:
        sound_s = sum(clip.duration_s for clip in self._clips) + self._silence_s
        return sound_s + DUB_S * (len(self._clips) + 1) if self._paced else sound_s * UNPACED_SHARE

    @property
    def runs(self) -> list[ClipRun]:
        """In the order of the clips; the stretch without speech is the last."""
        played = [(piece, take) for piece, take in (*self._played, *self._under_way()) if take.over]
        found = {piece.id: self._run(piece, take) for piece, take in played} | {run.id: run for run in self._failed}
        order = [*(clip.id for clip in self._clips), f"{SILENCE}-{self.pair}"]
        return [found[name] for name in order if name in found]

    def load(self) -> None:
        """Read the clips' sound. One that cannot be used has a problem from now on."""
        for clip in self._clips:
            try:
                recording = load_recording(clip, self._settings.rate_hz).trimmed(MARGIN_MS)
            except VivavoceError as error:
                self._failed.append(self._broken(clip.id, error))
            else:
                self._pieces.append(Piece(clip.id, recording.pcm.samples, recording))
        if self._silence_s and self._pieces:
            self._pieces.append(Piece(f"{SILENCE}-{self.pair}", self._noise()))

    def fail(self, error: VivavoceError) -> int:
        """What has not been played cannot be; returns how many clips that are."""
        known = {run.id for run in self.runs}
        failed = [self._broken(clip.id, error) for clip in self._clips if clip.id not in known]
        self._failed += failed
        return len(failed)

    async def play(self, legs: Legs, report: Report, *, meter: Meter | None = None) -> None:
        """Play all. What breaks a session is the problem of the clip under way."""
        waiting = list(self._pieces)
        done_s = 0.0
        while waiting:
            begun_s, before_s = done_s, self._before_s(waiting)
            run = LiveRun(
                legs=legs,
                settings=self._settings,
                clock=self._clock(),
                paced=self._paced,
                on_progress=lambda number, played_ms, begun_s=begun_s, before_s=before_s: report(  # type: ignore[misc]
                    begun_s + before_s[number] + played_ms / 1000 * (1 if self._paced else UNPACED_SHARE)
                ),
                meter=meter,
            )
            self._current = run, waiting
            try:
                await run.play([piece.samples for piece in waiting])
            except (VivavoceError, BaseExceptionGroup) as error:
                known = first_of_ours(error)
                if known is None:
                    raise
                # What breaks after the last piece is the last one's.
                broken = min(sum(take.over for take in run.takes), len(waiting) - 1)
                self._failed.append(self._broken(waiting[broken].id, known))
                over = broken + 1
            else:
                over = len(waiting)
            self.latest_tick_ms = max(self.latest_tick_ms, run.latest_tick_ms)
            self._played += self._under_way()
            self._current = None
            done_s += before_s[min(over, len(waiting))]
            waiting = waiting[over:]

    def _clock(self) -> Clock:
        return SystemClock() if self._paced else SteppedClock()

    def _under_way(self) -> list[tuple[Piece, Take]]:
        if self._current is None:
            return []
        run, pieces = self._current
        return [(piece, take) for piece, take in zip(pieces, run.takes, strict=False) if take.over]

    def _before_s(self, pieces: Sequence[Piece]) -> list[float]:
        """Seconds until each piece begins, and until all is over."""
        before_s = [0.0]
        for piece in pieces:
            sound_s = len(piece.samples) / self._settings.rate_hz
            before_s.append(before_s[-1] + (sound_s + DUB_S if self._paced else sound_s * UNPACED_SHARE))
        return before_s

    def _run(self, piece: Piece, take: Take) -> ClipRun:
        if piece.recording is not None:
            return clip_run(
                take, piece.recording, glossary=self._glossary, endpoint_ms=self._endpoint_ms, paced=self._paced
            )
        texts = tuple(done.text for done in take.of(UtteranceDone) if done.text)
        return replace(self._empty(piece.id, SILENCE), silent_text=texts, cpu_s=round(take.cpu_s, 3))

    def _broken(self, name: str, error: VivavoceError) -> ClipRun:
        clip = next((clip for clip in self._clips if clip.id == name), None)
        if clip is None:
            return replace(self._empty(name, SILENCE), problem=str(error))
        return replace(
            self._empty(name, clip.register),
            reference=clip.transcript,
            reference_translation=clip.reference,
            synthetic=clip.synthetic,
            terms=occurring(clip.transcript, self._glossary, source=clip.language, target=clip.target),
            control=clip.control,
            problem=str(error),
        )

    def _empty(self, name: str, register: str) -> ClipRun:
        return ClipRun(
            id=name, pair=self.pair, register=register, reference="", reference_translation="", transcript="",
            speech_ms=0.0,
        )  # fmt: skip

    def _noise(self) -> Samples:
        """Some of the kinds of sound without speech; the next pair hears others."""
        rate_hz = self._settings.rate_hz
        sounds: list[MadeSound] = made_sounds(self._silence_s * _KINDS / _KINDS_A_PAIR, rate_hz)
        first = self._turn * _KINDS_A_PAIR
        return np.concatenate([sounds[(first + n) * _STRIDE % len(sounds)].samples for n in range(_KINDS_A_PAIR)])
