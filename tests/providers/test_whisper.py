from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from vivavoce.audio.pcm import from_float
from vivavoce.audio.resample import resample
from vivavoce.errors import LegUnavailable, VivavoceError
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.models import ModelStore
from vivavoce.providers.mel import RATE_HZ
from vivavoce.providers.utterance import Stretch
from vivavoce.providers.whisper import Whisper
from vivavoce.text.phrases import spoken_words

Sound = NDArray[np.float32]

KENNEDY = "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
TWO_CITIES = "It was the best of times, it was the worst of times."
FAVOURITE = "Mi número favorito es 268."


@pytest.fixture(scope="module")
def whisper() -> Iterator[Whisper]:
    try:
        leg = Whisper()
    except VivavoceError as error:
        pytest.skip(f"Whisper cannot run: {error.message}")
    yield leg
    asyncio.run(leg.aclose())


@pytest.fixture(scope="module")
def english() -> Sound:
    """The first sentence of the demo recording, 5 s."""
    try:
        path = ModelStore().path("demo-en", "two_cities.wav")
    except VivavoceError as error:
        pytest.skip(f"the demo recording is not here: {error.message}")
    samples, rate_hz = soundfile.read(path, frames=5 * 48_000, dtype="float32")
    return resample(from_float(samples, rate_hz), RATE_HZ).as_float()


@pytest.fixture(scope="module")
def kennedy(evalset: Path) -> Sound:
    return read(evalset / "audio" / "jfk.flac")


@pytest.fixture(scope="module")
def spanish(evalset: Path) -> Sound:
    return read(evalset / "audio" / "pv-cheetah-test_es_norm.flac")


def read(path: Path) -> Sound:
    samples, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == RATE_HZ
    return np.asarray(samples, np.float32)


async def hear(
    leg: Whisper, sound: Sound, *, language: str, committed: tuple[Word, ...] = (), start_ms: float = 0.0
) -> tuple[Hypothesis, Hypothesis]:
    """A partial and a final hypothesis of the sound, both after the committed words."""
    stream = await leg.open(language=language)
    answers = aiter(stream)
    await stream.push(from_float(sound, RATE_HZ, start_ms))
    stream.commit(committed)
    stream.partial()
    partial = await anext(answers)
    await stream.finalise(4)
    final = await anext(answers)
    await stream.aclose()
    return partial, final


def test_english_is_heard_and_timed(whisper: Whisper, english: Sound) -> None:
    partial, final = asyncio.run(hear(whisper, english, language="en", start_ms=1000.0))
    assert partial.text == final.text == TWO_CITIES
    assert (partial.final, final.final, final.epoch, final.language) == (False, True, 4, "en")
    assert final.no_speech < 0.5
    assert partial.words[0].start_ms == 1000.0
    assert all(a.end_ms == b.start_ms and a.start_ms <= a.end_ms for a, b in pairwise(partial.words))
    assert partial.words[5].end_ms == pytest.approx(3600, abs=400)
    assert partial.words[-1].end_ms <= 6100.0
    assert all(0.3 < word.confidence <= 1 for word in partial.words)


def test_spanish_is_heard(whisper: Whisper, spanish: Sound) -> None:
    partial, final = asyncio.run(hear(whisper, spanish, language="es"))
    assert partial.text == final.text == FAVOURITE
    assert final.language == "es"


@pytest.mark.parametrize("count", [1, 5])
def test_it_goes_on_after_committed_words(whisper: Whisper, kennedy: Sound, count: int) -> None:
    texts = KENNEDY.split()
    ends_ms = [540.0, 840.0, 1200.0, 1560.0, 2460.0]
    committed = tuple(Word(text, end_ms - 300, end_ms) for text, end_ms in zip(texts, ends_ms[:count], strict=False))
    partial, final = asyncio.run(hear(whisper, kennedy, language="en", committed=committed))
    for hypothesis in (partial, final):
        assert spoken_words(hypothesis.text) == spoken_words(" ".join(texts[count:]))
        assert hypothesis.committed_until_ms == hypothesis.words[0].start_ms == ends_ms[count - 1]


def test_a_prefix_it_would_not_have_said_is_taken(whisper: Whisper, english: Sound) -> None:
    committed = (Word("It", 0, 1300), Word("wàs", 1300, 1500))
    partial, _ = asyncio.run(hear(whisper, english, language="en", committed=committed))
    assert partial.text.startswith("the best of times, it")
    assert partial.text.endswith("the worst of times.")


def test_a_known_transcript_is_timed_in_order(whisper: Whisper, kennedy: Sound) -> None:
    words = whisper.align(kennedy, KENNEDY, language="en")
    assert " ".join(word.text for word in words) == KENNEDY
    assert all(a.start_ms < a.end_ms == b.start_ms for a, b in pairwise(words))
    # Kennedy rests before "ask" and before the second "ask", and ends before the recording does.
    assert words[4].end_ms == pytest.approx(2460, abs=300)
    assert words[13].end_ms == pytest.approx(7760, abs=300)
    assert 10_300 < words[-1].end_ms <= 11_000


def test_the_language_is_identified(whisper: Whisper, english: Sound, spanish: Sound) -> None:
    for sound, language, text in ((english, "en", TWO_CITIES), (spanish, "es", FAVOURITE)):
        partial, final = asyncio.run(hear(whisper, sound, language="auto"))
        assert (partial.language, partial.text) == (final.language, final.text) == (language, text)


def test_another_language_than_the_stated_one_is_noticed(whisper: Whisper, english: Sound, spanish: Sound) -> None:
    for sound, spoken, stated in ((english, "en", "es"), (spanish, "es", "en")):
        _, final = asyncio.run(hear(whisper, sound, language=stated))
        assert final.language == spoken


@pytest.mark.parametrize("language", ["en", "auto"])
@pytest.mark.parametrize("kind", ["silence", "hiss", "short", "nothing"])
def test_what_is_no_speech_gives_no_words(whisper: Whisper, kind: str, language: str) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.02, 2 * RATE_HZ).astype(np.float32)
    samples = {"silence": hiss * 0, "hiss": hiss, "short": hiss[:100], "nothing": hiss[:0]}[kind]
    transcript = whisper.decode(Stretch(samples, RATE_HZ, 0.0, (), language, final=True))
    assert transcript.words == ()
    assert transcript.no_speech > 0.5


@pytest.mark.parametrize(("language", "rate_hz"), [("tlh", RATE_HZ), ("", RATE_HZ), ("en", 8000)])
def test_what_it_cannot_hear_is_refused(whisper: Whisper, language: str, rate_hz: int) -> None:
    with pytest.raises(LegUnavailable):
        asyncio.run(whisper.open(language=language, rate_hz=rate_hz))


def test_nothing_runs_on_after_closing(whisper: Whisper) -> None:
    async def main() -> None:
        leg = Whisper()
        await leg.warm_up()
        assert any(thread not in before for thread in threading.enumerate())
        await leg.aclose()

    before = set(threading.enumerate())
    asyncio.run(main())
    assert set(threading.enumerate()) <= before
