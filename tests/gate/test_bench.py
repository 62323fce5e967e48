"""The bench of the gate: what it runs the plants on, and what it says of them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from vivavoce.config.load import default_settings
from vivavoce.errors import SourceMissing
from vivavoce.evals.clips import Clip, read_clips
from vivavoce.gate.bench import UTTERANCES, GateBench, latency_plan, quality_plan
from vivavoce.gate.plants_table import plants_page


def _clip(name: str, pair: str, seconds: float = 10.0, **terms: str) -> Clip:
    source, _, target = pair.partition("-")
    return Clip(name, f"{name}.wav", source, "Some words.", seconds, target=target, terms=terms)


CLIPS = [
    *(_clip(f"a{n}", "en-pt", **({"house": "casa"} if n % 2 else {})) for n in range(12)),
    *(_clip(f"b{n}", "es-en") for n in range(12)),
    *(_clip(f"c{n}", "fr-en") for n in range(12)),
]


def test_quality_is_planted_on_a_part_of_two_pairs() -> None:
    plan = quality_plan(CLIPS)
    assert plan.pairs == ["en-pt", "es-en"]
    assert not plan.paced
    assert len(plan.read) == 24
    assert sum(clip.duration_s for clip in plan.heard) <= 150
    assert sum(clip.duration_s for clip in plan.replayed) <= 75
    assert any(clip.terms for clip in plan.replayed)
    assert plan.label.startswith("short-plants:")
    with pytest.raises(SourceMissing, match="no clip has terms"):
        quality_plan([replace(clip, terms={}) for clip in CLIPS])


def test_the_slow_voice_is_planted_on_the_clips_with_most_utterances(evalset: Path) -> None:
    clips = [replace(clip, target="pt") for clip in read_clips(evalset) if clip.language == "en"]
    plan = latency_plan(clips)
    assert plan.paced
    assert not plan.heard
    assert len(plan.replayed) < len(clips)
    with pytest.raises(SourceMissing, match=f"{UTTERANCES} are needed"):
        latency_plan(clips[:3])


def test_a_bench_that_was_not_run_holds_nothing_and_says_so() -> None:
    bench = GateBench(default_settings(), CLIPS, only=["prompt", "recogniser"])
    figures = bench.figures()
    assert (bench.n, bench.holds) == (0, False)
    assert [(row["plant"], row["done"], row["holds"]) for row in figures["plants"]] == [
        ("prompt", False, False),
        ("recogniser", False, False),
    ]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(plants_page(figures))
    assert console.export_text().count("not run") == 2
