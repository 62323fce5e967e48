"""The real model on the demo's recording: after sentences, and in their middle."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegError, LegUnavailable
from vivavoce.models import ModelStore
from vivavoce.providers.smart_turn import SmartTurn

RATE_HZ = 16_000
AFTER_SENTENCES_MS = (5040, 13460, 17220, 24620)
BETWEEN_WORDS_MS = (3220, 5400, 8900, 13700, 19220, 22920)


def probabilities(ends_ms: Sequence[int]) -> list[float]:
    recording = open_audio(ModelStore().path("demo-en", "two_cities.wav"))
    sound = np.concatenate([block.samples for block in recording.blocks(rate_hz=RATE_HZ)])
    quiet = np.zeros(RATE_HZ // 5, np.int16)

    async def main() -> list[float]:
        turns = SmartTurn()
        await turns.warm_up()
        cuts = [np.concatenate([sound[: ms * RATE_HZ // 1000], quiet]) for ms in ends_ms]
        found = [await turns.complete(Pcm(cut, RATE_HZ)) for cut in cuts]
        await turns.aclose()
        return found

    return asyncio.run(main())


def test_sentences_end_and_their_middles_do_not() -> None:
    assert min(probabilities(AFTER_SENTENCES_MS)) > 0.6
    assert max(probabilities(BETWEEN_WORDS_MS)) < 0.3


def test_another_rate_is_refused() -> None:
    async def main() -> None:
        turns = SmartTurn()
        with pytest.raises(LegUnavailable, match="8000"):
            await turns.complete(Pcm(np.zeros(8000, np.int16), 8000))
        await turns.aclose()

    asyncio.run(main())


def test_what_an_engine_raises_is_an_error_of_ours() -> None:
    async def main() -> None:
        turns = SmartTurn()
        turns._session = None  # type: ignore[assignment]
        with pytest.raises(LegError, match="turn detection failed"):
            await turns.complete(Pcm(np.zeros(RATE_HZ, np.int16), RATE_HZ))
        await turns.aclose()

    asyncio.run(main())
