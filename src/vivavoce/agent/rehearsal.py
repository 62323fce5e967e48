"""A caller who is rehearsed: clips are said one after the other on a telephone, and both sides recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vivavoce.agent.handset import FRAME, RATE_HZ, Handset, Playout
from vivavoce.audio.pcm import FRAME_MS, Samples


@dataclass(frozen=True, kw_only=True, slots=True)
class Manners:
    """The next thing is said when the agent was silent for `pause_ms`, unless its cue says otherwise; who waits for
    `give_up_ms` hangs up."""

    pause_ms: float = 700.0
    give_up_ms: float = 30_000.0


@dataclass(frozen=True, slots=True)
class Cue:
    """A clip, i16[n] at 8 kHz, and when it is said: when the agent was silent for `after_ms`, or over what it says, so
    long after it began to."""

    clip: Samples
    after_ms: float | None = None
    over_ms: float | None = None


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
    """Times are ms since the call began, by the clock; both sides are 16-bit samples at 8 kHz."""

    began_ns: int = 0
    exchanges: list[Exchange] = field(default_factory=list)
    caller: bytearray = field(default_factory=bytearray)
    agent: bytearray = field(default_factory=bytearray)

    def stereo(self) -> Samples:
        """i16[n, 2]: the caller on the left."""
        sides = [np.frombuffer(side, np.int16) for side in (self.caller, self.agent)]
        length = max(map(len, sides))
        return np.stack([np.pad(side, (0, length - len(side))) for side in sides], axis=1)


class RehearsedCaller:
    """Says clips, one at the agent's every reply. Its cues are all that it knows."""

    def __init__(self, cues: Sequence[Cue], *, manners: Manners | None = None) -> None:
        self._cues = deque(cues)
        self._saying: deque[Samples] = deque()
        self._manners = manners or Manners()
        self.recording = Recording()
        self.playout = Playout()
        self._reply_ms: float | None = None

    async def call(self, url: str, token: str) -> Recording:
        """Call, and talk until either side hangs up."""
        handset = Handset(self)
        await handset.call(url, token)
        self.recording.began_ns = handset.began_ns
        return self.recording

    def speak(self, now_ms: float) -> Samples | None:
        frame = self._next_frame(now_ms)
        if frame is not None:
            self.recording.caller += frame.tobytes()
        return frame

    def _next_frame(self, now_ms: float) -> Samples | None:
        if self._saying:
            return self._saying.popleft()
        quiet_ms = now_ms - self.playout.until_ms
        if self._is_due(now_ms, quiet_ms):
            clip = self._cues.popleft().clip
            self._saying.extend(np.pad(clip, (0, -len(clip) % FRAME)).reshape(-1, FRAME))
            self._reply_ms = None
            self.recording.exchanges.append(Exchange(now_ms, now_ms + len(self._saying) * FRAME_MS))
            return self._saying.popleft()
        if quiet_ms >= self._manners.give_up_ms:
            return None
        return np.zeros(FRAME, np.int16)

    def _is_due(self, now_ms: float, quiet_ms: float) -> bool:
        """Whether the next thing is said now: the agent has said something since the last."""
        if not self._cues or self._reply_ms is None:
            return False
        cue = self._cues[0]
        if cue.over_ms is not None:
            return now_ms - self._reply_ms >= cue.over_ms
        return quiet_ms >= (self._manners.pause_ms if cue.after_ms is None else cue.after_ms)

    def hear(self, samples: Samples, now_ms: float, from_ms: float) -> None:
        gap = 2 * round(from_ms * RATE_HZ / 1000) - len(self.recording.agent)
        self.recording.agent += bytes(max(gap, 0)) + samples.tobytes()
        if self._reply_ms is None:
            self._reply_ms = from_ms
        exchanges = self.recording.exchanges
        if exchanges and exchanges[-1].answered_ms is None and now_ms >= exchanges[-1].end_ms:
            last = exchanges.pop()
            exchanges.append(Exchange(last.start_ms, last.end_ms, from_ms))

    def cleared(self, now_ms: float) -> None:
        del self.recording.agent[2 * round(now_ms * RATE_HZ / 1000) :]
