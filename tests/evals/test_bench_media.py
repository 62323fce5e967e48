from __future__ import annotations

import asyncio
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from vivavoce.audio.codec import ulaw_decode
from vivavoce.cli.main import app
from vivavoce.errors import ConfigError, ModelMissing, NoSpeech
from vivavoce.evals.bench_media import Measured, MediaBench, MediaPlan, Round, ours
from vivavoce.evals.media_clips import cut_clips
from vivavoce.evals.media_load import find_loadgen
from vivavoce.evals.media_table import media_page
from vivavoce.models import ModelStore


def counts(at_s: float, **more: float) -> dict[str, Any]:
    latency = {"n": 5, "p50": 0.5, "p95": 1.0, "p99": 1.5, "p999": 2.0, "max": 3.0}
    names = ("late_ms", "clear_ms", "silero_wait_ms", "event_age_ms")
    return {
        "at_s": at_s,
        "scheduling": ["short-slice"],
        "frames_lost": 0,
        "silero_unheard": 0,
        **dict.fromkeys(names, latency),
        **more,
    }


def callers(*, valid: bool = True) -> dict[str, Any]:
    names = ("grid_late_ms", "audio_late_ms", "ahead_ms", "barge_in_ms", "duck_ms", "turn_ms")
    generator = {"tick_late_ms": {"n": 9, "p99": 0.2}, "cpu_percent": 20.0, "valid": valid}
    said = {"backchannels": 40, "false_clears": 1, "turns": 90, "interruptions": 50, "missed_clears": 5}
    return {
        "calls": 100,
        "alive": 100,
        "counts": said,
        "generator": generator,
        **{key: {"n": 9, "p95": 40.0} for key in names},
    }


def measured(*, valid: bool = True) -> Measured:
    rates = ("frames_in", "frames_out", "worker_cpu_s", "silero_windows", "silero_cpu_s", "interpreter_cpu_s")
    first = counts(10.0, **dict.fromkeys(rates, 0.0))
    last = counts(
        20.0, frames_in=50_000, frames_out=30_000, worker_cpu_s=0.4, silero_windows=12_500, silero_cpu_s=0.5,
        interpreter_cpu_s=0.3,
    )  # fmt: skip
    return Measured(Round(policy="patient"), callers(valid=valid), [first, last], (100.0, 115.0))


def test_figures_are_rates_over_the_window() -> None:
    figures = ours(measured())
    assert figures["cpu_us_per_pair"] == pytest.approx(10.0)
    assert figures["silero_us_per_window"] == pytest.approx(40.0)
    assert figures["silero_share"] == pytest.approx(0.4)
    assert figures["door_cpu"] == pytest.approx(0.03)
    assert figures["rss_mib_per_call"] == pytest.approx(0.15)
    assert (figures["false_clears"], figures["missed_clears"]) == (0.025, 0.1)


def test_the_page_names_bars_and_what_was_granted() -> None:
    console = Console(width=120, file=StringIO())
    console.print(media_page({"calls": 100, "seconds": 10, "patient": ours(measured())}))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "≤ 12 (aim 8)" in text
    assert "10.0" in text
    assert "scheduling granted: short-slice" in text


def test_rounds_follow_the_plan() -> None:
    names = [one.name for one in MediaPlan(interpreters=("spin", "gc"), baseline=True).rounds]
    assert names == [
        "strict, interpreter spin", "strict, interpreter gc", "patient, interpreter none", "full duplex, no voices",
        "silent callers", "asyncio, interpreter spin", "asyncio, interpreter gc",
    ]  # fmt: skip


def test_callers_that_are_not_built_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIVAVOCE_LOADGEN", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="is missing") as refused:
        find_loadgen()
    assert "make loadgen" in refused.value.hint


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--interpreter", "busy"], "none, spin, gc"),
        (["--baseline", "twisted"], "asyncio"),
        (["--calls", "0"], "greater"),
    ],
)
def test_wrong_options_are_refused_with_what_there_is(options: list[str], told: str) -> None:
    found = CliRunner().invoke(app, ["bench", "media", *options])
    assert found.exit_code == 2
    assert told in found.output


@pytest.fixture(scope="module")
def recording() -> Path:
    try:
        ModelStore().path("silero-vad", "silero_vad.onnx")
        return ModelStore().path("demo-en", "two_cities.wav")
    except ModelMissing as missing:
        pytest.skip(f"{missing}; {missing.hint}")


def test_turns_begin_at_once_and_syllables_are_short(recording: Path, tmp_path: Path) -> None:
    clips = cut_clips(recording, tmp_path)
    assert len(clips.turns) == len(clips.backchannels) > 3
    for path in [*clips.turns, *clips.backchannels]:
        sound = ulaw_decode(path.read_bytes()).astype(float)
        assert np.sqrt(np.mean(sound[:320] ** 2)) > 0.1 * np.abs(sound).max() / 2
        assert len(sound) / 8 == 350 if "backchannel" in path.name else len(sound) / 8 > 1000


def test_a_recording_without_speech_is_refused(tmp_path: Path, recording: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000 * 3), 16_000)
    with pytest.raises(NoSpeech):
        cut_clips(tmp_path / "silence.wav", tmp_path)


def test_a_short_run(recording: Path) -> None:
    try:
        find_loadgen()
    except ConfigError as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    pytest.importorskip("psutil", reason="the group eval is not installed")
    told: list[str] = []
    plan = MediaPlan(calls=4, seconds=4.0, patient=False, scheduling="default", recording=recording)
    bench = MediaBench(plan, on_progress=lambda label, *_: told.append(label))
    asyncio.run(bench.run())
    figures = bench.figures()
    assert figures["strict, interpreter none"]["frames_in_per_s"] == pytest.approx(200, rel=0.2)
    assert figures["full duplex, no voices"]["frames_out_per_s"] == pytest.approx(200, rel=0.2)
    assert figures["silent callers"]["frames_lost"] == 0
    assert any("strict" in label for label in told)
