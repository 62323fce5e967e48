from __future__ import annotations

import asyncio
import shutil

import numpy as np
import pytest

from vivavoce.clock import run_virtual
from vivavoce.emulators.speech import EmbeddedSpeech, Said, ScriptedSpeech, Speech, bursts, tone_hz
from vivavoce.providers.espeak import Espeak

RATE_HZ = 16000


async def all_of(speech: Speech, text: str) -> list[Said]:
    return [said async for said in speech.say(text, language="en", rate_hz=RATE_HZ)]


def test_every_word_is_its_tone_as_long_as_its_characters_say() -> None:
    samples, words = bursts("One twelve.", rate_hz=RATE_HZ)
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [("One", 20, 200), ("twelve.", 220, 640)]
    for word in words:
        begin, end = round(word.start_ms * RATE_HZ / 1000), round(word.end_ms * RATE_HZ / 1000)
        spectrum = np.abs(np.fft.rfft(samples[begin:end].astype(float)))
        loudest_hz = float(np.argmax(spectrum)) * RATE_HZ / (end - begin)
        assert loudest_hz == pytest.approx(tone_hz(word.text), abs=5)
        assert abs(int(samples[begin])) > 1000
    assert not samples[round(200 * RATE_HZ / 1000) : round(220 * RATE_HZ / 1000)].any()


def test_a_faster_voice_is_shorter() -> None:
    usual, fast = bursts("Hello there.", rate_hz=RATE_HZ), bursts("Hello there.", rate_hz=RATE_HZ, speed=1.25)
    assert len(usual[0]) / len(fast[0]) == pytest.approx(1.25, abs=0.001)
    assert usual[1][1].start_ms / fast[1][1].start_ms == pytest.approx(1.25, abs=0.001)


def test_pieces_together_are_the_whole_with_its_words() -> None:
    async def main() -> None:
        pieces = await all_of(ScriptedSpeech(), "One two three.")
        samples, words = bursts("One two three.", rate_hz=RATE_HZ)
        assert np.concatenate([piece.samples for piece in pieces]).tolist() == samples.tolist()
        found = [
            (word.text, pytest.approx(100.0 * number + word.start_ms))
            for number, piece in enumerate(pieces)
            for word in piece.words or ()
        ]
        assert found == [(word.text, word.start_ms) for word in words]

    asyncio.run(main())


def test_its_pace_is_kept() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        pieces = await all_of(ScriptedSpeech(first_ms=75, pace=4), "Hello there.")
        assert len(pieces) == 7
        assert loop.time() - begun_s == pytest.approx(0.075 + 6 * 0.1 / 4)

    run_virtual(main())


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize("spread", [True, False])
def test_an_embedded_voice_speaks_with_times_that_are_spread_or_without(spread: bool) -> None:
    async def main() -> None:
        speech = EmbeddedSpeech(Espeak(), spread=spread)
        try:
            pieces = await all_of(speech, "Hello there.")
        finally:
            await speech.aclose()
        sound = np.concatenate([piece.samples for piece in pieces])
        assert 0.3 * RATE_HZ < len(sound) < 2 * RATE_HZ
        assert np.abs(sound.astype(int)).max() > 3000
        if spread:
            (piece,) = pieces
            assert piece.words is not None
            assert [word.text for word in piece.words] == ["Hello", "there."]
            assert piece.words[-1].end_ms == pytest.approx(1000 * len(sound) / RATE_HZ)
        else:
            assert {piece.words for piece in pieces} == {None}

    asyncio.run(main())
