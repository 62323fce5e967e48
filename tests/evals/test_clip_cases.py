"""Cases of one's own: what is taken, what is refused, and what is erased."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vivavoce.errors import ConfigError, NoSpeech, PairUnavailable, SourceMissing, SourceUnreadable
from vivavoce.evals.clip_cases import Case, add_case, erase_cases
from vivavoce.evals.clips import load_recording, read_clips


def _sound(path: Path, *, seed: int = 0, seconds: float = 1.0, level: float = 0.1) -> Path:
    sound = np.zeros(round((seconds + 1) * 48000))
    sound[24000:-24000] = np.random.default_rng(seed).standard_normal(len(sound) - 48000) * level
    soundfile.write(path, sound, 48000)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(
        sound=_sound(tmp_path / "said.wav"),
        pair="en-pt",
        register="banter",
        transcript="Beat the boss!",
        reference="Vença o chefão!",
        terms={"boss": "chefão"},
        user_id="ann",
        session_id="s1",
    )


def test_a_case_is_a_clip_like_those_of_the_set(case: Case, tmp_path: Path) -> None:
    added = add_case(case, tmp_path / "own")
    (clip,) = read_clips(tmp_path / "own")
    assert clip == added
    assert (clip.pair, clip.register, clip.reference, clip.user_id) == ("en-pt", "banter", "Vença o chefão!", "ann")
    assert clip.terms == {"boss": "chefão"}
    assert len(clip.sha256) == 64
    recording = load_recording(clip, 16000)
    assert recording.speech.duration_ms == pytest.approx(1000, abs=30)
    assert soundfile.info(clip.path).samplerate == 16000


def test_the_same_sound_is_one_case_whose_texts_come_last(case: Case, tmp_path: Path) -> None:
    first = add_case(case, tmp_path / "own")
    add_case(replace(case, sound=_sound(tmp_path / "other.wav", seed=1)), tmp_path / "own")
    again = add_case(replace(case, reference="Derrote o chefão!"), tmp_path / "own")
    assert again.id == first.id
    assert again.sha256 != first.sha256
    assert sorted(clip.reference for clip in read_clips(tmp_path / "own")) == ["Derrote o chefão!", "Vença o chefão!"]


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"pair": "en-xx"}, PairUnavailable, "no translation"),
        ({"pair": "english"}, PairUnavailable, "no translation"),
        ({"register": "sermon"}, ConfigError, "no register"),
        ({"transcript": " … "}, ConfigError, "transcript says nothing"),
        ({"reference": ""}, ConfigError, "reference says nothing"),
        ({"terms": {"king": "chefão"}}, ConfigError, "'king' does not stand in the transcript"),
        ({"terms": {"boss": "chefe"}}, ConfigError, "'chefe' does not stand in the reference"),
        ({"sound": Path("nowhere.wav")}, SourceMissing, "nowhere"),
    ],
)
def test_a_case_that_cannot_be_is_refused(
    case: Case, tmp_path: Path, change: dict[str, object], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        add_case(replace(case, **change), tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_sound_that_cannot_be_a_case_is_refused(case: Case, tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_bytes(b"no sound")
    with pytest.raises(SourceUnreadable):
        add_case(replace(case, sound=tmp_path / "no.wav"), tmp_path / "own")
    with pytest.raises(NoSpeech, match=r"silent\.wav"):
        add_case(replace(case, sound=_sound(tmp_path / "silent.wav", level=0.0)), tmp_path / "own")
    with pytest.raises(SourceUnreadable, match="121 s"):
        add_case(replace(case, sound=_sound(tmp_path / "long.wav", seconds=120.0)), tmp_path / "own")


def test_cases_go_with_their_user_or_session(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    for number, (user, session) in enumerate([("ann", "s1"), ("bob", "s2"), ("ann", ""), ("", "s3"), ("", "")]):
        sound = _sound(tmp_path / f"{number}.wav", seed=number)
        add_case(replace(case, sound=sound, user_id=user, session_id=session), folder)
    assert erase_cases(folder, user_id="ann") == 2
    assert erase_cases(folder, session_id="s3") == 1
    assert erase_cases(folder, user_id="ann") == erase_cases(folder) == 0
    left = read_clips(folder)
    assert [clip.user_id for clip in left] == ["bob", ""]
    assert {path.name for path in folder.glob("*.flac")} == {clip.file for clip in left}
    assert "ann" not in (folder / "manifest.json").read_text()


def test_nothing_is_erased_where_there_is_nothing(tmp_path: Path) -> None:
    assert erase_cases(tmp_path / "none", user_id="ann") == 0


def test_a_folder_with_another_manifest_is_left_alone(case: Case, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"clips": []}))
    with pytest.raises(SourceUnreadable):
        add_case(case, tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"clips": []}
