"""Whisper through CTranslate2, as a recogniser of utterances.

The encoder sees the sound and 3 s of padding, 9 s at least, instead of 30 s: its cost grows faster than its context,
and the error rate on clips up to 8 s was 3.3 % with 9 s and 3.5 % with 15. Two threads make the
encoder 1.6 times as fast (66 instead of 114 ms for 10 s) and the decoder a third slower, so each has its own number; a
second decoding worker lets a final hypothesis run beside a partial one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vivavoce.errors import LegUnavailable
from vivavoce.legs.values import Word
from vivavoce.models import ModelStore
from vivavoce.providers.mel import FRAMES_PER_S, HOP, RATE_HZ, log_mel
from vivavoce.providers.utterance import Stretch, Transcript, UtteranceStream, spread_words

_SHORTEST_S = 9
_PAD_S = 3
_LONGEST_S = 30
_TOKENS_PER_S = 9
_TOKENS_SPARE = 14
_STEP_MS = 20.0
_SURE_LANGUAGE = 0.8
_IDENTIFIABLE_S = 1.0
_DOUBTFUL_CONFIDENCE = 0.45
_SPOKEN_UNSURE = 0.6
_REPEATS = 6
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


@dataclass(frozen=True, slots=True)
class _Decoded:
    ids: list[int]
    confidence: float
    no_speech: float


class Whisper:
    """Implements `SpeechToText` for every language that the model knows; "auto" identifies it by utterance.

    `Hypothesis.language` is the stated language unless the model is sure that another is spoken.
    """

    def __init__(self, *, store: ModelStore | None = None, encoder_threads: int = 2, workers: int = 2) -> None:
        try:
            import ctranslate2
            from tokenizers import Tokenizer
        except ImportError as error:
            raise LegUnavailable(f"Whisper needs {error.name}", hint=f"pip install {error.name}") from error
        folder = (store or ModelStore()).folder("whisper-base")
        self._view = ctranslate2.StorageView.from_array
        model = ctranslate2.models.Whisper
        self._encoder = model(str(folder), device="cpu", compute_type="int8", intra_threads=encoder_threads)
        self._decoder = model(str(folder), device="cpu", compute_type="int8", intra_threads=1, inter_threads=workers)
        self._tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._first_special = self._id("<|endoftext|>")
        self._space = self._id("Ġ")
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="whisper")

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = RATE_HZ) -> UtteranceStream:
        if rate_hz != RATE_HZ:
            raise LegUnavailable(f"Whisper hears {RATE_HZ} Hz, not {rate_hz}", hint="resample the sound first")
        if language != "auto" and self._tokens.token_to_id(f"<|{language}|>") is None:
            raise LegUnavailable(f"Whisper does not know the language {language!r}", hint="use an ISO 639-1 code")
        return UtteranceStream(self.decode, executor=self._executor, language=language, rate_hz=rate_hz)

    async def warm_up(self) -> None:
        hiss = np.random.default_rng(0).normal(0, 0.01, RATE_HZ).astype(np.float32)
        stretch = Stretch(hiss, RATE_HZ, 0.0, (), "en", final=True)
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self._executor, self.decode, stretch) for _ in range(2)))

    async def aclose(self) -> None:
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    def decode(self, stretch: Stretch) -> Transcript:
        """Transcribe one stretch; blocks for about 50 ms of CPU per second of sound. Thread-safe."""
        seconds = len(stretch.samples) / RATE_HZ
        heard = self._encode(stretch.samples)
        language = self._language(heard, stretch, seconds)
        decoded = self._generate(heard, language, stretch.prefix, seconds)
        unsure = decoded.no_speech > _SPOKEN_UNSURE and decoded.confidence < _DOUBTFUL_CONFIDENCE
        if unsure or _babbles(decoded.ids):
            return Transcript((), language, decoded.no_speech)
        texts, ends = self._words(decoded.ids, language)
        start_ms = stretch.prefix[-1].end_ms if stretch.prefix else stretch.start_ms
        end_ms = stretch.start_ms + 1000.0 * seconds
        if not texts:
            words: tuple[Word, ...] = ()
        elif stretch.final:
            words = spread_words(texts, start_ms=start_ms, end_ms=end_ms, confidence=decoded.confidence)
        else:
            words = self._timed(heard, language, stretch, decoded, texts, ends)
        return Transcript(words, language, decoded.no_speech)

    def align(self, samples: NDArray[np.float32], text: str, *, language: str) -> tuple[Word, ...]:
        """Time the words of a known transcript, in ms from the first sample; for at most 30 s of sound."""
        heard = self._encode(samples)
        ids = self._tokens.encode(" " + text.strip(), add_special_tokens=False).ids
        texts, ends = self._words(ids, language)
        stretch = Stretch(samples, RATE_HZ, 0.0, (), language, final=False)
        return self._timed(heard, language, stretch, _Decoded(ids, 1.0, 0.0), texts, ends)

    def _encode(self, samples: NDArray[np.float32]) -> Any:
        seconds = min(_LONGEST_S, max(_SHORTEST_S, math.ceil(len(samples) / RATE_HZ) + _PAD_S))
        mel = log_mel(samples, seconds * FRAMES_PER_S)
        return self._encoder.encode(self._view(mel[None]), to_cpu=False)

    def _language(self, heard: Any, stretch: Stretch, seconds: float) -> str:
        """The language to decode in: identified for "auto", and where a final could be in another than was stated."""
        if stretch.language == "auto":
            return self._identify(heard, "")
        if stretch.final and seconds >= _IDENTIFIABLE_S:
            return self._identify(heard, stretch.language)
        return stretch.language

    def _identify(self, heard: Any, stated: str) -> str:
        token, probability = self._decoder.detect_language(heard)[0][0]
        found = str(token).strip("<|>")
        return found if not stated or probability >= _SURE_LANGUAGE else stated

    def _generate(self, heard: Any, language: str, prefix: Sequence[Word], seconds: float) -> _Decoded:
        settled = self._encode_words(prefix)
        prompt = [*self._prompt(language), *settled]
        result = self._decoder.generate(
            heard,
            [prompt],
            beam_size=1,
            # The forced prefix is returned with the answer and counts toward its length.
            max_length=min(440, round(seconds * _TOKENS_PER_S) + _TOKENS_SPARE + len(prompt)),
            # -1 stands for the model's own list; a lone space before half a word is a slip of greedy decoding.
            suppress_tokens=[-1, self._space],
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        ids = [i for i in result.sequences_ids[0] if i < self._first_special]
        return _Decoded(ids[len(settled) :], math.exp(result.scores[0]), result.no_speech_prob)

    def _prompt(self, language: str) -> list[int]:
        marks = ("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
        return [self._id(mark) for mark in marks]

    def _id(self, token: str) -> int:
        found = self._tokens.token_to_id(token)
        if found is None:
            raise LegUnavailable(f"the Whisper tokenizer lacks {token}", hint="vivavoce models verify whisper-base")
        return int(found)

    def _encode_words(self, words: Sequence[Word]) -> list[int]:
        if not words:
            return []
        return list(self._tokens.encode(" " + " ".join(w.text for w in words), add_special_tokens=False).ids)

    def _words(self, ids: list[int], language: str) -> tuple[list[str], list[int]]:
        """Group tokens to words; returns their texts and, for each, the index after its last token."""
        texts: list[str] = []
        ends: list[int] = []
        begin = 0
        for index in range(1, len(ids) + 1):
            if index < len(ids):
                # A token's own text shows its leading space; inside a word or a split character it has none.
                following = self._tokens.decode([ids[index]])
                whole = not self._tokens.decode(ids[begin:index]).endswith("\ufffd")
                if not (following.startswith(" ") or (language in _UNSPACED and whole)):
                    continue
            text = self._tokens.decode(ids[begin:index]).strip()
            if text and any(c.isalnum() for c in text):
                texts.append(text)
                ends.append(index)
            elif text and texts:
                texts[-1] += text
                ends[-1] = index
            begin = index
        return texts, ends

    def _timed(
        self,
        heard: Any,
        language: str,
        stretch: Stretch,
        decoded: _Decoded,
        texts: Sequence[str],
        ends: Sequence[int],
    ) -> tuple[Word, ...]:
        settled = self._encode_words(stretch.prefix)
        ids = [*settled, *decoded.ids]
        frames = max(2, math.ceil(len(stretch.samples) / HOP))
        found = self._decoder.align(heard, self._prompt(language), [ids], [frames])[0]
        last_frame = np.zeros(len(ids) + 1)
        for token, frame in found.alignments:
            if token < len(last_frame):
                last_frame[token] = max(last_frame[token], frame)
        last_frame = np.maximum.accumulate(last_frame)
        words: list[Word] = []
        begin, start_ms = 0, stretch.prefix[-1].end_ms if stretch.prefix else stretch.start_ms
        for text, end in zip(texts, ends, strict=True):
            end_ms = max(start_ms, stretch.start_ms + (last_frame[len(settled) + end - 1] + 1) * _STEP_MS)
            sure = found.text_token_probs[len(settled) + begin : len(settled) + end]
            words.append(Word(text, start_ms, float(end_ms), float(np.mean(sure)) if len(sure) else 0.0))
            begin, start_ms = end, float(end_ms)
        return tuple(words)


def _babbles(ids: Sequence[int]) -> bool:
    """Whether up to three tokens are repeated over and over: what the decoder does with sound that is no speech."""
    for length in (1, 2, 3):
        run = 0
        for at in range(length, len(ids)):
            run = run + 1 if ids[at] == ids[at - length] else 0
            if run >= length * (_REPEATS - 1):
                return True
    return False
