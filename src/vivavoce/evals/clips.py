"""Recorded speech with what was said in it: a folder with a `manifest.json`, a list of

{id, file, language, transcript, references: {language: text}, duration_s, native_rate, register, note}; clips of the
evaluation also have target, terms, control, synthetic, licence, source and sha256.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Pcm
from vivavoce.contract.reading import parse_json
from vivavoce.errors import NoSpeech, SourceMissing, SourceUnreadable
from vivavoce.evals.speech_ends import Speech, label_speech, label_utterances

SHORT_MS = 5000.0
"""Speech up to this length is a short utterance."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording. `references` are translations of `transcript` by language; `path` is the sound file.

    `target` is the language that it is evaluated in, "" where nobody says. `terms` occur in the transcript, each with
    its rendering in the reference; `control` are as many words drawn at random, with what the reference makes of them.
    `source` says where the sound is from; `sha256` goes with the clip's source and with all that is expected of it.
    `user_id` and `session_id` say whose correction a clip was.
    """

    id: str
    file: str
    language: str
    transcript: str
    duration_s: float
    references: Mapping[str, str] = field(default_factory=dict)
    register: str = ""
    note: str = ""
    target: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)
    control: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False
    licence: str = ""
    source: str = ""
    sha256: str = ""
    user_id: str = ""
    session_id: str = ""
    path: Path = Path()

    @property
    def pair(self) -> str:
        """Like "en-pt"; only the language where there is no target."""
        return f"{self.language}-{self.target}" if self.target else self.language

    @property
    def reference(self) -> str:
        """The translation into the target; "" without one."""
        return self.references.get(self.target, "")


@dataclass(frozen=True, slots=True)
class Recording:
    """A clip's sound in memory, and where its speech begins and ends; `utterances` are parted by its long pauses."""

    clip: Clip
    pcm: Pcm
    speech: Speech
    utterances: tuple[Speech, ...] = ()

    @property
    def short(self) -> bool:
        return self.speech.duration_ms <= SHORT_MS

    def trimmed(self, margin_ms: float = 30.0) -> Recording:
        """Only the speech, with a margin on both sides; labels are moved with it."""
        start_ms = max(0.0, self.speech.start_ms - margin_ms)
        end_ms = min(self.pcm.duration_ms, self.speech.end_ms + margin_ms)
        at, until = (round(ms * self.pcm.rate_hz / 1000) for ms in (start_ms, end_ms))
        speech, *utterances = (
            Speech(each.start_ms - start_ms, each.end_ms - start_ms) for each in (self.speech, *self.utterances)
        )
        return Recording(self.clip, Pcm(self.pcm.samples[at:until], self.pcm.rate_hz), speech, tuple(utterances))


def read_clips(folder: Path) -> list[Clip]:
    """The clips of a folder's manifest. Raises SourceMissing without one, SourceUnreadable when it cannot be read."""
    manifest = folder / "manifest.json"
    try:
        rows: list[dict[str, Any]] = parse_json(manifest.read_bytes())
        return TypeAdapter(list[Clip]).validate_python([row | {"path": folder / row["file"]} for row in rows])
    except OSError as error:
        raise SourceMissing(
            f"{manifest}: {error.strerror}", hint="--clips names a folder of recordings with a manifest.json"
        ) from error
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        raise SourceUnreadable(
            f"{manifest} is not a list of clips: {error}", hint="each has id, file, language, transcript, duration_s"
        ) from error


def clips_of(clips: Sequence[Clip], language: str) -> list[Clip]:
    """Those in one language. Raises SourceMissing, naming the languages there are, when there is none."""
    found = [clip for clip in clips if clip.language == language]
    if not found:
        there = ", ".join(sorted({clip.language for clip in clips})) or "none"
        raise SourceMissing(f"no clip is in {language!r}", hint=f"languages of the clips: {there}")
    return found


def spread(items: Sequence[T], count: int | None) -> list[T]:
    """`count` of the items, evenly spaced over them; all when `count` is None or not smaller."""
    if count is None or count >= len(items):
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]


def load_recording(clip: Clip, rate_hz: int) -> Recording:
    """Read a clip's sound at a rate and label its speech. Raises AudioError when it cannot be used."""
    blocks = [block.samples for block in open_audio(clip.path).blocks(rate_hz=rate_hz)]
    pcm = Pcm(np.concatenate(blocks), rate_hz)
    try:
        return Recording(clip, pcm, label_speech(pcm), tuple(label_utterances(pcm)))
    except NoSpeech as error:
        raise NoSpeech(f"{clip.path}: {error.message}", hint="take it out of the manifest") from error
