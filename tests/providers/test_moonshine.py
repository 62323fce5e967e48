from __future__ import annotations

import asyncio
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from vivavoce.audio.pcm import from_float
from vivavoce.errors import LegUnavailable, ModelDamaged, VivavoceError
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.models import ModelStore
from vivavoce.providers.moonshine import RATE_HZ, Moonshine, MoonshineEngine, read_tokens, voiced_ms
from vivavoce.providers.utterance import Stretch

KENNEDY = "And so my fellow Americans ask not what your country can do for you, ask what you can do for your country."


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return ModelStore().folder("moonshine-tiny-en")
    except VivavoceError as error:
        pytest.skip(f"Moonshine cannot run: {error.message}")


@pytest.fixture(scope="module")
def kennedy(evalset: Path) -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(evalset / "audio" / "jfk.flac", dtype="float32")
    assert rate_hz == RATE_HZ
    return samples


@pytest.fixture(scope="module")
def engine(folder: Path) -> MoonshineEngine:
    return MoonshineEngine(folder)


def test_it_transcribes_speech(engine: MoonshineEngine, kennedy: NDArray[np.float32]) -> None:
    decoded = engine.transcribe(kennedy)
    assert decoded.text == KENNEDY
    assert decoded.confidence > 0.8


@pytest.mark.parametrize("count", [1, 5, 12, 21])
def test_it_goes_on_after_a_prefix(engine: MoonshineEngine, kennedy: NDArray[np.float32], count: int) -> None:
    words = KENNEDY.split()
    assert engine.transcribe(kennedy, prefix=" ".join(words[:count])).text == " ".join(words[count:])


def test_a_prefix_it_would_not_have_said_is_taken(engine: MoonshineEngine, kennedy: NDArray[np.float32]) -> None:
    decoded = engine.transcribe(kennedy, prefix="And so my fellow Åmériçans")
    assert decoded.text.endswith("ask what you can do for your country.")
    assert "fellow" not in decoded.text


@pytest.mark.parametrize("kind", ["silence", "hiss", "short", "nothing"])
def test_what_is_no_speech_gives_no_words(folder: Path, kind: str) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.02, 2 * RATE_HZ).astype(np.float32)
    samples = {"silence": hiss * 0, "hiss": hiss, "short": hiss[:100], "nothing": hiss[:0]}[kind]
    transcript = Moonshine().decode(Stretch(samples, RATE_HZ, 0.0, (), "en", final=True))
    assert transcript.words == ()
    assert transcript.no_speech > 0.5


def test_words_are_spread_over_the_speech(folder: Path, kennedy: NDArray[np.float32]) -> None:
    speech = np.concatenate([np.zeros(RATE_HZ, np.float32), kennedy])
    words = Moonshine().decode(Stretch(speech, RATE_HZ, 5000.0, (), "en", final=True)).words
    assert " ".join(word.text for word in words) == KENNEDY
    assert words[0].start_ms == pytest.approx(6320, abs=100)
    assert words[-1].end_ms == pytest.approx(17000, abs=300)
    assert all(a.end_ms == pytest.approx(b.start_ms) for a, b in pairwise(words))


def test_a_stream_answers_and_leaves_no_thread(folder: Path, kennedy: NDArray[np.float32]) -> None:
    async def main() -> list[Hypothesis]:
        leg = Moonshine()
        await leg.warm_up()
        stream = await leg.open(language="en")
        heard: list[Hypothesis] = []

        async def collect() -> None:
            heard.extend([hypothesis async for hypothesis in stream])

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(collect())
            await stream.push(from_float(kennedy, RATE_HZ, 100.0))
            stream.partial()
            await stream.settle()
            words = KENNEDY.split()
            stream.commit([Word(text, 500.0 + 300 * i, 800.0 + 300 * i) for i, text in enumerate(words[:4])])
            await stream.finalise(3)
            await stream.settle()
            await stream.aclose()
        await leg.aclose()
        return heard

    before = set(threading.enumerate())
    partial, final = asyncio.run(main())
    assert set(threading.enumerate()) <= before
    assert (partial.text, partial.final, partial.epoch) == (KENNEDY, False, 0)
    assert (final.text, final.final, final.epoch) == (" ".join(KENNEDY.split()[4:]), True, 3)
    assert final.committed_until_ms == 1700.0
    assert final.words[0].start_ms == 1700.0


@pytest.mark.parametrize(("language", "rate_hz"), [("pt", RATE_HZ), ("auto", RATE_HZ), ("en", 8000)])
def test_what_it_cannot_hear_is_refused(folder: Path, language: str, rate_hz: int) -> None:
    with pytest.raises(LegUnavailable):
        asyncio.run(Moonshine().open(language=language, rate_hz=rate_hz))


def test_token_files_hold_lengths_of_one_or_two_bytes(tmp_path: Path) -> None:
    tokens = [b"a", b"", b"b" * 127, b"c" * 128, b"d" * 300]
    lengths = [bytes([len(t)]) if len(t) < 128 else bytes([len(t) % 128 + 128, len(t) // 128]) for t in tokens]
    raw = b"".join(length + token for length, token in zip(lengths, tokens, strict=True))
    (tmp_path / "t.bin").write_bytes(raw)
    assert read_tokens(tmp_path / "t.bin") == tokens
    for cut in (1, 300):
        (tmp_path / "t.bin").write_bytes(raw[:-cut])
        with pytest.raises(ModelDamaged):
            read_tokens(tmp_path / "t.bin")


def test_speech_is_found_between_silences() -> None:
    tone = np.sin(np.arange(RATE_HZ, dtype=np.float32) / 5).astype(np.float32)
    quiet = np.zeros(RATE_HZ // 2, np.float32)
    assert voiced_ms(np.concatenate([quiet, tone, quiet])) == (500.0, 1500.0)
    assert voiced_ms(quiet) == (0.0, 500.0)
    assert voiced_ms(quiet[:10]) == (0.0, 0.625)
