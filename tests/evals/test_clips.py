from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vivavoce.errors import NoSpeech, SourceMissing, SourceUnreadable
from vivavoce.evals.clips import clips_of, load_recording, read_clips, spread

ROW = {"id": "a", "file": "a.wav", "language": "en", "transcript": "go", "duration_s": 2.0, "chars_per_s": 15.0}


def _folder(tmp_path: Path, rows: object) -> Path:
    (tmp_path / "manifest.json").write_text(json.dumps(rows))
    return tmp_path


def _write(path: Path, *, speech: bool) -> None:
    rng = np.random.default_rng(0)
    sound = np.zeros(32000)
    if speech:
        sound[8000:24000] = rng.standard_normal(16000) * 0.1
    soundfile.write(path, sound, 16000)


def test_clips_are_read_with_what_else_stands_in_their_rows(tmp_path: Path) -> None:
    clips = read_clips(_folder(tmp_path, [ROW, ROW | {"id": "b", "language": "pt", "references": {"en": "go"}}]))
    assert [clip.path for clip in clips_of(clips, "en")] == [tmp_path / "a.wav"]
    assert clips[1].references == {"en": "go"}
    with pytest.raises(SourceMissing) as refused:
        clips_of(clips, "de")
    assert "en, pt" in refused.value.hint


@pytest.mark.parametrize("rows", [{"clips": []}, [{"id": "a"}], [ROW | {"duration_s": "long"}], ["a"]])
def test_a_manifest_of_another_shape_is_refused(tmp_path: Path, rows: object) -> None:
    with pytest.raises(SourceUnreadable):
        read_clips(_folder(tmp_path, rows))


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        read_clips(tmp_path)


def test_a_recording_is_labelled_and_can_be_trimmed(tmp_path: Path) -> None:
    _write(tmp_path / "a.wav", speech=True)
    recording = load_recording(read_clips(_folder(tmp_path, [ROW]))[0], 24000)
    assert recording.pcm.duration_ms == pytest.approx(2000, abs=25)
    assert recording.speech.start_ms == pytest.approx(500, abs=15)
    assert recording.speech.end_ms == pytest.approx(1500, abs=15)
    assert recording.short
    trimmed = recording.trimmed(30.0)
    assert trimmed.pcm.duration_ms == pytest.approx(recording.speech.duration_ms + 60, abs=1)
    assert trimmed.speech.start_ms == pytest.approx(30, abs=1)


def test_a_silent_recording_is_named(tmp_path: Path) -> None:
    _write(tmp_path / "a.wav", speech=False)
    with pytest.raises(NoSpeech, match=r"a\.wav"):
        load_recording(read_clips(_folder(tmp_path, [ROW]))[0], 24000)


def test_a_choice_is_spread_over_all() -> None:
    assert spread(range(10), 4) == [0, 2, 5, 7]
    assert spread(range(3), 5) == spread(range(3), None) == [0, 1, 2]
