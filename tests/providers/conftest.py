"""What tests of hosted synthesisers hear."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from vivavoce.audio.pcm import Samples
from vivavoce.legs.tts import SpeechStream


@dataclass
class Heard:
    """All of one epoch: `words` with the moments in ms at which they begin, `texts` as the chunks announced them."""

    samples: Samples = field(default_factory=lambda: np.zeros(0, np.int16))
    words: list[tuple[str, float]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    timed: bool = True


@pytest.fixture
def hear() -> Callable[[SpeechStream, int], Awaitable[Heard]]:
    """Iterate until the epoch's last chunk; a chunk of another epoch is an error."""

    async def hear(stream: SpeechStream, epoch: int) -> Heard:
        heard = Heard()
        async with asyncio.timeout(60):
            async for chunk in stream:
                assert chunk.epoch == epoch
                at_ms = 1000.0 * len(heard.samples) / chunk.pcm.rate_hz
                heard.words += [(word.text, at_ms + word.start_ms) for word in chunk.words or ()]
                heard.timed = heard.timed and (chunk.words is not None or chunk.last)
                heard.texts += [chunk.text] if chunk.text else []
                heard.samples = np.concatenate([heard.samples, chunk.pcm.samples])
                if chunk.last:
                    return heard
        raise AssertionError("the stream ended before the epoch")

    return hear
