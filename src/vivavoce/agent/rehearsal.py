"""A caller who is rehearsed: a telephone call at real time over the Twilio dialect, both sides recorded."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from vivavoce.audio.codec import ulaw_decode, ulaw_encode
from vivavoce.audio.pcm import Samples

RATE_HZ = 8000
FRAME = 160
FRAME_MS = 20.0
STREAM = "MZrehearsal"


@dataclass(frozen=True, kw_only=True, slots=True)
class Manners:
    """The next thing is said when the agent was silent for `pause_ms`; who waits for `give_up_ms` hangs up."""

    pause_ms: float = 700.0
    give_up_ms: float = 30_000.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One thing that was said, and when the agent was first heard after its end; None where it never was."""

    start_ms: float
    end_ms: float
    answered_ms: float | None = None

    @property
    def gap_ms(self) -> float | None:
        return None if self.answered_ms is None else self.answered_ms - self.end_ms


@dataclass(slots=True)
class Recording:
    """Times are ms since the call began; both sides are 16-bit samples at 8 kHz."""

    exchanges: list[Exchange] = field(default_factory=list)
    caller: bytearray = field(default_factory=bytearray)
    agent: bytearray = field(default_factory=bytearray)

    def stereo(self) -> Samples:
        """i16[n, 2]: the caller on the left."""
        sides = [np.frombuffer(side, np.int16) for side in (self.caller, self.agent)]
        length = max(map(len, sides))
        return np.stack([np.pad(side, (0, length - len(side))) for side in sides], axis=1)


class RehearsedCaller:
    """Says clips, each an i16[n] at 8 kHz, one after the agent's every reply. A clip is all that it knows."""

    def __init__(self, clips: Sequence[Samples], *, manners: Manners | None = None) -> None:
        self._clips = deque(np.pad(clip, (0, -len(clip) % FRAME)) for clip in clips)
        self._saying: deque[Samples] = deque()
        self._manners = manners or Manners()
        self.recording = Recording()
        self._now_ms = 0.0
        self._heard_until_ms = 0.0
        self._heard_since_said = False
        self._marks: list[tuple[float, str]] = []

    async def call(self, url: str, token: str) -> Recording:
        """Call, and talk until either side hangs up."""
        async with connect(url, compression=None) as socket, asyncio.TaskGroup() as group:
            await self._begin(socket, token)
            hearing = group.create_task(self._hear(socket))
            await self._talk(socket, hearing)
            hearing.cancel()
        return self.recording

    async def _begin(self, socket: ClientConnection, token: str) -> None:
        format_ = {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1}
        start = {"streamSid": STREAM, "callSid": "CArehearsal", "mediaFormat": format_, "tracks": ["inbound"]}
        await _send(socket, event="connected", protocol="Call", version="1.0.0")
        await _send(socket, event="start", start=start | {"customParameters": {"token": token}})

    async def _talk(self, socket: ClientConnection, hearing: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        while not hearing.done():
            frame = self._next_frame()
            if frame is None:
                await _send(socket, event="stop")
                return
            self.recording.caller += frame.tobytes()
            payload = base64.b64encode(ulaw_encode(frame).tobytes()).decode()
            try:
                await _send(socket, event="media", media={"track": "inbound", "payload": payload})
                while self._marks and self._marks[0][0] <= self._now_ms:
                    await _send(socket, event="mark", mark={"name": self._marks.pop(0)[1]})
            except ConnectionClosed:
                return
            self._now_ms += FRAME_MS
            await asyncio.sleep(max(0.0, begun_s + self._now_ms / 1000 - loop.time()))

    def _next_frame(self) -> Samples | None:
        """The next 20 ms; None where the caller hangs up."""
        if self._saying:
            return self._saying.popleft()
        manners = self._manners
        quiet_ms = self._now_ms - self._heard_until_ms
        if self._heard_since_said and quiet_ms >= manners.pause_ms and self._clips:
            clip = self._clips.popleft()
            self._saying.extend(clip.reshape(-1, FRAME))
            self._heard_since_said = False
            end_ms = self._now_ms + len(self._saying) * FRAME_MS
            self.recording.exchanges.append(Exchange(self._now_ms, end_ms))
            return self._saying.popleft()
        if quiet_ms >= manners.give_up_ms:
            return None
        return np.zeros(FRAME, np.int16)

    async def _hear(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                self._on(json.loads(text))
        except ConnectionClosed:
            return

    def _on(self, message: dict[str, dict[str, str]]) -> None:
        match message:
            case {"event": "media", "media": {"payload": payload}}:
                self._take(ulaw_decode(base64.b64decode(payload)))
            case {"event": "mark", "mark": {"name": name}}:
                self._marks.append((max(self._heard_until_ms, self._now_ms), name))
            case {"event": "clear"}:
                self._heard_until_ms = min(self._heard_until_ms, self._now_ms)
                del self.recording.agent[2 * round(self._heard_until_ms * RATE_HZ / 1000) :]
                self._marks = [(self._now_ms, name) for _, name in self._marks]

    def _take(self, samples: Samples) -> None:
        """Sound is heard after what waits, or now."""
        at_ms = max(self._heard_until_ms, self._now_ms)
        gap = 2 * round(at_ms * RATE_HZ / 1000) - len(self.recording.agent)
        self.recording.agent += bytes(max(gap, 0)) + samples.tobytes()
        self._heard_until_ms = at_ms + 1000.0 * len(samples) / RATE_HZ
        self._heard_since_said = True
        exchanges = self.recording.exchanges
        if exchanges and exchanges[-1].answered_ms is None and self._now_ms >= exchanges[-1].end_ms:
            last = exchanges.pop()
            exchanges.append(Exchange(last.start_ms, last.end_ms, at_ms))


async def _send(socket: ClientConnection, **message: object) -> None:
    await socket.send(json.dumps({"streamSid": STREAM} | message))
