from __future__ import annotations

import numpy as np
import pytest

from vivavoce.legs.values import SpeechChunk, Word
from vivavoce.providers.voicing import Voicing, nearest_rate

RATE_HZ = 8000


def tone(ms: float, rate_hz: int = RATE_HZ) -> bytes:
    return (9000 * np.cos(np.arange(round(ms * rate_hz / 1000)))).astype("<i2").tobytes()


def silence(ms: float) -> bytes:
    return bytes(2 * round(ms * RATE_HZ / 1000))


def voicing() -> Voicing:
    return Voicing(7, made_hz=RATE_HZ, rate_hz=RATE_HZ)


def heard(chunk: SpeechChunk | None) -> SpeechChunk:
    assert chunk is not None
    return chunk


def test_words_count_from_the_first_sample_of_their_chunk_which_is_after_the_silence() -> None:
    voice = voicing()
    voice.times((Word("one", 100, 200), Word("two", 250, 300)))
    first = heard(voice.sound(silence(100) + tone(100)))
    second = heard(voice.sound(silence(50) + tone(50)))
    assert (first.epoch, first.pcm.duration_ms) == (7, 108)
    assert first.words == (Word("one", 8, 108),)
    assert second.words == (Word("two", 50, 100),)
    assert second.pcm.duration_ms == 100


def test_a_word_whose_time_came_late_keeps_its_place_by_a_negative_time() -> None:
    voice = voicing()
    assert heard(voice.sound(tone(100))).words is None
    voice.times((Word("one", 20, 90),))
    assert heard(voice.sound(tone(60))).words == (Word("one", -80, -10),)


def test_words_that_are_left_go_with_the_end() -> None:
    voice = voicing()
    voice.sound(tone(100))
    voice.times((Word("one", 20, 90),))
    end = heard(voice.end())
    assert (len(end.pcm.samples), end.words) == (0, (Word("one", -80, -10),))
    assert voice.end() is None


def test_a_text_goes_with_the_chunk_of_its_first_word() -> None:
    voice = voicing()
    voice.text("one two")
    voice.text("three")
    voice.times((Word("one", 0, 50), Word("two", 50, 100), Word("three", 150, 190)))
    assert [heard(voice.sound(tone(60))).text for _ in range(4)] == ["one two", "", "three", ""]


def test_without_times_a_text_goes_with_the_next_chunk() -> None:
    voice = voicing()
    voice.text("one two")
    assert heard(voice.sound(tone(60))).text == "one two"
    voice.text("three")
    assert heard(voice.sound(tone(60))).text == "three"


def test_bytes_may_be_cut_anywhere() -> None:
    voice, data = voicing(), tone(20)
    chunks = [voice.sound(data[at : at + 7]) for at in range(0, len(data), 7)]
    together = np.concatenate([chunk.pcm.samples for chunk in chunks if chunk is not None])
    assert together.astype("<i2").tobytes() == data


def test_silence_gives_no_chunk() -> None:
    voice = voicing()
    assert voice.sound(silence(100)) is None
    assert voice.sound(b"") is None
    heard(voice.sound(tone(10)))
    assert voice.sound(silence(100)) is not None or voice.end() is None


def test_another_rate_keeps_the_length_and_the_times() -> None:
    voice = Voicing(1, made_hz=24000, rate_hz=16000)
    voice.times((Word("one", 0, 100), Word("two", 100, 200)))
    chunks = [heard(voice.sound(tone(100, 24000))), heard(voice.sound(tone(100, 24000))), heard(voice.end())]
    assert sum(chunk.pcm.duration_ms for chunk in chunks) == pytest.approx(200, abs=0.1)
    starts, at_ms = [], 0.0
    for chunk in chunks:
        starts += [at_ms + word.start_ms for word in chunk.words or ()]
        at_ms += chunk.pcm.duration_ms
    assert starts == pytest.approx([0, 100])


def test_the_rate_to_ask_for() -> None:
    offered = (8000, 16000, 24000)
    assert [nearest_rate(rate, offered) for rate in (8000, 12000, 24000, 48000)] == [8000, 16000, 24000, 24000]
