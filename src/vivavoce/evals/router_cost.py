"""What the router costs on a leg that is well: the start of a stream, and each chunk of sound, around an engine that
does nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np

from vivavoce.audio.pcm import FRAME_MS, Pcm
from vivavoce.clock import SystemClock
from vivavoce.config.routes import RouteSettings
from vivavoce.contract.stats import percentiles
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.routing.route import Route
from vivavoce.routing.stt import RoutedStt

RATE_HZ = 16000


class _Nothing:
    """Implements `SpeechToText` and `SttStream`."""

    cadence_ms = 1e9

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = RATE_HZ) -> _Nothing:
        return self

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None: ...

    def partial(self) -> None: ...

    async def finalise(self, epoch: int) -> None: ...

    def commit(self, words: Sequence[Word]) -> None: ...

    def reset(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        nothing: tuple[Hypothesis, ...] = ()
        for hypothesis in nothing:
            yield hypothesis

    async def settle(self) -> None: ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


async def router_cost(settings: RouteSettings, *, starts: int = 2000, chunks: int = 50_000) -> dict[str, Any]:
    """`{start_us, chunk_us}` as percentiles; a chunk is 20 ms of speech at 16 kHz."""
    engines = {name: _Nothing() for name in settings.order}
    routed = RoutedStt(Route("stt", settings, clock=SystemClock()), engines.__getitem__)
    starts_us = []
    for _ in range(starts):
        begun_ns = time.perf_counter_ns()
        stream = await routed.open(language="en")
        starts_us.append((time.perf_counter_ns() - begun_ns) / 1000)
        await stream.aclose()
    stream = await routed.open(language="en")
    samples = np.ones(RATE_HZ * FRAME_MS // 1000, np.int16)
    chunks_us = []
    for number in range(chunks):
        pcm = Pcm(samples, RATE_HZ, float(number * FRAME_MS))
        begun_ns = time.perf_counter_ns()
        await stream.push(pcm)
        chunks_us.append((time.perf_counter_ns() - begun_ns) / 1000)
    await stream.aclose()
    return {"start_us": _figures(starts_us), "chunk_us": _figures(chunks_us)}


def _figures(values_us: Sequence[float]) -> dict[str, float]:
    of = percentiles(values_us)
    return {"n": of.n, "p50": round(of.p50, 2), "p95": round(of.p95, 2), "p99": round(of.p99, 2)}
