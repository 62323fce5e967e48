"""Whisper as a recogniser of utterances: CTranslate2 encodes and times words, a decoder of ours says them.

The encoder sees the sound and 3 s of padding, 9 s at least, instead of 30 s: its cost grows faster than its context,
and the error rate on clips up to 8 s was 3.3 % with 9 s and 3.5 % with 15. Two threads make the encoder 1.6 times as
fast (66 instead of 114 ms for 10 s); a second worker lets a final hypothesis run beside a partial one.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vivavoce.errors import LegUnavailable
from vivavoce.legs.values import Word
from vivavoce.models import ModelStore
from vivavoce.providers.mel import FRAMES_PER_S, HOP, RATE_HZ, log_mel
from vivavoce.providers.utterance import Stretch, Transcript, UtteranceStream, spread_words
from vivavoce.providers.whisper_decoder import Decoded, Floats, Memory, Request, WhisperDecoder

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
_MOST_TOKENS = 220
_FIRST_MERGE = "Ġ t"
_START = "<|startoftranscript|>"
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


class Whisper:
    """Implements `SpeechToText` for every language that the model knows; "auto" identifies it by utterance.

    `Hypothesis.language` is the stated language unless the model is sure that another is spoken.
    """

    def __init__(
        self, *, store: ModelStore | None = None, encoder_threads: int = 2, decoder_threads: int = 2, workers: int = 2
    ) -> None:
        try:
            import ctranslate2
            from tokenizers import Tokenizer
        except ImportError as error:
            raise LegUnavailable(f"Whisper needs {error.name}", hint=f"pip install {error.name}") from error
        store = store or ModelStore()
        folder = store.folder("whisper-base")
        self._view = ctranslate2.StorageView.from_array
        self._encoder = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", intra_threads=encoder_threads
        )
        self._tokens = Tokenizer.from_str(_mended((folder / "tokenizer.json").read_text("utf-8")))
        self._first_special = self._id("<|endoftext|>")
        self._no_speech = self._id("<|nocaptions|>")
        config = json.loads((folder / "config.json").read_text("utf-8"))
        self._languages = np.array(config["lang_ids"])
        self._decoder = WhisperDecoder(
            store,
            threads=decoder_threads,
            end=self._first_special,
            suppressed=config["suppress_ids"],
            not_first=config["suppress_ids_begin"],
        )
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
        """Transcribe one stretch; blocks for about 40 ms of CPU per second of sound. Thread-safe."""
        seconds = len(stretch.samples) / RATE_HZ
        heard = self._encode(stretch.samples)
        memory = self._decoder.remember(np.array(heard)[0])
        language = stretch.language
        if language == "auto":
            language, _ = self._identified(self._decoder.opening(memory, self._id(_START)))
        decoded = self._say(memory, language, stretch, seconds)
        if stretch.language != "auto" and stretch.final and seconds >= _IDENTIFIABLE_S:
            found, probability = self._identified(decoded.opening)
            if found != language and probability >= _SURE_LANGUAGE:
                language = found
                decoded = self._say(memory, language, stretch, seconds)
        no_speech = float(_softmax(decoded.opening)[self._no_speech])
        unsure = no_speech > _SPOKEN_UNSURE and decoded.confidence < _DOUBTFUL_CONFIDENCE
        if unsure or _babbles(decoded.ids):
            return Transcript((), language, no_speech)
        texts, ends = self._words(decoded.ids, language)
        start_ms = stretch.prefix[-1].end_ms if stretch.prefix else stretch.start_ms
        end_ms = stretch.start_ms + 1000.0 * seconds
        if not texts:
            words: tuple[Word, ...] = ()
        elif stretch.final:
            words = spread_words(texts, start_ms=start_ms, end_ms=end_ms, confidence=decoded.confidence)
        else:
            words = self._timed(heard, language, stretch, decoded, texts, ends)
        return Transcript(words, language, no_speech)

    def align(self, samples: NDArray[np.float32], text: str, *, language: str) -> tuple[Word, ...]:
        """Time the words of a known transcript, in ms from the first sample; for at most 30 s of sound."""
        heard = self._encode(samples)
        ids = self._tokens.encode(" " + text.strip(), add_special_tokens=False).ids
        texts, ends = self._words(ids, language)
        stretch = Stretch(samples, RATE_HZ, 0.0, (), language, final=False)
        return self._timed(heard, language, stretch, Decoded(ids, 1.0, np.zeros(0, np.float32)), texts, ends)

    def _encode(self, samples: NDArray[np.float32]) -> Any:
        seconds = min(_LONGEST_S, max(_SHORTEST_S, math.ceil(len(samples) / RATE_HZ) + _PAD_S))
        mel = log_mel(samples, seconds * FRAMES_PER_S)
        return self._encoder.encode(self._view(mel[None]), to_cpu=False)

    def _identified(self, opening: Floats) -> tuple[str, float]:
        """The likeliest language after the first mark, and how likely it is among all."""
        chances = _softmax(opening[self._languages])
        best = int(chances.argmax())
        token = self._tokens.id_to_token(int(self._languages[best]))
        return str(token).strip("<|>"), float(chances[best])

    def _say(self, memory: Memory, language: str, stretch: Stretch, seconds: float) -> Decoded:
        settled, draft = self._encode_words(stretch.prefix), self._encode_words(stretch.draft)
        most = min(_MOST_TOKENS - len(settled), round(seconds * _TOKENS_PER_S) + _TOKENS_SPARE)
        return self._decoder.decode(memory, Request(self._prompt(language), settled, draft, most))

    def _prompt(self, language: str) -> list[int]:
        marks = (_START, f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
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
        decoded: Decoded,
        texts: Sequence[str],
        ends: Sequence[int],
    ) -> tuple[Word, ...]:
        settled = self._encode_words(stretch.prefix)
        ids = [*settled, *decoded.ids]
        frames = max(2, math.ceil(len(stretch.samples) / HOP))
        found = self._encoder.align(heard, self._prompt(language), [ids], [frames])[0]
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


def _mended(tokenizer: str) -> str:
    """The tokenizer with the merge that its conversion took for a heading: without it " the" is two tokens, and a
    model that is given such a text to go on from makes mistakes."""
    description = json.loads(tokenizer)
    merges = description["model"]["merges"]
    if _FIRST_MERGE not in merges[:1]:
        merges.insert(0, _FIRST_MERGE)
    return json.dumps(description)


def _babbles(ids: Sequence[int]) -> bool:
    """Whether up to three tokens are repeated over and over: what the decoder does with sound that is no speech."""
    for length in (1, 2, 3):
        run = 0
        for at in range(length, len(ids)):
            run = run + 1 if ids[at] == ids[at - length] else 0
            if run >= length * (_REPEATS - 1):
                return True
    return False


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), np.float32)
