"""Clips of one's own beside the set: a folder in which each correction of a user becomes a case of the evaluation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from vivavoce.errors import ConfigError, NoSpeech, SourceUnreadable
from vivavoce.evals.clip_folder import MANIFEST, file_row, write_flac, write_rows
from vivavoce.evals.clip_set import occurs
from vivavoce.evals.clip_sound import read_sound
from vivavoce.evals.clips import Clip, read_clips
from vivavoce.evals.speech_ends import label_speech
from vivavoce.folders import state_dir
from vivavoce.models.disk import writing
from vivavoce.providers.pairs import PairTable

REGISTERS: Final = ("conversational", "lecture", "banter")
LONGEST_S: Final = 120.0
"""A replay takes as long as its clips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What was said in a sound file, and what it should have become. `pair` is like "en-es".

    `terms` occur in the transcript, with their renderings in the reference. `user_id` and `session_id` say whose
    correction it was, "" where it was nobody's.
    """

    sound: Path
    pair: str
    register: str
    transcript: str
    reference: str
    terms: Mapping[str, str] = field(default_factory=dict)
    user_id: str = ""
    session_id: str = ""


def own_clips() -> Path:
    """The folder of the user's cases, which `vivavoce erase` reaches; it need not exist."""
    return state_dir() / "clips"


def add_case(case: Case, folder: Path, *, pairs: PairTable | None = None) -> Clip:
    """Copy a case's sound into a folder of clips, as FLAC at 16 kHz, and put its row into the manifest in one step.

    The same sound in the same pair is one case: what comes later takes its place. Raises PairUnavailable, ConfigError
    for what contradicts itself, AudioError for sound that cannot be used, OutputError when the disk refuses.
    """
    source, _, target = case.pair.partition("-")
    (pairs or PairTable.load()).route(source, target)
    _check(case)
    sound = read_sound(case.sound)
    if sound.duration_ms > 1000 * LONGEST_S:
        raise SourceUnreadable(
            f"{case.sound} lasts {sound.duration_ms / 1000:.0f} s, a case at most {LONGEST_S:.0f} s",
            hint="cut out what was wrong",
        )
    try:
        label_speech(sound)
    except NoSpeech as error:
        raise NoSpeech(f"{case.sound}: {error.message}", hint="give a sound in which somebody speaks") from error
    name = f"own-{case.pair}-{hashlib.sha256(sound.samples.tobytes()).hexdigest()[:12]}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(folder / ".lock"):
        rows = _rows(folder)
        path = folder / f"{name}.flac"
        write_flac(path, sound)
        row = _row(name, case) | file_row(path)
        write_rows(folder, [*(other for other in rows if other.get("id") != name), row])
    return next(clip for clip in read_clips(folder) if clip.id == name)


def erase_cases(folder: Path, *, user_id: str = "", session_id: str = "") -> int:
    """Remove the cases of a user or of a session with their sound; how many there were. Raises OutputError."""
    if not (folder / MANIFEST).is_file() or not (user_id or session_id):
        return 0
    with FileLock(folder / ".lock"):
        rows = _rows(folder)
        theirs = [
            row
            for row in rows
            if (user_id and row.get("user_id") == user_id) or (session_id and row.get("session_id") == session_id)
        ]
        if theirs:
            # The rows go last: cut off in between, a second try still knows what to remove.
            for row in theirs:
                with writing(folder):
                    (folder / str(row["file"])).unlink(missing_ok=True)
            write_rows(folder, [row for row in rows if row not in theirs])
        return len(theirs)


def _check(case: Case) -> None:
    """Raises ConfigError for a case that contradicts itself."""
    if case.register not in REGISTERS:
        raise ConfigError(f"{case.register!r} is no register", hint=f"there are {', '.join(REGISTERS)}")
    for name, text in (("transcript", case.transcript), ("reference", case.reference)):
        if not any(sign.isalnum() for sign in text):
            raise ConfigError(f"the {name} says nothing", hint=f"give the {name} of what is heard")
    for term, rendering in case.terms.items():
        for wanted, name, text in (
            (term, "transcript", case.transcript),
            (rendering, "reference", case.reference),
        ):
            if not occurs(wanted, text):
                raise ConfigError(
                    f"{wanted!r} does not stand in the {name}",
                    hint="terms are TERM=RENDERING, as they are in the texts",
                )


def _row(name: str, case: Case) -> dict[str, Any]:
    source, _, target = case.pair.partition("-")
    row = {
        "id": name,
        "language": source,
        "target": target,
        "register": case.register,
        "transcript": case.transcript,
        "references": {target: case.reference},
        "terms": dict(case.terms),
        "source": "a correction" if case.user_id or case.session_id else "added by hand",
        "user_id": case.user_id,
        "session_id": case.session_id,
    }
    return row | {"sha256": hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()}


def _rows(folder: Path) -> list[dict[str, Any]]:
    """The rows that are there, with whatever stands in them. Raises SourceUnreadable for another shape."""
    if not (folder / MANIFEST).exists():
        return []
    read_clips(folder)
    rows: Sequence[dict[str, Any]] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return list(rows)
