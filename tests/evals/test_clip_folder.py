"""The set as a folder of sound: made once, from recordings and by real voices."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vivavoce.errors import ModelDamaged, ModelMissing
from vivavoce.evals.clip_folder import SPOKEN, ready_clips, sound_name
from vivavoce.evals.clip_set import ClipPlan, ClipSet, Line, Part, clip_set, speech_checksum
from vivavoce.evals.clip_sound import recorded
from vivavoce.evals.clips import load_recording, read_clips
from vivavoce.models import ModelStore, State

MODELS = "speech-en", "reading-en", "kokoro-82m"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A cache of its own with links to what was fetched."""
    fetched = ModelStore()
    own = ModelStore(tmp_path / "cache")
    for model in map(fetched.model, MODELS):
        for file in model.files:
            if fetched.check(model, file) is not State.HERE:
                pytest.skip(f"{model.id}: {file.name} is not here; run: vivavoce models fetch")
        # With what was made of the weights, which takes seconds.
        (own.root / "models" / model.id).mkdir(parents=True)
        for path in (fetched.root / "models" / model.id).iterdir():
            (own.root / "models" / model.id / path.name).symlink_to(path)
    return own


@pytest.fixture
def plans() -> ClipSet:
    """A prompt, a reading of two parts, and two short lines of a dialogue."""
    of_set = clip_set().clips
    real = [
        next(clip for clip in of_set if clip.pair == "en-es" and clip.register == "conversational"),
        next(clip for clip in of_set if len(clip.parts) == 2),
    ]
    lines = (
        Line(voice="bf_emma", text="Good evening.", pause_ms=600),
        Line(voice="am_michael", text="Thank you, Mark.", pause_ms=600),
    )
    said = next(clip for clip in of_set if clip.synthetic)
    spoken = replace(
        said,
        id="spoken",
        transcript="Good evening. Thank you, Mark.",
        lines=lines,
        sha256=speech_checksum(lines, ModelStore().manifest),
        terms={},
        control={},
    )
    return ClipSet((spoken, *real), "1")


def test_a_folder_is_made_once_of_recordings_and_voices(
    store: ModelStore, plans: ClipSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    folder = ready_clips(store=store, plans=plans, report=lambda *counts: told.append(counts))
    clips = read_clips(folder)
    assert [clip.id for clip in clips] == [plan.id for plan in plans.clips]
    assert told == [(1, 3), (2, 3), (3, 3)]
    for clip, plan in zip(clips, plans.clips, strict=True):
        assert (clip.pair, clip.reference, clip.synthetic) == (plan.pair, plan.reference, plan.synthetic)
        assert (clip.terms, clip.control, clip.licence) == (plan.terms, plan.control, plan.licence)
        assert clip.duration_s == pytest.approx(plan.duration_s, abs=0.2) or clip.id == "spoken"
    assert len({clip.sha256 for clip in clips}) == 3
    said = load_recording(clips[0], 16000)
    assert len(said.utterances) == 2
    pause_ms = said.utterances[1].start_ms - said.utterances[0].end_ms
    assert 590 <= pause_ms < 700

    sound = {clip.id: clip.path.read_bytes() for clip in read_clips(folder)}

    monkeypatch.setattr("vivavoce.evals.clip_folder.Kokoro", None)  # nobody needs to speak now
    assert ready_clips(store=store, plans=plans) == folder
    first, *others = plans.clips
    other = ready_clips(
        store=store, plans=ClipSet((replace(first, reference="Buenas noches. Gracias, Mark."), *others), "2")
    )
    assert other != folder
    assert [clip.id for clip in read_clips(folder)] == [clip.id for clip in clips], "another run may be reading it"
    assert {clip.id: clip.path.read_bytes() for clip in read_clips(other)} == sound
    assert read_clips(other)[0].reference == "Buenas noches. Gracias, Mark."


def test_sound_that_is_no_longer_what_was_written_is_made_anew(store: ModelStore, plans: ClipSet) -> None:
    _, *real = plans.clips
    folder = ready_clips(store=store, plans=ClipSet(tuple(real), "1"))
    whole = {clip.id: clip.path.read_bytes() for clip in read_clips(folder)}
    cut = read_clips(folder)[0].path
    cut.write_bytes(cut.read_bytes()[:-2000])
    other = ready_clips(store=store, plans=ClipSet(tuple(real), "2"))
    assert {clip.id: clip.path.read_bytes() for clip in read_clips(other)} == whole


def test_a_folder_that_nobody_asked_for_in_a_week_is_removed(store: ModelStore, plans: ClipSet) -> None:
    _, *real = plans.clips
    sets = [ClipSet(tuple(real), name) for name in "123"]
    old, used = (ready_clips(store=store, plans=each) for each in sets[:2])
    week_ago = time.time() - 8 * 86_400
    for folder in (old, used):
        os.utime(folder, (week_ago, week_ago))
    assert ready_clips(store=store, plans=sets[1]) == used
    new = ready_clips(store=store, plans=sets[2])
    assert {path for path in (store.root / "clips").iterdir() if path.is_dir()} == {used, new}


def test_what_an_interrupted_run_left_is_not_trusted(store: ModelStore, plans: ClipSet) -> None:
    synthetic, *real = plans.clips
    missing = ClipPlan(**{**_values(synthetic), "id": "other", "sha256": "0" * 64})
    with pytest.raises(ModelDamaged, match="clip other was written for another source"):
        ready_clips(store=store, plans=ClipSet((*real, missing), "1"))
    (left,) = [path for path in (store.root / "clips").iterdir() if path.is_dir()]
    sounds = list(left.glob("*.flac"))
    assert len(sounds) == 2
    for path in sounds:
        path.write_bytes(path.read_bytes()[:2000])
    folder = ready_clips(store=store, plans=ClipSet(tuple(real), "2"))
    assert [path for path in (store.root / "clips").iterdir() if path.is_dir()] == [folder]
    assert all(load_recording(clip, 16000).pcm.duration_ms >= 1000 * clip.duration_s - 1 for clip in read_clips(folder))


def test_what_was_not_fetched_is_named(tmp_path: Path, plans: ClipSet) -> None:
    with pytest.raises(ModelMissing) as refused:
        ready_clips(store=ModelStore(tmp_path), plans=plans)
    assert "vivavoce models fetch" in refused.value.hint


def test_parts_are_cut_and_joined_with_silence_between(store: ModelStore) -> None:
    name = "sense_and_sensibility_0880.wav"
    parts = [
        Part(model="reading-en", file=name, from_ms=500, to_ms=1500),
        Part(model="reading-en", file=name, to_ms=1000),
    ]
    sound = recorded(parts, gap_ms=250, store=store)
    assert sound.duration_ms == 2250
    assert not np.any(sound.samples[16000:20000])
    assert np.any(sound.samples[:16000])


def _values(plan: ClipPlan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in ClipPlan.__dataclass_fields__}


def test_the_package_has_what_voices_spoke_of_the_set_and_nothing_else() -> None:
    assert {path.name for path in SPOKEN.iterdir()} == {
        sound_name(plan) for plan in clip_set().clips if plan.synthetic
    }, "copy what `vivavoce eval` has made of a changed plan from the cache folder's clips"
