"""Readers of sound files: libsndfile in this process, or ffmpeg in one of its own. Both stream, mono and 16 bit.

A reader is an iterator of sample arrays. What can be read is always delivered first; damage is told after it, as the
iterator's error.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from vivavoce.audio.pcm import Samples
from vivavoce.errors import SourceUnreadable

BLOCK_MS = 100
PROBE_TIMEOUT_S = 20.0
# ffmpeg takes noise for an mp3 with a score of 1, and what it knows by its extension alone scores 50.
LEAST_PROBE_SCORE = 25
SHORTAGE_MS = 250.0
# Writers that cannot seek leave a placeholder of about 2 or 4 GiB as the length.
PLACEHOLDER_BYTES = 0x7FFF0000
# libsndfile's mp3 decoder loses what follows damage, and writes on our standard error; ffmpeg recovers.
_BETTER_WITH_FFMPEG = frozenset({".mp3", ".mp2", ".mpga"})
_LENGTH_LINE = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)
_SPEAKER = re.compile(r"^\[[^\]]*\] *")
_DAMAGE_LINE = re.compile(
    r"partial file|prematurely|exceeds containing|while decoding|submitting packet|corrupt|crc mismatch|moov atom", re.I
)


@dataclass(frozen=True, slots=True)
class Probe:
    """What the container says before anything is decoded. `damage` is what is already known to be wrong."""

    reader: str
    rate_hz: int
    channels: int
    duration_ms: float | None
    format_name: str
    damage: str = ""


def probe(path: Path) -> Probe:
    """Look into a file that exists and is not empty. Raises SourceUnreadable when neither reader knows it."""
    has_ffmpeg = shutil.which("ffmpeg") is not None and shutil.which("ffprobe") is not None
    if not has_ffmpeg or path.suffix.lower() not in _BETTER_WITH_FFMPEG:
        found = _probe_soundfile(path)
        if found is not None and not (has_ffmpeg and found.format_name == "MP3"):
            return found
    if not has_ffmpeg:
        raise SourceUnreadable(
            f"{path} is in no format that can be read without ffmpeg",
            hint="Install ffmpeg (Debian, Ubuntu: apt-get install ffmpeg) or convert the file to WAV, FLAC or Ogg.",
        )
    return _probe_ffmpeg(path)


def read(path: Path, found: Probe) -> Generator[Samples]:
    """Stream a file's samples at its own rate, channels averaged. Raises SourceUnreadable after the last of them."""
    return (_read_soundfile if found.reader == "soundfile" else _read_ffmpeg)(path, found)


def _probe_soundfile(path: Path) -> Probe | None:
    if path.suffix.lower() == ".raw":
        return None  # soundfile would ask for the layout instead of looking at the content
    try:
        with soundfile.SoundFile(path) as file:
            known = 0 < file.frames < 1 << 62
            duration_ms = 1000.0 * file.frames / file.samplerate if known else None
            damage = _damage_in_log(file.extra_info)
            if file.frames == 0 and not damage:
                duration_ms = 0.0
            return Probe("soundfile", file.samplerate, file.channels, duration_ms, file.format, damage)
    except soundfile.LibsndfileError:
        return None


def _damage_in_log(log: str) -> str:
    """libsndfile reads a cut file to its end without a word, but its log of the header tells."""
    for declared, present in _LENGTH_LINE.findall(log):
        if int(present) < int(declared) < PLACEHOLDER_BYTES:
            return f"its header promises {int(declared):,} bytes of sound and {int(present):,} are there"
    return "it ends in the middle of a page" if "Junk after the last page" in log else ""


def _read_soundfile(path: Path, found: Probe) -> Generator[Samples]:
    with soundfile.SoundFile(path) as file:
        size = max(1, file.samplerate * BLOCK_MS // 1000)
        delivered = 0
        try:
            while len(block := file.read(size, dtype="float32", always_2d=True)):
                delivered += len(block)
                yield _to_mono(block)
        except soundfile.LibsndfileError:
            seconds = delivered / file.samplerate
            raise _damaged(path, f"it cannot be decoded beyond {seconds:.1f} s") from None
        if found.damage:
            raise _damaged(path, found.damage)
        missing_ms = (found.duration_ms or 0.0) - 1000.0 * delivered / file.samplerate
        if missing_ms > SHORTAGE_MS:
            raise _damaged(path, f"its last {missing_ms / 1000:.1f} s are missing")


def _to_mono(block: NDArray[np.float32]) -> Samples:
    # Float files may hold anything: what is no number becomes silence, what is too loud saturates.
    mono = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1.0, 1.0).mean(axis=1, dtype=np.float64)
    samples: Samples = np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16)
    return samples


def _probe_ffmpeg(path: Path) -> Probe:
    command = ["ffprobe", "-v", "error", "-protocol_whitelist", "file", "-select_streams", "a"]
    command += ["-show_entries", "stream=codec_name,sample_rate,channels,duration:format=duration,probe_score"]
    command += ["-of", "json", _url(path)]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PROBE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise SourceUnreadable(
            f"ffprobe found nothing in {path} within {PROBE_TIMEOUT_S:.0f} s", hint="Convert the file to WAV first."
        ) from None
    said = json.loads(answer.stdout or "{}") if answer.stdout.strip().endswith("}") else {}
    container, streams = said.get("format", {}), said.get("streams", [])
    if not container or container.get("probe_score", 0) < LEAST_PROBE_SCORE:
        if damage := _DAMAGE_LINE.search(answer.stderr):
            raise _damaged(path, f"nothing in it can be read ({damage.group(0).lower()})")
        raise SourceUnreadable(
            f"{path} is in no known sound format",
            hint="Give a recording (WAV, FLAC, Ogg, MP3, M4A, MKV …). Headerless samples need one: "
            "ffmpeg -f s16le -ar 16000 -ac 1 -i FILE out.wav",
        )
    if not streams or not int(streams[0].get("channels", 0)) or not int(streams[0].get("sample_rate", 0)):
        raise SourceUnreadable(f"there is no sound in {path}", hint="Give a file that has an audio track.")
    stream = streams[0]
    duration_s = stream.get("duration") or container.get("duration")
    return Probe(
        "ffmpeg",
        int(stream["sample_rate"]),
        int(stream["channels"]),
        1000.0 * float(duration_s) if duration_s else None,
        str(stream.get("codec_name", "unknown")),
    )


def _read_ffmpeg(path: Path, found: Probe) -> Generator[Samples]:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", _url(path)]
    command += ["-map", "0:a:0", "-ac", "1", "-ar", str(found.rate_hz), "-c:a", "pcm_s16le", "-f", "s16le", "pipe:1"]
    size = 2 * max(1, found.rate_hz * BLOCK_MS // 1000)
    delivered = 0
    # Complaints go to a file: nobody reads a second pipe, and a full one would stop the decoder.
    with tempfile.TemporaryFile() as complaints:
        # A group of its own: Ctrl-C is ours to answer, not the decoder's.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, process_group=0
        )
        assert process.stdout is not None
        try:
            while data := process.stdout.read(size):
                delivered += len(data) // 2
                yield np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16)
            code = process.wait()
        finally:
            process.stdout.close()
            process.kill()
            process.wait()
        complaints.seek(0)
        said = complaints.read(65536).decode(errors="replace")
    seconds = delivered / found.rate_hz
    missing_ms = (found.duration_ms or 0.0) - 1000.0 * seconds
    # mp3 frames stand alone and files often end in tags, which the decoder complains of: only missing sound counts.
    told = [] if found.format_name == "mp3" else [line for line in said.splitlines() if _DAMAGE_LINE.search(line)]
    if code != 0 or told:
        reason = _SPEAKER.sub("", (told or said.splitlines() or [f"ffmpeg ended with code {code}"])[-1])
        raise _damaged(path, f"{seconds:.1f} s could be read ({reason})")
    if missing_ms > SHORTAGE_MS and found.format_name == "mp3":
        raise _damaged(path, f"{missing_ms / 1000:.1f} s of it cannot be read")


def _url(path: Path) -> str:
    """A name that ffmpeg takes for a file whatever it looks like."""
    return f"file:{path.absolute()}"


def _damaged(path: Path, reason: str) -> SourceUnreadable:
    return SourceUnreadable(
        f"{path} is damaged or cut short: {reason}",
        hint="What could be read was used. Get a complete copy for the rest.",
    )
