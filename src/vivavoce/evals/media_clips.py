"""What callers say under load: turns and back-channels cut from one recording of real speech, and the agent's reply."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vivavoce.audio.codec import ulaw_encode
from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.audio.resample import resample
from vivavoce.errors import NoSpeech
from vivavoce.legs.values import VoiceEventKind
from vivavoce.providers.silero import RATE_HZ as SILERO_HZ
from vivavoce.providers.silero import Silero
from vivavoce.providers.voice_gate import GateSettings

WIRE_HZ = 8000
TURN_MS = (1200.0, 4000.0)
BACKCHANNEL_MS = 350.0
"""As long as a "mm-hm" or a "yeah"; 500 ms of speech are an interruption."""
REPLY_S = 20.0
FADE_MS = 5.0
STEP_MS = 20.0
LEVEL = 2500.0
"""Of every 20 ms of the reply, so that a caller can tell from one frame whether it was ducked."""
# Short silences are told, so that nothing is taken for the end of a turn in its middle.
GATE = GateSettings(speech=0.5, silence=0.35, start_ms=32, pause_ms=60, resume_ms=32, end_ms=150)


@dataclass(frozen=True, slots=True)
class LoadClips:
    """Files of raw μ-law at 8 kHz."""

    turns: list[Path]
    backchannels: list[Path]
    reply: Path


def cut_clips(recording: Path, folder: Path, *, most: int = 8) -> LoadClips:
    """Cut a recording into turns without a pause, and single syllables. Raises NoSpeech when it holds none."""
    blocks = [block.samples for block in open_audio(recording).blocks(rate_hz=SILERO_HZ)]
    spoken = Pcm(np.concatenate(blocks), SILERO_HZ)
    islands = [(a, b) for a, b in _islands(spoken) if b - a >= TURN_MS[0]][:most]
    if not islands:
        raise NoSpeech(f"{recording} has no speech of {TURN_MS[0] / 1000:.1f} s without a pause")
    turns, backchannels = [], []
    for n, (start_ms, end_ms) in enumerate(islands):
        start_ms = loud_from(spoken, start_ms)
        turns.append(_save(folder / f"turn{n}.ulaw", _cut(spoken, start_ms, min(end_ms, start_ms + TURN_MS[1]))))
        middle_ms = loud_from(spoken, (start_ms + end_ms - BACKCHANNEL_MS) / 2)
        backchannels.append(_save(folder / f"backchannel{n}.ulaw", _cut(spoken, middle_ms, middle_ms + BACKCHANNEL_MS)))
    return LoadClips(turns, backchannels, _save(folder / "reply.ulaw", _levelled(spoken)))


def _islands(spoken: Pcm) -> list[tuple[float, float]]:
    detector = Silero(gate=GATE)
    starts, islands = 0.0, []
    for event in detector.push(spoken):
        if event.kind is VoiceEventKind.START:
            starts = event.at_ms
        elif event.kind is VoiceEventKind.END:
            islands.append((starts, event.at_ms))
    return islands


def loud_from(spoken: Pcm, from_ms: float) -> float:
    """Where the next sound within 12 dB of the loudest begins: what is cut there begins at once."""
    frame = round(spoken.rate_hz * STEP_MS / 1000)
    at = round(spoken.rate_hz * from_ms / 1000)
    sound = spoken.samples[at : at + 50 * frame].astype(np.float64)
    levels = np.sqrt(np.mean(sound[: len(sound) // frame * frame].reshape(-1, frame) ** 2, axis=1))
    loud = levels > 0.25 * np.max(levels)
    first = int(np.argmax(loud[:-1] & loud[1:]))
    return from_ms + first * STEP_MS


def _cut(spoken: Pcm, start_ms: float, end_ms: float) -> Samples:
    """A piece at the wire's rate, faded at both ends."""
    at, until = (round(ms * spoken.rate_hz / 1000) for ms in (start_ms, end_ms))
    samples = resample(Pcm(spoken.samples[at:until], spoken.rate_hz), WIRE_HZ).samples.astype(np.float64)
    fade = round(FADE_MS * WIRE_HZ / 1000)
    ramp = np.linspace(0.0, 1.0, fade)
    samples[:fade] *= ramp
    samples[-fade:] *= ramp[::-1]
    return samples.astype(np.int16)


def _levelled(spoken: Pcm) -> Samples:
    """Speech of which every 20 ms are equally loud."""
    frame = WIRE_HZ // 50
    wanted = int(REPLY_S * WIRE_HZ)
    sound = np.resize(resample(spoken, WIRE_HZ).samples, wanted).astype(np.float64).reshape(-1, frame)
    power = np.sqrt(np.mean(sound**2, axis=1, keepdims=True))
    # Where the recording is silent there is nothing to raise: a tone stands for it.
    tone = np.sin(2 * np.pi * 200 * np.arange(wanted) / WIRE_HZ).reshape(-1, frame) * LEVEL * np.sqrt(2)
    levelled = np.where(power > 30.0, sound * (LEVEL / np.maximum(power, 1.0)), tone)
    return np.asarray(np.clip(levelled.reshape(-1), -32000, 32000), np.int16)


def _save(path: Path, samples: Samples) -> Path:
    path.write_bytes(ulaw_encode(samples).tobytes())
    return path
