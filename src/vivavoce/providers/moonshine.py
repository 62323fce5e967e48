"""Moonshine tiny, English, through ONNX Runtime.

Encoder: `input_values` f32[1, n] at 16 kHz and a mask i64[1, n] → `last_hidden_state` f32[1, n / 384, 288]. Decoder:
`input_ids` i64[1, m], the encoder's output and mask, and past keys and values f32[1, 8, k, 36] of six layers, those of
the encoder computed by the first step (`use_cache_branch` false) and only read by the next.
`tokenizer.bin`: the tokens in order, each its length (one byte, or two from 128 on) and its bytes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vivavoce.errors import LegUnavailable, ModelDamaged
from vivavoce.models import ModelStore
from vivavoce.providers.utterance import Stretch, Transcript, UtteranceStream, spread_words

RATE_HZ = 16000
_SHORTEST_HEARD = RATE_HZ // 10
_SHORTEST = RATE_HZ // 4
_LAYERS = 6
_HEADS = 8
_HEAD_WIDTH = 36
_BEGIN, _END = 1, 2
_FIRST_TEXT_TOKEN = 3
_TOKENS_PER_S = 6.5
_TOKENS_SPARE = 8
# Silence and noise come out as single words under 0.35; the least certain of 62 clips of speech had 0.58.
_LEAST_CONFIDENCE = 0.4
_SPACE = "\u2581"


@dataclass(frozen=True, slots=True)
class Decoded:
    """`text` comes after the prefix; `confidence` is the geometric mean of its tokens' probabilities."""

    text: str
    confidence: float


class MoonshineEngine:
    """The model: sound to text, blocking, thread-safe."""

    def __init__(self, folder: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise LegUnavailable("Moonshine needs onnxruntime", hint="pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_mem_pattern = False  # it would keep a plan for every length of sound
        providers = ["CPUExecutionProvider"]
        self._encoder = onnxruntime.InferenceSession(str(folder / "encoder_model.ort"), options, providers=providers)
        self._decoder = onnxruntime.InferenceSession(
            str(folder / "decoder_model_merged.ort"), options, providers=providers
        )
        self._past = [
            f"past_key_values.{layer}.{part}.{kind}"
            for layer in range(_LAYERS)
            for part in ("decoder", "encoder")
            for kind in ("key", "value")
        ]
        self._pieces = read_tokens(folder / "tokenizer.bin")
        # Later tokens win: single characters stand in the table again after the raw bytes.
        self._ids = {piece: i for i, piece in enumerate(self._pieces) if i >= _FIRST_TEXT_TOKEN}
        self._longest = max(map(len, self._ids))

    def transcribe(self, samples: NDArray[np.float32], *, prefix: str = "") -> Decoded:
        """Transcribe f32[n] at 16 kHz, best within 30 s. The transcript is made to begin with `prefix`."""
        if len(samples) < _SHORTEST_HEARD:
            return Decoded("", 0.0)
        if len(samples) < _SHORTEST:
            samples = np.pad(samples, (0, _SHORTEST - len(samples)))
        mask = np.ones((1, len(samples)), np.int64)
        (hidden,) = self._encoder.run(None, {"input_values": samples[None], "attention_mask": mask})
        feeds = {"encoder_hidden_states": hidden, "encoder_attention_mask": mask}
        feeds |= {name: np.zeros((1, _HEADS, 0, _HEAD_WIDTH), np.float32) for name in self._past}
        forced = f"{_SPACE}{prefix.replace(' ', _SPACE)}".encode() if prefix else b""
        out = bytearray()
        logs: list[float] = []
        token = _BEGIN
        for step in range(round(len(samples) / RATE_HZ * _TOKENS_PER_S) + _TOKENS_SPARE + len(forced)):
            feeds |= {"input_ids": np.array([[token]], np.int64), "use_cache_branch": np.array([step > 0])}
            logits, *present = self._decoder.run(None, feeds)
            # The cached branch leaves the encoder's keys and values out.
            feeds |= {
                name: value for name, value in zip(self._past, present, strict=True) if step == 0 or ".decoder." in name
            }
            scores: NDArray[np.float32] = logits[0, -1]
            if forced:
                token = self._best_start(scores, forced)
                forced = forced[len(self._pieces[token]) :]
                continue
            token = int(scores.argmax())
            logs.append(-math.log(float(np.exp(scores - scores[token]).sum())))
            if token == _END:
                break
            out += self._pieces[token]
        text = out.decode("utf-8", "replace")
        if prefix:
            # What is joined to the last settled word would rewrite it.
            text = text[text.find(_SPACE) :] if _SPACE in text else ""
        return Decoded(text.replace(_SPACE, " ").strip(), math.exp(sum(logs) / len(logs)) if logs else 0.0)

    def _best_start(self, scores: NDArray[np.float32], forced: bytes) -> int:
        """The likeliest token with which the forced text can begin; raw bytes make sure that there is one."""
        starts = (self._ids.get(forced[:length]) for length in range(1, min(self._longest, len(forced)) + 1))
        return max((token for token in starts if token is not None), key=lambda token: float(scores[token]))


class Moonshine:
    """Implements `SpeechToText` for English."""

    def __init__(self, *, store: ModelStore | None = None, workers: int = 2) -> None:
        self._engine = MoonshineEngine((store or ModelStore()).folder("moonshine-tiny-en"))
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="moonshine")

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = RATE_HZ) -> UtteranceStream:
        if rate_hz != RATE_HZ:
            raise LegUnavailable(f"Moonshine hears {RATE_HZ} Hz, not {rate_hz}", hint="resample the sound first")
        if language != "en":
            raise LegUnavailable(f"Moonshine knows English only, not {language!r}", hint="name whisper, too")
        return UtteranceStream(self.decode, executor=self._executor, language=language, rate_hz=rate_hz)

    async def warm_up(self) -> None:
        hiss = np.random.default_rng(0).normal(0, 0.01, RATE_HZ).astype(np.float32)
        await asyncio.get_running_loop().run_in_executor(self._executor, self._engine.transcribe, hiss)

    async def aclose(self) -> None:
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    def decode(self, stretch: Stretch) -> Transcript:
        """Transcribe one stretch; blocks for about 25 ms of CPU per second of sound. Thread-safe."""
        decoded = self._engine.transcribe(stretch.samples, prefix=" ".join(word.text for word in stretch.prefix))
        texts = [text for text in decoded.text.split() if any(c.isalnum() for c in text)]
        if not texts or decoded.confidence < _LEAST_CONFIDENCE:
            return Transcript((), stretch.language, no_speech=1 - decoded.confidence)
        begin, end = voiced_ms(stretch.samples)
        words = spread_words(
            texts,
            start_ms=stretch.prefix[-1].end_ms if stretch.prefix else stretch.start_ms + begin,
            end_ms=stretch.start_ms + end,
            confidence=decoded.confidence,
        )
        return Transcript(words, stretch.language)


def read_tokens(path: Path) -> list[bytes]:
    """The tokens of a tokenizer file; ModelDamaged when it ends inside one."""
    raw = path.read_bytes()
    tokens: list[bytes] = []
    at = 0
    while at < len(raw):
        length = raw[at]
        at += 1
        if length >= 128:
            length += 128 * (raw[at] - 1) if at < len(raw) else len(raw)
            at += 1
        if at + length > len(raw):
            raise ModelDamaged(f"{path} is cut off", hint="vivavoce models fetch moonshine-tiny-en")
        tokens.append(raw[at : at + length])
        at += length
    return tokens


def voiced_ms(samples: NDArray[np.float32]) -> tuple[float, float]:
    """From where to where the sound is louder than a twentieth of its loudest 20 ms; all of it when it is silent."""
    size = RATE_HZ // 50
    count = len(samples) // size
    whole = 1000.0 * len(samples) / RATE_HZ
    if not count:
        return 0.0, whole
    levels = np.sqrt(np.mean(samples[: count * size].reshape(count, size) ** 2, axis=1))
    loud = np.flatnonzero(levels > levels.max() / 20)
    return (20.0 * float(loud[0]), 20.0 * float(loud[-1] + 1)) if len(loud) else (0.0, whole)
