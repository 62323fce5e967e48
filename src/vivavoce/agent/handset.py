"""The caller's end of a call over the Twilio dialect, at real time: sound goes out, and a buffer plays what comes in.

All times are ms since the call began.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from vivavoce.audio.codec import ulaw_decode, ulaw_encode
from vivavoce.audio.pcm import FRAME_MS, Samples
from vivavoce.clock import NS_PER_MS, Clock, SystemClock

RATE_HZ = 8000
FRAME = RATE_HZ * FRAME_MS // 1000
STREAM = "MZhandset"


@dataclass(slots=True)
class Playout:
    """What waits to be heard until `until_ms`, and the marks in it."""

    until_ms: float = 0.0
    _marks: list[tuple[float, str]] = field(default_factory=list)

    def take(self, length_ms: float, now_ms: float) -> float:
        """When sound that comes now is heard: after what waits."""
        from_ms = max(self.until_ms, now_ms)
        self.until_ms = from_ms + length_ms
        return from_ms

    def mark(self, name: str, now_ms: float) -> None:
        self._marks.append((max(self.until_ms, now_ms), name))

    def clear(self, now_ms: float) -> None:
        """Nothing waits any more; all marks are reached."""
        self.until_ms = min(self.until_ms, now_ms)
        self._marks = [(now_ms, name) for _, name in self._marks]

    def reached(self, now_ms: float) -> list[str]:
        """Marks that were reached since this was last asked."""
        names = [name for at_ms, name in self._marks if at_ms <= now_ms]
        del self._marks[: len(names)]
        return names


class Caller(Protocol):
    """Who holds the handset."""

    playout: Playout

    def speak(self, now_ms: float) -> Samples | None:
        """The next 20 ms, i16[160] at 8 kHz; None hangs up."""
        ...

    def hear(self, samples: Samples, now_ms: float, from_ms: float) -> None:
        """Sound has come, and is heard from `from_ms` on."""
        ...

    def cleared(self, now_ms: float) -> None:
        """What waited to be heard was just dropped."""
        ...


class _Wire:
    """One direction: messages come out in their order, each so much later."""

    def __init__(self, clock: Clock, delay_ms: float) -> None:
        self._clock = clock
        self._delay_ns = round(delay_ms * NS_PER_MS)
        self._queue: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    def put(self, text: str) -> None:
        self._queue.put_nowait((self._clock.now_ns() + self._delay_ns, text))

    async def run(self, deliver: Callable[[str], Awaitable[None]]) -> None:
        while True:
            due_ns, text = await self._queue.get()
            await self._clock.sleep_until(due_ns)
            await deliver(text)
            self._queue.task_done()

    async def settle(self) -> None:
        await self._queue.join()


class Handset:
    """`one_way_ms` is added to every message both ways. `began_ns` is when the call began, by the clock.

    `late_ms` tells how late each 20 ms were spoken.
    """

    def __init__(self, caller: Caller, *, one_way_ms: float = 0.0, clock: Clock | None = None) -> None:
        self._caller = caller
        self._clock = clock or SystemClock()
        self._out, self._in = _Wire(self._clock, one_way_ms), _Wire(self._clock, one_way_ms)
        self.began_ns = 0
        self.late_ms: list[float] = []

    async def call(self, url: str, token: str) -> None:
        """Call, and talk until either side hangs up. Raises OSError where nobody answers."""
        async with connect(url, compression=None) as socket, asyncio.TaskGroup() as group:
            self.began_ns = self._clock.now_ns()

            async def send(text: str) -> None:
                with suppress(ConnectionClosed):
                    await socket.send(text)

            wires = [group.create_task(self._out.run(send)), group.create_task(self._in.run(self._on))]
            reading = group.create_task(self._read(socket))
            self._begin(token)
            await self._talk(reading)
            for task in (*wires, reading):
                task.cancel()

    def _begin(self, token: str) -> None:
        format_ = {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1}
        start = {"streamSid": STREAM, "callSid": "CAhandset", "mediaFormat": format_, "tracks": ["inbound"]}
        self._say(event="connected", protocol="Call", version="1.0.0")
        self._say(event="start", start=start | {"customParameters": {"token": token}})

    async def _talk(self, reading: asyncio.Task[None]) -> None:
        frames = 0
        while not reading.done():
            now_ms = self._now_ms()
            self.late_ms.append(now_ms - frames * FRAME_MS)
            frame = self._caller.speak(now_ms)
            if frame is None:
                self._say(event="stop")
                await self._out.settle()
                return
            payload = base64.b64encode(ulaw_encode(frame).tobytes()).decode()
            self._say(event="media", media={"track": "inbound", "payload": payload})
            for name in self._caller.playout.reached(now_ms):
                self._say(event="mark", mark={"name": name})
            frames += 1
            await self._clock.sleep_until(self.began_ns + frames * FRAME_MS * NS_PER_MS)

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for text in socket:
                self._in.put(str(text))
        await self._in.settle()

    async def _on(self, text: str) -> None:
        caller, now_ms = self._caller, self._now_ms()
        match json.loads(text):
            case {"event": "media", "media": {"payload": payload}}:
                samples = ulaw_decode(base64.b64decode(payload))
                caller.hear(samples, now_ms, caller.playout.take(1000.0 * len(samples) / RATE_HZ, now_ms))
            case {"event": "mark", "mark": {"name": name}}:
                caller.playout.mark(name, now_ms)
            case {"event": "clear"}:
                caller.playout.clear(now_ms)
                caller.cleared(now_ms)

    def _say(self, **message: object) -> None:
        self._out.put(json.dumps({"streamSid": STREAM} | message))

    def _now_ms(self) -> float:
        return (self._clock.now_ns() - self.began_ns) / NS_PER_MS
