"""Words of a script are told once, when their sound was heard, however that sound comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Samples
from vivavoce.emulators.recognition import Scripted, Told
from vivavoce.emulators.tape import Script, Tape
from vivavoce.errors import ConfigError
from vivavoce.legs.values import Word

Known = list[tuple[str, float, float]]


def known(script: Path) -> Known:
    return [tuple(word) for clip in json.loads(script.read_text("utf-8"))["clips"] for word in clip["words"]]


def sound_of(script: Path, *, rate_hz: int = 16000, clip: int = 0) -> Samples:
    audio = open_audio(script.parent / json.loads(script.read_text("utf-8"))["clips"][clip]["audio"])
    return np.concatenate([pcm.samples for pcm in audio.blocks(rate_hz=rate_hz)])


def heard(
    script: Path, pieces: Sequence[Samples | None], *, rate_hz: int = 16000, chunk_ms: int = 20, **options: Any
) -> list[Told]:
    """What is told of pieces of sound; None is a flush, and one more comes at the end."""

    async def main() -> list[Told]:
        recognition = await Scripted(script, **options).open(rate_hz=rate_hz, language="en")
        told: list[Told] = []

        async def listen() -> None:
            async for each in recognition:
                told.append(each)
                if each.flushed:
                    recognition.settle(each.words)

        listening = asyncio.create_task(listen())
        size = rate_hz * chunk_ms // 1000
        for piece in [*pieces, None]:
            if piece is None:
                await recognition.flush()
            else:
                for start in range(0, len(piece), size):
                    await recognition.hear(piece[start : start + size])
                    await asyncio.sleep(0)
        await recognition.aclose()
        await listening
        return told

    return asyncio.run(main())


def words(told: Sequence[Told]) -> list[Word]:
    return [word for each in told if each.flushed for word in each.words]


def texts(told: Sequence[Told]) -> list[str]:
    return [word.text for word in words(told)]


@pytest.mark.parametrize(("rate_hz", "chunk_ms"), [(8000, 20), (16000, 20), (24000, 100), (44100, 250), (16000, 7000)])
def test_every_word_is_told_once_and_at_its_time(script: Path, rate_hz: int, chunk_ms: int) -> None:
    told = heard(script, [sound_of(script, rate_hz=rate_hz)], rate_hz=rate_hz, chunk_ms=chunk_ms)
    assert [(word.text, round(word.start_ms), round(word.end_ms)) for word in words(told)] == [
        (text, pytest.approx(start_ms, abs=1), pytest.approx(end_ms, abs=1)) for text, start_ms, end_ms in known(script)
    ]


def test_a_word_is_told_when_its_end_was_heard_and_not_before(script: Path) -> None:
    told = heard(script, [sound_of(script)], latency_ms=80, cadence_ms=20)
    shown = {word.text: each.until_ms for each in reversed(told) for word in each.words if not each.flushed}
    for text, _, end_ms in known(script):
        assert end_ms + 80 <= shown[text] <= end_ms + 120


def test_something_is_told_at_every_cadence(script: Path) -> None:
    told = heard(script, [sound_of(script)[: 16000 * 3]], cadence_ms=100)
    assert [each.until_ms for each in told if not each.flushed] == [100.0 * n for n in range(1, 31)]


def test_pauses_may_be_left_out(script: Path) -> None:
    sound, pieces, shift_ms, ends = sound_of(script), list[Samples | None](), 0.0, known(script)
    for number in range(0, 12, 3):
        start_ms, end_ms = ends[number][1] - 260, ends[number + 2][2] + 200
        pieces += [sound[round(start_ms * 16) : round(end_ms * 16)], None]
    told = heard(script, pieces)
    assert texts(told) == [text for text, _, _ in ends]
    assert [len(each.words) for each in told if each.flushed] == [3, 3, 3, 3, 0]
    for number, word in enumerate(words(told)):
        if number % 3 == 0:
            shift_ms += ends[number][1] - 260 - (0 if number == 0 else ends[number - 1][2] + 200)
        assert word.start_ms == pytest.approx(ends[number][1] - shift_ms, abs=1)


def test_sound_that_comes_again_is_told_again(script: Path) -> None:
    sound, ends = sound_of(script), known(script)
    back = round((ends[3][1] - 30) * 16)
    told = heard(script, [sound[: round((ends[5][2] + 100) * 16)], sound[back:]])
    assert texts(told) == [ends[n][0] for n in (*range(6), *range(3, 12))]


def test_a_word_cut_in_two_by_a_flush_is_told_once(script: Path) -> None:
    sound, (_, start_ms, end_ms) = sound_of(script), known(script)[4]
    for share in (0.1, 0.3, 0.49, 0.51, 0.7, 0.95):
        cut = round((start_ms + share * (end_ms - start_ms)) * 16)
        told = heard(script, [sound[:cut], None, sound[cut:]])
        assert texts(told) == [text for text, _, _ in known(script)]
        assert [len(each.words) for each in told if each.flushed] == [4 + (share > 0.5), 8 - (share > 0.5)]


def test_a_word_half_of_which_was_left_out_is_told_at_most_once(script: Path) -> None:
    sound, (_, start_ms, end_ms) = sound_of(script), known(script)[4]
    middle = round((start_ms + end_ms) / 2 * 16)
    told = heard(script, [sound[: middle + 320], sound[middle + 640 :]])
    assert sorted(texts(told)) == sorted({*texts(told)})
    assert {*texts(told)} >= {text for n, (text, _, _) in enumerate(known(script)) if n != 4}


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_way_of_leaving_out_pauses_tells_each_word_once(script: Path, data: st.DataObject) -> None:
    sound, ends = sound_of(script), known(script)
    pieces, at = list[Samples | None](), 0
    for number in (2, 5, 8):
        pause = range(round((ends[number][2] + 20) * 16), round((ends[number + 1][1] - 20) * 16))
        stop = data.draw(st.integers(pause.start, pause.stop))
        pieces.append(sound[at:stop])
        if data.draw(st.booleans()):
            pieces.append(None)
        at = data.draw(st.integers(stop, pause.stop))
    told = heard(script, [*pieces, sound[at:]], chunk_ms=data.draw(st.sampled_from([10, 20, 33, 100])))
    assert texts(told) == [text for text, _, _ in ends]


def test_of_sounds_that_are_the_same_the_next_is_meant(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    no, go = (random.normal(0, 3000, 16000 // 4).astype(np.int16) for _ in range(2))
    pause = np.zeros(16000, np.int16)
    soundfile.write(tmp_path / "clip.wav", np.concatenate([pause, no, pause, no, pause, no, pause, go, pause]), 16000)
    said = [("no", 1000, 1250), ("no", 2250, 2500), ("no", 3500, 3750), ("go", 4750, 5000)]
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"clips": [{"audio": "clip.wav", "words": said}]}), "utf-8")
    short = pause[:4000]
    assert texts(heard(path, [short, no, short, no, short, no, short, go, short])) == ["no", "no", "no", "go"]
    assert texts(heard(path, [sound_of(path)])) == ["no", "no", "no", "go"]


def test_other_sound_and_silence_say_nothing(script: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 32000).astype(np.int16)
    told = heard(script, [np.zeros(32000, np.int16), noise])
    assert texts(told) == []
    assert texts(heard(script, [noise, sound_of(script)])) == [text for text, _, _ in known(script)]


def test_real_recordings_are_followed(evalset: Path, tmp_path: Path) -> None:
    """Stretches of real speech at another rate than the file's, in any order, with pauses left out."""
    entries = json.loads((evalset / "manifest.json").read_text("utf-8"))[:8]
    clips = []
    for entry in entries:
        duration_ms = open_audio(evalset / entry["file"]).duration_ms or 0
        steps = np.arange(200, min(duration_ms, 9000) - 400, 250)
        words = [(f"{entry['id']}-{n}", float(at), float(at) + 250) for n, at in enumerate(steps)]
        clips.append({"audio": str(evalset / entry["file"]), "words": words})
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"clips": clips}), "utf-8")
    for number in (5, 2, 7, 0):
        sound = sound_of(path, clip=number)[: 16000 * 9]
        expected = [text for text, _, _ in clips[number]["words"]]
        assert texts(heard(path, [sound])) == expected
        # Begun in the middle, and again from before it: what was heard twice is told twice.
        middle = len(sound) // 2
        later = texts(heard(path, [sound[middle : middle + 24000], sound[middle - 8000 :]]))
        assert later[-1] == expected[-1]
        assert {*later} >= {text for text, start_ms, _ in clips[number]["words"] if start_ms * 16 > middle}


def test_silence_in_place_of_words_does_not_say_them(script: Path) -> None:
    sound, (_, start_ms, _) = sound_of(script), known(script)[3]
    told = heard(script, [sound[: round((start_ms - 100) * 16)], np.zeros(16000 * 4, np.int16), sound[-16000 * 2 :]])
    assert texts(told)[:3] == ["one", "two", "three,"]
    assert "four" not in texts(told)
    assert texts(told)[-1] == "twelve."


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_silence_put_in_between_changes_no_word(script: Path, share: float) -> None:
    sound, (_, start_ms, end_ms) = sound_of(script), known(script)[4]
    cut = round((start_ms + share * (end_ms - start_ms)) * 16)
    told = heard(script, [sound[:cut], np.zeros(16000 * 3, np.int16), sound[cut:]])
    assert texts(told) == [text for text, _, _ in known(script)]


def test_what_is_no_script_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    for text in ("", "[]", '{"clips": [{"audio": "a.wav", "words": [["a", -1, 2]]}]}'):
        path.write_text(text, "utf-8")
        with pytest.raises(ConfigError, match=r"script\.json"):
            Script.load(path)
    with pytest.raises(ConfigError):
        Script.load(tmp_path / "missing.json")
    assert Tape(Script(clips=[]), 16000).words == []
