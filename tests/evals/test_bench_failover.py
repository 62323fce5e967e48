"""Few sessions with faults over scripted emulators, and what the bench makes of them."""

from __future__ import annotations

import asyncio
from io import StringIO
from pathlib import Path
from random import Random

import numpy as np
import pytest
from rich.console import Console

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegUnavailable, ModelMissing
from vivavoce.evals.bench_failover import FailoverBench, FailoverPlan
from vivavoce.evals.clips import Clip, Recording, read_clips
from vivavoce.evals.failover_run import DEAD, STALLS, plan
from vivavoce.evals.failover_stage import Backing
from vivavoce.evals.failover_table import failover_page
from vivavoce.evals.speech_ends import Speech

pytest.importorskip("jiwer", reason="the group eval is not installed")
pytest.importorskip("psutil", reason="the group eval is not installed")


def recording(name: str) -> Recording:
    clip = Clip(name, f"{name}.wav", "en", "", 2.0)
    return Recording(clip, Pcm(np.zeros(48000, np.int16), 24000), Speech(100.0, 1900.0))


def test_every_fault_of_every_leg_has_its_turn_at_a_moment_of_the_speech() -> None:
    kinds = {(leg, kind) for leg in DEAD for kind in (*DEAD[leg], *STALLS[leg])}
    planned = plan([recording("a"), recording("b")], len(kinds), Random(1).uniform)
    assert {(fault.leg, fault.kind) for _, fault in planned} == kinds
    assert [fault.leg for _, fault in planned[:3]] == ["stt", "mt", "tts"]
    assert all(0 <= fault.at_ms <= 1900 for _, fault in planned)
    again = plan([recording("a"), recording("b")], len(kinds), Random(1).uniform)
    assert [fault for _, fault in again] == [fault for _, fault in planned]


def test_a_short_run_survives_and_loses_no_word(evalset: Path) -> None:
    clips = [clip for clip in read_clips(evalset) if clip.language == "en" and 1.5 < clip.duration_s < 3.0]
    bench = FailoverBench(FailoverPlan(clips=clips, runs=3, recordings=1, backings=[Backing.SCRIPTED], cost=False))
    try:
        asyncio.run(bench.run())
    except (ModelMissing, LegUnavailable) as error:
        pytest.skip(f"engines are not here: {error}")
    figures = bench.figures()
    assert figures["runs"] == figures["survived"] == 3
    assert figures["scripted"]["words_lost"] == figures["scripted"]["words_doubled"] == 0
    console = Console(file=StringIO(), width=120)
    console.print(failover_page(figures))
    assert "sessions that survive" in console.file.getvalue()  # type: ignore[attr-defined]
