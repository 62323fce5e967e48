"""What a hosted shadow costs the primary: the same utterances with and without one, in turns.

Two emulated recognisers in processes of their own: one serves, one shadows every session. The figure is the median,
over pairs of turns, of how much later the final came with the shadow.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from statistics import median

from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import FRAME_MS, Pcm
from vivavoce.clock import NS_PER_MS, SystemClock
from vivavoce.config.load import default_settings
from vivavoce.emulators.tape import Script
from vivavoce.errors import LegError, LegTimeout
from vivavoce.evals.failover_stage import KEY, emulated
from vivavoce.legs.stt import SttStream
from vivavoce.legs.values import Hypothesis
from vivavoce.providers.deepgram import Deepgram
from vivavoce.routing.shadow import Consent, Shadows

_RATE_HZ = 16000
_TURN_MS = 1000.0
_LATEST_S = 5.0
_SHADOW = "deepgram-shadow"


async def shadow_shift_ms(*, script: Path, pairs: int = 30) -> float:
    """Takes about two seconds a pair. The key that emulators want is in the environment.

    Raises LegError where a final does not come, or the shadow did not hear it all: then there is nothing to compare.
    """
    speech = _speech(script)
    async with AsyncExitStack() as stack:
        served, shadowing = [
            await stack.enter_async_context(emulated("deepgram", "--script", str(script))) for _ in range(2)
        ]
        primary = Deepgram(url=f"ws://{served.address}", key=KEY)
        stack.push_async_callback(primary.aclose)
        route = default_settings().routes.stt.model_copy(update={"order": ["deepgram"], "shadow": {_SHADOW: 1.0}})
        shadows = Shadows(
            {"stt": route},
            session="shift",
            consent=Consent(shadow=True),
            make=lambda leg, engine: Deepgram(url=f"ws://{shadowing.address}", key=KEY),
            hosted=lambda engine: True,
            clock=SystemClock(),
        )
        stack.push_async_callback(shadows.end)
        alone, beside = [
            _Talk(await leg.open(language="en", rate_hz=_RATE_HZ), speech) for leg in (primary, shadows.stt(primary))
        ]
        shifts = []
        for number in range(pairs):
            turns = (alone, beside) if number % 2 else (beside, alone)
            latency_ms = {turn: await turn.run() for turn in turns}
            shifts.append(latency_ms[beside] - latency_ms[alone])
        for talk in (alone, beside):
            await talk.aclose()
        await shadows.end()
    (run,) = shadows.runs
    if run.void or set(run.shadow) != set(run.primary) or len(run.primary) != pairs:
        raise LegError(f"the shadow answered {len(run.shadow)} of {pairs} utterances: {run.void or 'no answer'}")
    return median(shifts)


class _Talk:
    """One stream, and turns of speech into it at real time."""

    def __init__(self, stream: SttStream, speech: Sequence[Pcm]) -> None:
        self._stream, self._speech = stream, speech
        self._answers: AsyncIterator[Hypothesis] = aiter(stream)
        self._epochs = count(1)
        self._clock = SystemClock()
        self._at_ms = 0.0

    async def run(self) -> float:
        """One utterance; how long its final took."""
        begun_ns = self._clock.now_ns()
        for number, pcm in enumerate(self._speech, start=1):
            await self._clock.sleep_until(begun_ns + round(number * FRAME_MS * NS_PER_MS))
            await self._stream.push(Pcm(pcm.samples, pcm.rate_hz, self._at_ms))
            self._at_ms += FRAME_MS
        epoch = next(self._epochs)
        asked_ns = self._clock.now_ns()
        await self._stream.finalise(epoch)
        try:
            async with asyncio.timeout(_LATEST_S):
                while (hypothesis := await anext(self._answers)).epoch != epoch or not hypothesis.final:
                    pass
        except TimeoutError:
            raise LegTimeout(f"no final within {_LATEST_S:.0f} s") from None
        latency_ms = (self._clock.now_ns() - asked_ns) / NS_PER_MS
        self._stream.reset()
        return latency_ms

    async def aclose(self) -> None:
        await self._stream.aclose()


def _speech(script: Path) -> list[Pcm]:
    """Frames of the first clip that has words, from shortly before its first."""
    clip = next(clip for clip in Script.load(script).clips if clip.words)
    begin_ms = max(0.0, clip.words[0][1] - 100)
    frames = [
        pcm
        for pcm in open_audio(clip.audio).blocks(rate_hz=_RATE_HZ)
        if begin_ms <= pcm.start_ms < begin_ms + _TURN_MS and pcm.duration_ms == FRAME_MS
    ]
    return frames
