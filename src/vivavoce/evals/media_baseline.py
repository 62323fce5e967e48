"""The same agent as a plain asyncio and picows server: what Python alone reaches on this machine.

An energy gate stands for the voice detector, replies leave on a grid of 20 ms. It takes the settings of `media_agent`
and writes the same JSON lines, with fewer counts.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from vivavoce.evals.media_agent import AgentSettings, disturb, say

FRAME_BYTES = 160
FRAME_S = 0.02
QUIET = bytes(code for code in range(256) if (code | 0x80) >= 0xE0)
START_FRAMES, END_FRAMES = 6, 15
"""So many more loud frames than others are a voice, 300 ms of others its end."""


def reply_messages(path: Path) -> list[bytes]:
    sound = path.read_bytes()
    pieces = [sound[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\xff") for at in range(0, len(sound), FRAME_BYTES)]
    message = b'{"event":"media","streamSid":"x","media":{"payload":"%s"}}'
    return [message % base64.b64encode(piece) for piece in pieces]


async def main(settings: AgentSettings) -> None:
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

    if settings.core is not None:
        os.sched_setaffinity(0, {settings.core})
    reply = reply_messages(Path(settings.reply))
    live: set[Turns] = set()

    class Turns(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            self.transport = transport
            self.at: int | None = None
            self.loud = self.quiet = 0
            self.speaking = False
            live.add(self)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            live.discard(self)

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            data = frame.get_payload_as_bytes()
            at = data.find(b'"payload":"')
            if at < 0:
                return
            sound = base64.b64decode(data[at + 11 : data.index(b'"', at + 11)])
            loud = len(sound.translate(None, QUIET)) > FRAME_BYTES // 10
            self.loud = min(self.loud + 1, START_FRAMES) if loud else max(self.loud - 1, 0)
            self.quiet = 0 if loud else self.quiet + 1
            if not self.speaking and self.loud >= START_FRAMES:
                self.speaking = True
                if self.at is not None:
                    self.at = None
                    transport.send(WSMsgType.TEXT, b'{"event":"clear","streamSid":"x"}')
            elif self.speaking and self.quiet >= END_FRAMES:
                self.speaking, self.at = False, 0

        def send_next(self) -> None:
            if self.at is not None:
                self.transport.send(WSMsgType.TEXT, reply[self.at])
                self.at = self.at + 1 if self.at + 1 < len(reply) else None

    def listener(_: WSUpgradeRequest) -> Turns:
        return Turns()

    server = await ws_create_server(listener, "127.0.0.1", 0)
    say(sys.stdout, port=server.sockets[0].getsockname()[1])
    disturb(settings.interpreter)
    reader = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    begun = due = time.perf_counter()
    told_s = 0.0
    while not reader.done():
        due += FRAME_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        for turns in live:
            turns.send_next()
        if time.perf_counter() - begun > told_s:
            told_s += 1.0
            say(sys.stdout, **_counts(len(live)))
    say(sys.stdout, **_counts(len(live)))
    server.close()


def _counts(calls: int) -> dict[str, Any]:
    return {"calls": calls, "interpreter_cpu_s": time.thread_time(), "at_s": time.monotonic()}


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(AgentSettings(**json.loads(sys.argv[1]))))
