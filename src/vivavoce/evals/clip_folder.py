"""The clip set as a folder of sound that `read_clips` reads: made once from what `vivavoce models fetch` brought."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import soundfile
from filelock import FileLock
from pydantic import TypeAdapter

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import ModelDamaged
from vivavoce.evals.clip_set import ClipPlan, ClipSet, Part, clip_set, speech_checksum
from vivavoce.evals.clip_sound import recorded, spoken
from vivavoce.models import ModelStore
from vivavoce.models.disk import put_in_place, sha256_of, writing
from vivavoce.providers.kokoro import Kokoro

_RECIPE = "1"
"""Goes up with whatever makes other sound of the same plan."""
SPOKEN = Path(__file__).with_name("spoken")
"""What voices spoke of the set, as it was made: the same sound everywhere, and none of the time that it takes."""

MANIFEST = "manifest.json"
_SOUND_SHA256 = "sound_sha256"
"""A row's checksum of its file: sound of another set's folder is used where it is still what was written."""
_KEPT_S = 7 * 86_400
"""A folder that nobody asked for so long is removed. Before, an evaluation of another version may be reading it."""

Progress = Callable[[int, int], None]
"""Told how many clips are made, and of how many."""


def ready_clips(
    *, store: ModelStore | None = None, plans: ClipSet | None = None, report: Progress | None = None
) -> Path:
    """The folder of the clip set, made where it is not there, in seconds.

    Banter whose sound is not in the package, because its plan has changed, is spoken: up to a second of CPU time for
    each of sound.

    One process makes it, others wait. Sound in the folder of another set is used again where it is of the same plan.
    What an interrupted run left is removed, and so are folders of other sets that nobody asked for in a week. Not to be
    called from an event loop. Raises ModelMissing where `vivavoce models fetch` has not been run, ModelDamaged where a
    source is not what the set was made with, SourceUnreadable without ffmpeg, OutputError when the disk refuses.
    """
    store, plans = store or ModelStore(), plans or clip_set()
    root = store.root / "clips"
    folder = root / hashlib.sha256(f"{_RECIPE}:{plans.sha256}".encode()).hexdigest()[:16]
    if _is_ready(folder):
        return folder
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        if _is_ready(folder):
            return folder
        made = root / f".{folder.name}.{os.getpid()}"
        with writing(made):
            made.mkdir(exist_ok=True)
        asyncio.run(_make(plans.clips, made, store, report or _silent))
        put_in_place(made, folder)
        for left in root.iterdir():
            if left.is_dir() and left != folder and not _may_be_used(left):
                shutil.rmtree(left, ignore_errors=True)
    return folder


def _is_ready(folder: Path) -> bool:
    """Whether the folder is made; notes that it was asked for."""
    ready = (folder / MANIFEST).is_file()
    if ready:
        with suppress(OSError):  # a cache that is only read is not cleared either
            os.utime(folder)
    return ready


def _may_be_used(folder: Path) -> bool:
    """Nobody is given a folder without a manifest."""
    return (folder / MANIFEST).is_file() and time.time() - folder.stat().st_mtime < _KEPT_S


def _silent(done: int, total: int) -> None:
    """The report of one who does not watch."""


async def _make(plans: Sequence[ClipPlan], folder: Path, store: ModelStore, report: Progress) -> None:
    rows: dict[str, dict[str, Any]] = {}
    kept = _whole_sounds(folder.parent) | {path.name: path for path in SPOKEN.glob("*.flac")}
    async with aclosing(_Voices(store)) as voices:
        # Recordings first: they are quick, and tell at once that something is missing.
        for plan in sorted(plans, key=lambda plan: plan.synthetic):
            _check_source(plan, store)
            path = folder / sound_name(plan)
            if (had := kept.get(path.name)) is not None:
                part = _part(path)
                with writing(part):
                    shutil.copyfile(had, part)
                put_in_place(part, path)
            elif plan.synthetic:
                write_flac(path, await voices.speak(plan))
            else:
                write_flac(path, recorded(plan.parts, gap_ms=plan.gap_ms, store=store))
            rows[plan.id] = _row(plan) | file_row(path) | {_SOUND_SHA256: sha256_of(path)}
            report(len(rows), len(plans))
    write_rows(folder, [rows[plan.id] for plan in plans])


def _whole_sounds(root: Path) -> dict[str, Path]:
    """The files of folders under `root` that are what their manifests say, by name."""
    found: dict[str, Path] = {}
    for manifest in root.glob(f"*/{MANIFEST}"):
        with suppress(OSError, ValueError, KeyError, TypeError):  # a damaged manifest vouches for nothing
            for row in json.loads(manifest.read_bytes()):
                path = manifest.with_name(row["file"])
                if path.is_file() and sha256_of(path) == row.get(_SOUND_SHA256):
                    found[path.name] = path
    return found


def sound_name(plan: ClipPlan) -> str:
    """The file's name, with a key of what the sound depends on and nothing else of the row."""
    cut = TypeAdapter(Sequence[Part]).dump_json(plan.parts).decode()
    what = f"{_RECIPE}:{plan.language}:{plan.sha256}:{cut}:{plan.gap_ms}"
    return f"{plan.id}.{hashlib.sha256(what.encode()).hexdigest()[:8]}.flac"


class _Voices:
    """Kokoro, started when something is to be spoken."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._kokoro: Kokoro | None = None

    async def speak(self, plan: ClipPlan) -> Pcm:
        self._kokoro = self._kokoro or Kokoro(store=self._store)
        return await spoken(plan.lines, language=plan.language, synthesizer=self._kokoro)

    async def aclose(self) -> None:
        if self._kokoro is not None:
            await self._kokoro.aclose()


def _check_source(plan: ClipPlan, store: ModelStore) -> None:
    """Whether what the row is made from is what it was written for. Raises ModelMissing, ModelDamaged."""
    if plan.synthetic:
        sha256 = speech_checksum(plan.lines, store.manifest)
    else:
        digest = hashlib.sha256()
        for part in plan.parts:
            digest.update(store.path(part.model, part.file).read_bytes())
        sha256 = digest.hexdigest()
    if sha256 != plan.sha256:
        raise ModelDamaged(f"clip {plan.id} was written for another source", hint="its row has to be written anew")


def _row(plan: ClipPlan) -> dict[str, Any]:
    return {
        "id": plan.id,
        "language": plan.language,
        "target": plan.target,
        "register": plan.register,
        "transcript": plan.transcript,
        "references": {plan.target: plan.reference},
        "terms": dict(plan.terms),
        "control": dict(plan.control),
        "synthetic": plan.synthetic,
        "licence": plan.licence,
        "source": plan.source,
        "sha256": hashlib.sha256(TypeAdapter(ClipPlan).dump_json(plan)).hexdigest(),
    }


def write_flac(path: Path, sound: Pcm) -> None:
    """Write sound in one step, so that a file with its name is whole. Raises OutputError."""
    part = _part(path)
    with writing(path), part.open("wb") as file:
        soundfile.write(file, sound.samples, sound.rate_hz, format="FLAC", subtype="PCM_16")
    put_in_place(part, path)


def file_row(path: Path) -> dict[str, Any]:
    """What a manifest's row says of a FLAC file."""
    found = soundfile.info(path)
    duration_s = round(found.frames / found.samplerate, 3)
    return {"file": path.name, "duration_s": duration_s, "native_rate": found.samplerate}


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Put a folder's manifest in place in one step. Raises OutputError."""
    path = folder / MANIFEST
    part = _part(path)
    with writing(part):
        part.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    put_in_place(part, path)


def _part(path: Path) -> Path:
    """The name under which this process writes a file, until it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}")
