"""Two real clips through the real engines, as fast as they go, and the bench around them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vivavoce.clock import SteppedClock
from vivavoce.config.load import default_settings
from vivavoce.errors import LegUnavailable, ModelMissing, PairUnavailable, SourceMissing
from vivavoce.evals.bench_clips import errors_of
from vivavoce.evals.bench_continuous import SilencePart
from vivavoce.evals.bench_translate import PartName, Plan, TranslateBench
from vivavoce.evals.clips import Recording, clips_of, load_recording, read_clips
from vivavoce.evals.live import LiveRun
from vivavoce.evals.utterances import measure
from vivavoce.translate.assembly import Voice, open_legs, session_settings
from vivavoce.translate.events import UtteranceDone

pytest.importorskip("jiwer", reason="the group eval is not installed")
pytest.importorskip("psutil", reason="the group eval is not installed")

ESPEAK = Voice("espeak")


@pytest.fixture(scope="module")
def recordings(evalset: Path) -> list[Recording]:
    clips = sorted(clips_of(read_clips(evalset), "en"), key=lambda clip: clip.duration_s)
    return [load_recording(clip, 24000) for clip in clips if 3.0 < clip.duration_s < 5.0][:2]


async def _played(recordings: list[Recording]) -> LiveRun:
    settings = default_settings()
    async with open_legs(settings, source="en", target="pt", voice=ESPEAK) as legs:
        run = LiveRun(
            legs=legs,
            settings=session_settings(settings, source="en", target="pt", voice=ESPEAK),
            clock=SteppedClock(),
            paced=False,
        )
        await run.play([recording.pcm.samples for recording in recordings])
        return run


def test_each_clip_gets_its_own_events_and_the_next_waits_for_its_dub(recordings: list[Recording]) -> None:
    try:
        run = asyncio.run(_played(recordings))
    except (ModelMissing, LegUnavailable) as error:
        pytest.skip(f"engines are not here: {error}")
    assert [take.over for take in run.takes] == [True, True]
    rows = [
        measure(take, recording, endpoint_ms=320.0, target="pt")
        for take, recording in zip(run.takes, recordings, strict=True)
    ]
    for take, row, recording in zip(run.takes, rows, recordings, strict=True):
        until_ms = take.start_ms + recording.pcm.duration_ms + 400
        assert all(take.start_ms <= done.speech_start_ms < until_ms for done in take.of(UtteranceDone))
        assert row.spoken
        assert row.all_spoken
        assert row.heard_ms is not None
        assert take.cpu_s > 0
        assert set(take.began_ms) == {line.line for line in take.lines}
    assert run.takes[1].start_ms >= max(run.takes[0].began_ms.values()) + 300
    errors = errors_of(rows, "transcript")
    assert errors is not None
    assert errors["rate"] < 30


def test_made_sounds_are_played_to_their_end(evalset: Path) -> None:
    part = SilencePart(default_settings(), source="en", target="pt", voice=ESPEAK, minutes=0.3)
    told: list[float] = []
    try:
        asyncio.run(part.run(told.append))
    except (ModelMissing, LegUnavailable) as error:
        pytest.skip(f"engines are not here: {error}")
    assert part.figures()["minutes"] == pytest.approx(0.3, abs=0.01)
    assert part.figures()["texts"] == 0


def test_a_bench_that_cannot_run_is_refused_before_it_begins(evalset: Path) -> None:
    clips = read_clips(evalset)
    with pytest.raises(PairUnavailable):
        TranslateBench(default_settings(), Plan(source="en", target="xx", clips=clips))
    with pytest.raises(SourceMissing):
        TranslateBench(default_settings(), Plan(source="es", target="pt", clips=clips_of(clips, "en"), limit=1))


def test_a_bench_that_was_not_run_has_figures_without_numbers(evalset: Path) -> None:
    plan = Plan(source="en", target="pt", clips=read_clips(evalset), parts=(PartName.CLIPS, PartName.ESPEAK), limit=1)
    bench = TranslateBench(default_settings(), plan)
    assert bench.figures() == {"pair": "en-pt"}
    assert (bench.n, bench.void_reason) == (0, None)
