"""Legs by themselves: recognition on a clip's sound, translation on its reference transcript.

What moves here is that leg's own doing; what moves only in the whole path is not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from vivavoce.audio.pcm import Pcm
from vivavoce.audio.resample import resample
from vivavoce.errors import LegError, ModelError, PairUnavailable
from vivavoce.evals.clips import Clip, Recording
from vivavoce.evals.offline import RATE_HZ, windows
from vivavoce.gate.plan import occurring
from vivavoce.gate.run import ClauseRun, MtAlone, SttAlone
from vivavoce.legs.mt import Translator
from vivavoce.legs.stt import SpeechToText, SttStream
from vivavoce.legs.values import Clause
from vivavoce.providers.sentences import sentences

LONGEST_WORDS = 60
_BLOCK_MS = 200


async def hear_alone(stt: SpeechToText, recording: Recording) -> SttAlone:
    """A clip's sound through a stream of its own, without voice detector: finals of at most 25 s of it each.

    A window that the recogniser fails at has no words and is counted. Raises LegError where none can be opened.
    """
    clip = recording.clip
    pcm = resample(recording.pcm, RATE_HZ)
    texts: list[str] = []
    failed = 0
    stream = await stt.open(language=clip.language, rate_hz=RATE_HZ)
    try:
        for epoch, window in enumerate(windows(pcm), 1):
            try:
                texts.append(await _final(stream, window, epoch))
            except LegError:
                failed += 1
            finally:
                stream.reset()
    finally:
        await stream.aclose()
    return SttAlone(
        id=clip.id,
        language=clip.language,
        register=clip.register,
        reference=clip.transcript,
        transcript=" ".join(filter(None, texts)),
        failed_windows=failed,
    )


async def _final(stream: SttStream, window: Pcm, epoch: int) -> str:
    block = RATE_HZ * _BLOCK_MS // 1000
    for at in range(0, len(window.samples), block):
        await stream.push(Pcm(window.samples[at : at + block], RATE_HZ, window.start_ms + 1000.0 * at / RATE_HZ))
    await stream.finalise(epoch)
    async for hypothesis in stream:
        if hypothesis.final and hypothesis.epoch == epoch:
            return hypothesis.text
    return ""


async def read_alone(translator: Translator, clip: Clip) -> MtAlone:
    """A clip's transcript, sentence by sentence: plain, with its terms locked, and with its control words locked.

    A sentence without a locked word is not translated again. One that fails is empty.
    """
    texts = list(sentences(clip.transcript, longest_words=LONGEST_WORDS))
    begun_s = time.perf_counter()
    plain = [await _translated(translator, clip, text, {}) for text in texts]
    seconds = time.perf_counter() - begun_s
    return MtAlone(
        id=clip.id,
        pair=clip.pair,
        register=clip.register,
        reference_translation=clip.reference,
        terms=clip.terms,
        control=clip.control,
        sentences=tuple(plain),
        locked=await _locked(translator, clip, plain, clip.terms),
        controlled=await _locked(translator, clip, plain, clip.control),
        seconds=round(seconds, 3),
    )


async def _locked(
    translator: Translator, clip: Clip, plain: Sequence[ClauseRun], glossary: Mapping[str, str]
) -> tuple[ClauseRun, ...]:
    if not glossary:
        return ()
    found = []
    for sentence in plain:
        there = await asyncio.to_thread(occurring, sentence.text, glossary, source=clip.language, target=clip.target)
        found.append(await _translated(translator, clip, sentence.text, glossary) if there else sentence)
    return tuple(found)


async def _translated(translator: Translator, clip: Clip, text: str, glossary: Mapping[str, str]) -> ClauseRun:
    begun_s = time.perf_counter()
    parts: list[str] = []
    terms = rescued = missed = 0
    try:
        chunks = translator.translate(
            Clause(text, 0.0, 0.0), source=clip.language, target=clip.target, glossary=glossary or None
        )
        async for chunk in chunks:
            parts.append(chunk.text)
            terms, rescued, missed = chunk.terms, chunk.rescued, chunk.missed  # the last tells
    except (LegError, ModelError, PairUnavailable):
        parts.clear()
    return ClauseRun(
        text=text,
        translation="".join(parts).strip(),
        start_ms=0.0,
        end_ms=0.0,
        shown_ms=round(1000.0 * (time.perf_counter() - begun_s), 1),
        terms=terms,
        rescued=rescued,
        missed=missed,
    )
