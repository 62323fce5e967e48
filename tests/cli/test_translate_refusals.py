"""What cannot be interpreted: which kind of error it is, what to do about it, and what is kept."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
import soundfile

from vivavoce.models import ModelStore

ReadCues = Callable[[Path], list[tuple[int, int, str]]]
FAST = "--from", "en", "--no-pace", "--voice", "espeak"


class Program(Protocol):
    folder: Path

    def run(
        self, *arguments: str | Path, cache: Path | None = None, before: Callable[[], None] | None = None
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(autouse=True)
def espeak_alone(program: Program) -> None:
    """Nobody stands by for the voice: who does is loaded first, and that takes longest."""
    (program.folder / "vivavoce.toml").write_text('[routes.tts]\norder = ["espeak"]\n')


def _refused(run: subprocess.CompletedProcess[str], code: int) -> str:
    """The error's text, when it is one: the right code, a hint, no traceback."""
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr + run.stdout
    assert "internal error" not in run.stderr
    message, hint = run.stderr.rstrip("\n").split("\n")[-2:]
    assert hint.startswith("hint: ")
    assert len(hint) > len("hint: ")
    return f"{message}\n{hint}"


def test_a_file_that_is_not_there_or_not_sound(program: Program) -> None:
    (program.folder / "recording.wav").touch()
    missing = _refused(program.run("translate", "recordign.wav"), 3)
    assert "recordign.wav" in missing
    assert "recording.wav?" in missing
    assert "empty" in _refused(program.run("translate", "recording.wav"), 3)
    assert "is a folder" in _refused(program.run("translate", program.folder), 3)


def test_of_a_truncated_file_what_is_there_is_interpreted(program: Program, speech: Path, read_cues: ReadCues) -> None:
    speech.write_bytes(speech.read_bytes()[: -24 * speech.stat().st_size // 100])
    run = program.run("translate", speech, *FAST, "--subtitles", "out.vtt", "--dub", "dub.wav", "--json")
    assert "promises" in _refused(run, 3)
    rows = json.loads(run.stdout)["figures"]["utterances"]
    assert " ".join(row["target"] for row in rows) == " ".join(
        text for _, _, text in read_cues(program.folder / "out.vtt")
    )
    assert rows[0]["spoken"]
    assert soundfile.read(program.folder / "dub.wav")[0].any()


@pytest.mark.usefixtures("weights")
def test_no_speech(program: Program) -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, 48000)
    noise[:24000] = 0
    soundfile.write(program.folder / "noise.wav", noise, 16000)
    run = program.run("translate", "noise.wav", *FAST, "--subtitles", "out.vtt", "--dub", "dub.wav")
    assert "nobody speaks in noise.wav" in _refused(run, 4)
    assert not soundfile.read(program.folder / "dub.wav")[0].any()
    assert "-->" not in (program.folder / "out.vtt").read_text()


@pytest.mark.usefixtures("weights")
def test_another_language_than_stated(program: Program, evalset: Path) -> None:
    clip = evalset / "audio" / "tux-es-005nickel.flac"
    run = program.run("translate", clip, *FAST, "--dub", "dub.wav")
    assert "--from es" in _refused(run, 5)
    assert not soundfile.read(program.folder / "dub.wav")[0].any()


def test_a_pair_without_a_route(program: Program, short: Path) -> None:
    error = _refused(program.run("translate", short, "--from", "en", "--to", "de", "--dub", "dub.wav"), 5)
    assert "'en' to 'de'" in error
    assert "en-pt, en-es" in error
    assert not (program.folder / "dub.wav").exists()


def test_a_damaged_model(program: Program, short: Path, weights: ModelStore, cache_copy: Callable[[str], Path]) -> None:
    cache = cache_copy("silero-vad")
    damaged = bytearray(weights.path("silero-vad", "silero_vad.onnx").read_bytes())
    damaged[-1] ^= 1
    (cache / "models" / "silero-vad" / "silero_vad.onnx").write_bytes(damaged)
    error = _refused(program.run("translate", short, *FAST, cache=cache), 6)
    assert "does not have its checksum" in error
    assert "vivavoce models fetch silero-vad" in error


@pytest.mark.usefixtures("weights")
def test_a_microphone_that_is_not_there(program: Program) -> None:
    run = program.run("translate", "mic", "--from", "en", "--mode", "subtitles", "--device", "no such microphone")
    assert "or give a file" in _refused(run, 7)


def test_a_folder_for_the_output_that_is_not_there(program: Program, short: Path) -> None:
    assert "mkdir -p none" in _refused(program.run("translate", short, *FAST, "--dub", "none/dub.wav"), 8)
    assert "is the file that is read" in _refused(program.run("translate", short, *FAST, "--mix", short), 8)


def test_a_full_disk_leaves_what_was_written_before(program: Program, speech: Path, read_cues: ReadCues) -> None:
    full = _refused(program.run("translate", speech, *FAST, "--dub", "/dev/full"), 8)
    assert "/dev/full could not be written: the disk is full" in full
    limit = 48000 * 5  # five seconds of the dub
    run = program.run(
        "translate",
        speech,
        *FAST,
        *("--dub", "dub.wav", "--subtitles", "out.vtt", "--report", "report.html", "--json"),
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert "dub.wav could not be written" in _refused(run, 8)
    assert (program.folder / "dub.wav").stat().st_size == limit
    assert soundfile.read(program.folder / "dub.wav")[0].any()
    first = json.loads(run.stdout)["figures"]["utterances"][0]["target"]
    assert read_cues(program.folder / "out.vtt")[0][2] == first
    assert first in (program.folder / "report.html").read_text("utf-8")


def test_a_configuration_that_is_wrong(program: Program, short: Path) -> None:
    wrong = program.folder / "wrong.toml"
    wrong.write_text('[translate]\nmax_speed = "fast"\n')
    assert "max_speed" in _refused(program.run("translate", short, "--config", wrong), 9)
    assert "none.toml" in _refused(program.run("translate", short, "--config", "none.toml"), 9)
