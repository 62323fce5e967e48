"""A whole call in this process: the media plane, an agent, and a rehearsed caller."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from vivavoce.agent.assembly import PIECE_MS, Agent
from vivavoce.agent.handset import RATE_HZ
from vivavoce.agent.heard import Utterance
from vivavoce.agent.rehearsal import Cue, Manners, Recording, RehearsedCaller
from vivavoce.agent.scenario import Part
from vivavoce.agent.turns import Turn
from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Samples
from vivavoce.clock import NS_PER_MS, SystemClock
from vivavoce.errors import LegError, MediaError, OutputError
from vivavoce.legs.tts import SpeechStream
from vivavoce.media import Engine, EngineSettings
from vivavoce.telemetry.observer import UNOBSERVED, Observer

TTL_MS = 10_000


@dataclass(frozen=True, slots=True)
class Simulated:
    """How a call went: what was said as it was heard, the state it ended in, and both sides' sound.

    `failure` is what broke it off.
    """

    history: tuple[Utterance, ...]
    state: str
    recording: Recording
    turns: tuple[Turn, ...]
    failure: LegError | MediaError | None

    @property
    def decided_ms(self) -> list[float | None]:
        """From the decision that the caller has finished to the agent's first sound, for all that the caller said."""
        decided_ms = [(turn.decided_ns - self.recording.began_ns) / NS_PER_MS for turn in self.turns]
        return [_since_the_last(one.answered_ms, decided_ms) for one in self.recording.exchanges]

    def write(self, path: Path) -> None:
        """Raises OutputError."""
        try:
            soundfile.write(path, self.recording.stereo(), RATE_HZ)
        except (OSError, soundfile.SoundFileError) as error:
            raise OutputError(f"{path}: {error}", hint="name another file with --wav") from error


async def simulated(
    agent: Agent, cues: Sequence[Cue], *, manners: Manners | None = None, observer: Observer = UNOBSERVED
) -> Simulated:
    """Let a caller with these cues talk to an agent, at real time."""
    caller, token = RehearsedCaller(cues, manners=manners), secrets.token_urlsafe(16)
    async with Engine(EngineSettings(calls=1)) as engine:
        call = engine.expect(token, ttl_ms=TTL_MS, piece_ms=PIECE_MS)
        async with asyncio.TaskGroup() as group:
            conversing = group.create_task(agent.converse(call, clock=SystemClock(), meter=observer, observer=observer))
            calling = group.create_task(caller.call(f"ws://127.0.0.1:{engine.port}/twilio", token))
    conversation = conversing.result()
    history = tuple(conversation.history.utterances)
    turns = tuple(conversation.turns)
    return Simulated(history, conversation.moment.state, calling.result(), turns, conversation.failure)


def _since_the_last(at_ms: float | None, moments_ms: Sequence[float]) -> float | None:
    before_ms = [] if at_ms is None else [at_ms - one_ms for one_ms in moments_ms if one_ms <= at_ms]
    return min(before_ms, default=None)


async def cues_of(agent: Agent, parts: Sequence[Part], *, voice: str) -> list[Cue]:
    """What is said: recordings, and text in a voice of the agent's engine. Raises AudioError."""
    stream = await agent.synthesizer.open(voice=voice, language=agent.script.language, rate_hz=RATE_HZ)
    try:
        cues: list[Cue] = []
        for n, part in enumerate(parts, 1):
            if part.clip:
                cues.append(_cue(part, await asyncio.to_thread(_recorded, part.clip)))
            else:
                cues.append(_cue(part, await _spoken(stream, part.say or "", n)))
        return cues
    finally:
        await stream.aclose()


def _cue(part: Part, clip: Samples) -> Cue:
    after_ms, over_ms = (None if seconds is None else 1000 * seconds for seconds in (part.after_s, part.over_s))
    return Cue(clip, after_ms=after_ms, over_ms=over_ms)


def _recorded(path: Path) -> Samples:
    blocks = open_audio(path).blocks(rate_hz=RATE_HZ)
    return np.concatenate([np.zeros(0, np.int16), *(block.samples for block in blocks)])


async def _spoken(stream: SpeechStream, text: str, epoch: int) -> Samples:
    await stream.push(text, epoch)
    await stream.flush(epoch)
    pieces = [np.zeros(0, np.int16)]
    async for chunk in stream:
        pieces.append(chunk.pcm.samples)
        if chunk.last:
            break
    return np.concatenate(pieces)
