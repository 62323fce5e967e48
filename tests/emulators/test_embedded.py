"""An emulated recogniser that hears with Whisper."""

from __future__ import annotations

import asyncio

import pytest
import soundfile

from vivavoce.audio.pcm import Pcm
from vivavoce.audio.resample import resample
from vivavoce.emulators.deepgram import served
from vivavoce.emulators.embedded import Embedded
from vivavoce.errors import VivavoceError
from vivavoce.legs.values import Word
from vivavoce.models import ModelStore
from vivavoce.providers.deepgram import Deepgram
from vivavoce.text.phrases import spoken_words

TWO_CITIES = "It was the best of times, it was the worst of times."


@pytest.fixture
def recogniser() -> Embedded:
    """The emulator that it is given to closes it."""
    try:
        return Embedded()
    except VivavoceError as error:
        pytest.skip(f"Whisper cannot run: {error.message}")


@pytest.fixture(scope="module")
def english() -> Pcm:
    """The first sentence of the demo recording, 5 s."""
    try:
        path = ModelStore().path("demo-en", "two_cities.wav")
    except VivavoceError as error:
        pytest.skip(f"the demo recording is not here: {error.message}")
    samples, rate_hz = soundfile.read(path, frames=5 * 48_000, dtype="int16")
    return Pcm(samples, rate_hz)


@pytest.mark.parametrize("rate_hz", [16000, 8000])
def test_speech_is_heard_through_the_protocol(
    recogniser: Embedded, english: Pcm, monkeypatch: pytest.MonkeyPatch, rate_hz: int
) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "canary-embedded")
    sound = resample(english, rate_hz).samples

    async def main() -> tuple[int, list[Word]]:
        partials, size = 0, rate_hz // 50
        async with served(recogniser).serving() as address, asyncio.timeout(60):
            deepgram = Deepgram(url=f"ws://{address}", spare=0)
            stream = await deepgram.open(language="en", rate_hz=rate_hz)
            answers = aiter(stream)
            for at in range(0, len(sound), size):
                await stream.push(Pcm(sound[at : at + size], rate_hz, 3000 + 1000 * at / rate_hz))
                if at == 100 * size:
                    partials += (await anext(answers)).final is False
            await stream.finalise(1)
            async for hypothesis in answers:
                partials += not hypothesis.final
                if hypothesis.final:
                    break
            await stream.aclose()
            await deepgram.aclose()
            return partials, list(hypothesis.words)

    partials, words = asyncio.run(main())
    assert spoken_words(" ".join(word.text for word in words))[: len(TWO_CITIES.split())] == spoken_words(TWO_CITIES)
    assert partials >= 1
    assert all(3000 <= word.start_ms <= word.end_ms <= 8000 for word in words)
