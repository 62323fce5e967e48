"""The sound of the clips: recordings that are cut and joined, and lines that voices speak."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import numpy as np

from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegUnavailable
from vivavoce.evals.clip_set import Line, Part
from vivavoce.legs.tts import Synthesizer
from vivavoce.models import ModelStore

RATE_HZ = 16000
_LEAD_MS = 150.0
"""Quiet before and after what a voice speaks, as recordings have it."""
_TIME_TO_MAKE_MS = 60_000.0


def recorded(parts: Sequence[Part], *, gap_ms: float, store: ModelStore) -> Pcm:
    """Recordings cut and joined, at 16 kHz. Raises ModelMissing, AudioError."""
    pieces: list[Pcm] = []
    for part in parts:
        sound = read_sound(store.path(part.model, part.file))
        begin = round(part.from_ms * RATE_HZ / 1000)
        end = None if part.to_ms is None else round(part.to_ms * RATE_HZ / 1000)
        pieces += [_silence(gap_ms)] if pieces else []
        pieces.append(Pcm(sound.samples[begin:end], RATE_HZ))
    return _joined(pieces)


def read_sound(path: Path) -> Pcm:
    """A whole file at 16 kHz. Raises AudioError."""
    return Pcm(np.concatenate([block.samples for block in open_audio(path).blocks(rate_hz=RATE_HZ)]), RATE_HZ)


async def spoken(lines: Sequence[Line], *, language: str, synthesizer: Synthesizer) -> Pcm:
    """Lines one after the other, each by its voice and as one piece, at 16 kHz. Raises LegError."""
    pieces = [_silence(_LEAD_MS)]
    for number, line in enumerate(lines):
        stream = await synthesizer.open(voice=line.voice, language=language, rate_hz=RATE_HZ)
        async with aclosing(stream):
            # Who has time to make it says it in one breath.
            await stream.push(line.text, number, speed=line.speed, lead_ms=_TIME_TO_MAKE_MS)
            await stream.flush(number)
            said = []
            async for chunk in stream:
                said.append(chunk.pcm)
                if chunk.last:
                    break
        if not sum(len(each.samples) for each in said):
            raise LegUnavailable(f"the voice {line.voice} said nothing of {line.text!r}", hint="vivavoce models verify")
        pieces += [_without_end(_joined(said)), _silence(line.pause_ms)]
    return _joined([*pieces[:-1], _silence(_LEAD_MS)])


def _without_end(pcm: Pcm) -> Pcm:
    """Sound without the silence that an engine leaves behind a sentence, so that pauses are as they are planned."""
    loud = np.flatnonzero(np.abs(pcm.samples) > 1)
    return Pcm(pcm.samples[: int(loud[-1]) + 1] if len(loud) else pcm.samples, pcm.rate_hz)


def _silence(length_ms: float) -> Pcm:
    return Pcm(np.zeros(round(length_ms * RATE_HZ / 1000), np.int16), RATE_HZ)


def _joined(pieces: Sequence[Pcm]) -> Pcm:
    return Pcm(np.concatenate([piece.samples for piece in pieces]), RATE_HZ)
