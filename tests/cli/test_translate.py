"""`vivavoce translate` from end to end: the installed program, real engines, real speech."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from vivavoce.providers.pairs import PairTable

FRAME_MS = 20
VOICE = 0.01
"""A frame with this root mean square, of a full scale of 1, has sound in it."""

Cues = list[tuple[int, int, str]]
ReadCues = Callable[[Path], Cues]


class Program(Protocol):
    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str | Path) -> list[str]: ...

    def run(self, *arguments: str | Path, cache: Path | None = None) -> subprocess.CompletedProcess[str]: ...


def _levels(path: Path) -> NDArray[np.float64]:
    """The root mean square of each 20 ms frame of a mono file."""
    samples, rate_hz = soundfile.read(path)
    return _frame_levels(samples, rate_hz)


def _frame_levels(samples: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    size = rate_hz * FRAME_MS // 1000
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    levels: NDArray[np.float64] = np.sqrt((frames**2).mean(axis=1))
    return levels


def _power(levels: NDArray[np.float64]) -> float:
    return float(np.sqrt((levels**2).mean()))


def _envelope(output: str) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(output)
    assert (envelope["schema"], envelope["command"]) == (1, "vivavoce translate")
    return envelope


def _outputs(folder: Path) -> list[str | Path]:
    names = {"dub": "dub.wav", "mix": "mix.wav", "subtitles": "out.vtt", "report": "report.html"}
    return [part for option, name in names.items() for part in (f"--{option}", folder / name)]


def test_two_sentences_become_a_dub_a_mix_subtitles_and_a_report(
    program: Program, speech: Path, read_cues: ReadCues, is_portuguese: Callable[[str], bool]
) -> None:
    folder = program.folder
    run = program.run(
        "translate", speech, "--from", "en", "--to", "pt", "--no-pace", "--json", *_outputs(folder), "--voice", "kokoro"
    )
    assert run.returncode == 0, run.stderr
    envelope = _envelope(run.stdout)
    rows = envelope["figures"]["utterances"]
    assert envelope["n"] == len(rows) >= 2
    assert "real time" in envelope["void_reason"]
    assert not envelope["valid"]
    assert "heard_ms" not in envelope["figures"]
    assert all(row["language"] == "en" and row["spoken"] for row in rows)

    said = " ".join(row["target"] for row in rows)
    assert is_portuguese(said)
    assert " ".join(text for _, _, text in read_cues(folder / "out.vtt")) == said

    dub, mix, original = (_levels(folder / name) for name in ("dub.wav", "mix.wav", speech.name))
    first_end, last_end = (rows[at]["speech_ms"][1] // FRAME_MS for at in (0, -1))
    assert not (dub[:first_end] > VOICE).any()
    assert (dub[first_end:] > VOICE).sum() * FRAME_MS > 1000
    assert (dub[last_end:] > VOICE).any()
    assert len(mix) == len(dub)
    # Alone the original is as it was; under the dub it is turned down by 18 dB, to an eighth.
    assert _power(mix[:first_end]) == pytest.approx(_power(original[:first_end]), rel=0.1)
    under = _frame_levels(*_difference(folder / "mix.wav", folder / "dub.wav"))[: len(original)]
    both = (dub[: len(original)] > VOICE) & (original > VOICE)
    both[: rows[1]["speech_ms"][0] // FRAME_MS] = False
    assert both.sum() * FRAME_MS > 200
    assert _power(under[both]) < 0.3 * _power(original[both])

    page = (folder / "report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)|@import|url\(["']?http""", page) == []
    assert all(row[side] in unescape(page) for row in rows for side in ("source", "target"))


def _difference(path: Path, other: Path) -> tuple[NDArray[np.float64], int]:
    (samples, rate_hz), (taken, _) = soundfile.read(path), soundfile.read(other)
    return samples - taken, rate_hz


def test_at_real_time_every_stage_of_the_contract_is_measured(program: Program, short: Path) -> None:
    run = program.run("translate", short, "--from", "en", "--voice", "espeak", "--json", "--dub", "dub.wav")
    assert run.returncode == 0, run.stderr
    envelope = _envelope(run.stdout)
    figures = envelope["figures"]
    assert envelope["valid"]
    assert envelope["n"] >= 1
    assert {"trigger", "stt", "mt", "tts", "route", "endpoint"} <= figures["stages"].keys()
    assert all(0 < row["p50"] <= row["p95"] and row["cap"] > 0 for row in figures["stages"].values())
    # The detector alone takes 300 ms to be sure of an end; that anything is heard later than in 5 s is a fault.
    assert 200 < figures["heard_ms"]["p50"] < 5000
    levels = _levels(program.folder / "dub.wav")
    end_ms = figures["utterances"][0]["speech_ms"][1]
    heard_ms = np.flatnonzero(levels > VOICE)[0] * FRAME_MS - end_ms
    assert heard_ms == pytest.approx(figures["utterances"][0]["stages_ms"]["heard"], abs=100)
    assert "Latency contract" in run.stderr
    assert "measured: " in program.run("budget").stdout
    lines = json.loads(program.run("usage", "--json").stdout)["figures"]["lines"]
    used = {line["leg"]: line for line in lines}
    assert used.keys() == {"stt", "mt", "tts"}
    # Nothing is recognised but speech, and what is heard of the dub is what was spoken.
    assert 0 < used["stt"]["sound_ms"] <= 1000 * soundfile.info(short).duration + 1000
    assert used["tts"]["sound_ms"] == pytest.approx((levels > VOICE).sum() * FRAME_MS, rel=0.5)
    assert all(line["cost_nano"] == 0 and line["requests"] >= 1 for line in lines)
    (cell,) = json.loads(program.run("profiles", "--json").stdout)["figures"]["cells"]
    assert (cell["place"]["app_id"], cell["place"]["network"], cell["sessions"]) == ("file", "local", 1)


def test_an_interruption_keeps_what_was_done(
    program: Program, speech: Path, read_cues: ReadCues, is_portuguese: Callable[[str], bool]
) -> None:
    psutil = pytest.importorskip("psutil", reason="psutil is not installed: pip install 'vivavoce[eval]'")
    samples, rate_hz = soundfile.read(speech)
    soundfile.write(speech, np.concatenate((samples, samples, samples)), rate_hz)
    folder = program.folder
    options = "--from", "en", "--voice", "espeak", "--json", *_outputs(folder)
    with subprocess.Popen(
        program.command("translate", speech, *options),
        cwd=folder,
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        shown: list[str] = []
        while sum(line.startswith("en: ") for line in shown) < 2:
            shown.append(process.stderr.readline())
            assert shown[-1], "".join(shown)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=5)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert children, "the voice has a process of its own"
    _, alive = psutil.wait_procs(children, timeout=2)
    assert alive == []
    rows = _envelope(out)["figures"]["utterances"]
    assert len(rows) < 6
    assert is_portuguese(" ".join(text for _, _, text in read_cues(folder / "out.vtt")))
    dub, mix = _levels(folder / "dub.wav"), _levels(folder / "mix.wav")
    assert (dub > VOICE).any()
    assert abs(len(dub) - len(mix)) <= 1
    assert len(dub) * FRAME_MS < 3000 * len(samples) / rate_hz
    assert rows[0]["target"] in unescape((folder / "report.html").read_text("utf-8"))


def test_subtitles_alone_need_no_voice_and_the_language_is_found(
    program: Program, evalset: Path, cache_copy: Callable[[str], Path], read_cues: ReadCues
) -> None:
    clip = evalset / "audio" / "tux-es-recycle.flac"
    options = "--from", "auto", "--to", "pt", "--mode", "subtitles", "--no-pace", "--json", "--subtitles", "out.vtt"
    run = program.run("translate", clip, *options, cache=cache_copy("kokoro-82m"))
    assert run.returncode == 0, run.stderr
    rows = _envelope(run.stdout)["figures"]["utterances"]
    assert {row["language"] for row in rows} == {"es"}
    assert not any(row["spoken"] for row in rows)
    assert "reciclado" in " ".join(text for _, _, text in read_cues(program.folder / "out.vtt"))


@pytest.fixture(scope="module")
def heard() -> dict[str, list[str]]:
    """What was understood of each format, from one test to the next."""
    return {}


@pytest.mark.parametrize("name", ["8000-2.wav", "44100-1.flac", "96000-1.wav", "16000-1.mp3"])
def test_any_rate_channels_and_format_give_the_same_words(
    name: str, program: Program, short: Path, heard: dict[str, list[str]]
) -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed, which makes the formats")
    rate_hz, channels = Path(name).stem.split("-")
    made = program.folder / name
    subprocess.run(["ffmpeg", "-v", "error", "-i", short, "-ar", rate_hz, "-ac", channels, made], check=True)
    for path in (made, *(() if short.name in heard else (short,))):
        run = program.run("translate", path, "--from", "en", "--no-pace", "--mode", "subtitles", "--json")
        assert run.returncode == 0, run.stderr
        text = " ".join(row["source"] for row in _envelope(run.stdout)["figures"]["utterances"])
        heard[path.name] = re.findall(r"\w+", text.casefold())
    assert len(heard["short.wav"]) >= 3
    assert heard[name] == heard["short.wav"]


def test_pairs_are_listed_with_route_and_quality(program: Program) -> None:
    routes = PairTable.load().routes()
    page = program.run("translate", "--pairs")
    assert (page.returncode, page.stderr) == (0, "")
    assert all(f" {route.name} " in page.stdout for route in routes)
    assert "bergamot:enpt" in page.stdout
    rows = json.loads(program.run("translate", "--pairs", "--json").stdout)
    assert [(row["source"], row["target"]) for row in rows] == [(route.source, route.target) for route in routes]
    assert all(row["hops"] and (row["chrf"] is None or row["measured_n"] > 0) for row in rows)
