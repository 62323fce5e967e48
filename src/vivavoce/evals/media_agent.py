"""An agent under load, in a process of its own: it answers a caller's turns with the same long reply, one at a time.

It is started by the benchmark of the media plane with one JSON object of settings, and writes JSON lines: first the
port, then its counts each second, and its last counts when its standard input ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np

from vivavoce.audio.codec import ulaw_decode
from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.errors import CallOver
from vivavoce.media import Call, Closed, Confirmed, Engine, EngineSettings, Mark, SpeechEnd, Started
from vivavoce.media.call import Policy
from vivavoce.media.engine import Scheduling

Interpreter = Literal["none", "spin", "gc"]
GC_OBJECTS = 900_000
GC_EVERY_S = 1.0
TTL_MS = 600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSettings:
    """`reply` is a file of raw μ-law. Calls show `token` and their number; all have the same policy.

    A talkative agent speaks all the time, whatever it hears.
    """

    calls: int
    reply: str
    token: str = "load-"
    policy: Policy = "strict"
    scheduling: Scheduling = "real-time"
    interpreter: Interpreter = "none"
    voices: bool = True
    talkative: bool = False
    piece_ms: int = 100
    core: int | None = None


class Agent:
    """Serves calls and counts what it heard."""

    def __init__(self, engine: Engine, settings: AgentSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._reply = Pcm(reply_samples(Path(settings.reply)), 8000)
        self.heard_ms = 0.0
        self.turns = self.interruptions = self.closed = 0

    async def run(self, finished: asyncio.Event) -> None:
        calls = [
            self._engine.expect(
                f"{self._settings.token}{n}",
                ttl_ms=TTL_MS,
                policy=self._settings.policy,
                piece_ms=self._settings.piece_ms,
            )
            for n in range(self._settings.calls)
        ]
        async with asyncio.TaskGroup() as self._group:
            tasks = [self._group.create_task(serve(call)) for call in calls for serve in (self._listen, self._answer)]
            await finished.wait()
            for task in tasks:
                task.cancel()

    async def _listen(self, call: Call) -> None:
        async for piece in call.audio():
            self.heard_ms += piece.duration_ms

    async def _answer(self, call: Call) -> None:
        epoch, speaking = 0, False
        async for event in call.events():
            if isinstance(event, Started) and self._settings.talkative:
                self._group.create_task(self._talk(call))
            elif isinstance(event, SpeechEnd) and not speaking and not self._settings.talkative:
                self.turns += 1
                epoch, speaking = epoch + 1, True
                try:
                    await call.play(self._reply, epoch, last=True)
                    call.mark("said")
                except CallOver:
                    return
            elif isinstance(event, Mark):
                speaking = False
            elif isinstance(event, Confirmed):
                self.interruptions += 1
            elif isinstance(event, Closed):
                self.closed += 1

    async def _talk(self, call: Call) -> None:
        with suppress(CallOver):
            while True:
                await call.play(self._reply, 1)


def reply_samples(path: Path) -> Samples:
    return ulaw_decode(np.frombuffer(path.read_bytes(), np.uint8))


def disturb(interpreter: Interpreter) -> None:
    """Keep the interpreter busy from another thread: it computes, and with "gc" looks for garbage each second, too."""

    kept = [[n] for n in range(GC_OBJECTS)] if interpreter == "gc" else []

    def work() -> None:
        n, due_s = 0, time.monotonic()
        while True:
            n += 1
            if kept and n % 1000 == 0 and time.monotonic() > due_s:
                gc.collect()
                due_s = time.monotonic() + GC_EVERY_S

    if interpreter != "none":
        threading.Thread(target=work, daemon=True).start()


def say(out: TextIO, **values: Any) -> None:
    out.write(json.dumps(values) + "\n")
    out.flush()


async def main(settings: AgentSettings, out: TextIO) -> None:
    if settings.core is not None:
        os.sched_setaffinity(0, {settings.core})
    engine_settings = EngineSettings(
        calls=settings.calls, anonymous=settings.calls, scheduling=settings.scheduling, voices=settings.voices
    )
    finished = asyncio.Event()
    # Before memory is looked at: what it keeps is not the calls'.
    disturb(settings.interpreter)
    async with Engine(engine_settings) as engine:
        agent = Agent(engine, settings)
        serving = asyncio.create_task(agent.run(finished))
        say(out, port=engine.port, rss_mib=rss_mib())
        reader = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        while True:
            done, _ = await asyncio.wait([reader, serving], timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            counts = {
                "interpreter_cpu_s": time.thread_time(),
                "at_s": time.monotonic(),
                "heard_s": agent.heard_ms / 1000.0,
                "turns": agent.turns,
                "interruptions": agent.interruptions,
                "closed": agent.closed,
                "rss_mib": rss_mib(),
            }
            say(out, **engine.stats(), **counts)
            if done:
                break
        finished.set()
        await serving


def rss_mib() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(AgentSettings(**json.loads(sys.argv[1])), sys.stdout))
