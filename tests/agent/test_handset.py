"""A caller's handset against a server that notes what comes and when."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from vivavoce.agent.handset import FRAME, STREAM, Handset, Playout
from vivavoce.audio.codec import ulaw_encode
from vivavoce.audio.pcm import Samples
from vivavoce.clock import SystemClock

MS = 1_000_000


def test_a_buffer_plays_one_after_the_other_until_it_is_cleared() -> None:
    playout = Playout()
    assert playout.take(100.0, 50.0) == 50.0
    assert playout.take(100.0, 60.0) == 150.0
    playout.mark("a", 70.0)
    assert playout.reached(249.0) == []
    assert playout.reached(250.0) == ["a"]
    assert playout.take(100.0, 400.0) == 400.0
    playout.mark("b", 410.0)
    playout.clear(420.0)
    assert playout.until_ms == 420.0
    assert playout.reached(420.0) == ["b"]
    assert playout.reached(999.0) == []


class Listener:
    """Says nothing, hangs up 60 ms after the agent was cleared."""

    def __init__(self) -> None:
        self.playout = Playout()
        self.heard_ms: list[float] = []
        self.cleared_ms: float | None = None

    def speak(self, now_ms: float) -> Samples | None:
        over = self.cleared_ms is not None and now_ms > self.cleared_ms + 60
        return None if over else np.zeros(FRAME, np.int16)

    def hear(self, samples: Samples, now_ms: float, from_ms: float) -> None:
        assert len(samples) == FRAME
        self.heard_ms.append(now_ms)

    def cleared(self, now_ms: float) -> None:
        self.cleared_ms = now_ms


@pytest.mark.parametrize("one_way_ms", [0.0, 50.0])
def test_a_call_is_delayed_both_ways_in_order(one_way_ms: float) -> None:
    came: list[tuple[int, dict[str, Any]]] = []
    sent_ns: list[int] = []
    clock = SystemClock()
    payload = base64.b64encode(ulaw_encode(np.zeros(FRAME, np.int16)).tobytes()).decode()

    async def answer(socket: ServerConnection) -> None:
        async for text in socket:
            came.append((clock.now_ns(), json.loads(text)))
            if came[-1][1]["event"] == "start":
                sent_ns.append(clock.now_ns())
                for said in (
                    {"event": "media", "media": {"payload": payload}},
                    {"event": "mark", "mark": {"name": "m"}},
                ):
                    await socket.send(json.dumps({"streamSid": STREAM} | said))
                await socket.send(json.dumps({"streamSid": STREAM, "event": "clear"}))

    async def main() -> tuple[Listener, Handset]:
        listener = Listener()
        handset = Handset(listener, one_way_ms=one_way_ms)
        async with serve(answer, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            await asyncio.wait_for(handset.call(f"ws://127.0.0.1:{port}", "secret"), 10)
        return listener, handset

    listener, handset = asyncio.run(main())
    events = [message["event"] for _, message in came]
    assert events[:2] == ["connected", "start"]
    assert events[-1] == "stop"
    assert set(events[2:-1]) == {"media", "mark"}
    assert came[1][1]["start"]["customParameters"] == {"token": "secret"}
    assert (came[0][0] - handset.began_ns) / MS >= one_way_ms
    assert len(listener.heard_ms) == 1
    assert listener.cleared_ms is not None
    assert listener.heard_ms[0] <= listener.cleared_ms
    assert listener.heard_ms[0] >= (sent_ns[0] - handset.began_ns) / MS + one_way_ms
    assert len(handset.late_ms) == events.count("media") + 1
