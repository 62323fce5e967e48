"""Synthesised sound by key: in memory up to a number of bytes, and on disk what may lie there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from vivavoce.audio.pcm import Samples
from vivavoce.legs.values import SpeechChunk, Word

_FORMAT = b"1"
_SENTENCE_END = re.compile(r"(?<=[!?…])\s+|(?<=\w{5}\.)\s+")
_CAPITAL_PRONOUN = re.compile(r"I(?:['\u2019]\w+)?\W*")


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """The sound of one text; `words` are timed from its first sample, where the engine knew them."""

    samples: Samples
    text: str
    words: tuple[Word, ...] | None

    @classmethod
    def joined(cls, chunks: Sequence[SpeechChunk]) -> Sound:
        samples = np.concatenate([np.zeros(0, np.int16), *(chunk.pcm.samples for chunk in chunks)])
        text = " ".join(chunk.text for chunk in chunks if chunk.text)
        words: list[Word] = []
        start_ms = 0.0
        for chunk in chunks:
            if chunk.words is None:
                return cls(samples, text, None)
            words += (
                Word(word.text, word.start_ms + start_ms, word.end_ms + start_ms, word.confidence)
                for word in chunk.words
            )
            start_ms += chunk.pcm.duration_ms
        return cls(samples, text, tuple(words))


def has_no_slot(text: str) -> bool:
    """Whether no name and no number can be seen in a text: no digit, no capital inside a sentence.

    In doubt it says no: a full stop after a short word may be an abbreviation's, so what follows it counts as inside;
    scripts without capitals hide names. The first word of a sentence may still be a name.
    """
    letters = [sign for sign in text if sign.isalpha()]
    if any(sign.isnumeric() for sign in text) or not letters or any(s.lower() == s.upper() for s in letters):
        return False
    inside = (word for sentence in _SENTENCE_END.split(text) for word in sentence.split()[1:])
    return all(word == word.lower() or _CAPITAL_PRONOUN.fullmatch(word) for word in inside)


class SynthesisStore:
    """`persist` says of a text whether it may be kept in `folder`; `has_no_slot` must agree.

    A file that is damaged is removed. Once the folder refuses a file (full disk, no permission), nothing more is
    written there.
    """

    def __init__(
        self, *, memory_bytes: int, folder: Path | None = None, persist: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._room = memory_bytes
        self._folder = folder
        self._persist = persist
        self._writable = True
        self._sounds: OrderedDict[str, Sound] = OrderedDict()
        self.bytes_held = 0

    def on_disk(self, text: str) -> bool:
        """Whether this text may lie on disk."""
        return self._folder is not None and self._persist(text) and has_no_slot(text)

    def held(self, key: str) -> Sound | None:
        """What memory has."""
        if key in self._sounds:
            self._sounds.move_to_end(key)
        return self._sounds.get(key)

    def hold(self, key: str, sound: Sound) -> None:
        """Keep in memory; what was not asked for longest makes room."""
        size = sound.samples.nbytes
        if key in self._sounds or size > self._room:
            return
        self._sounds[key] = sound
        self.bytes_held += size
        while self.bytes_held > self._room:
            self.bytes_held -= self._sounds.popitem(last=False)[1].samples.nbytes

    def load(self, key: str) -> Sound | None:
        """What the folder has. Blocks."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        digest, body = data[:32], data[32:]
        if _digest(body) != digest:
            with suppress(OSError):
                path.unlink()
            return None
        head, _, samples = body.partition(b"\n")
        fields = json.loads(head)
        words = None if fields["words"] is None else tuple(Word(*word) for word in fields["words"])
        return Sound(np.frombuffer(samples, "<i2"), fields["text"], words)

    def save(self, key: str, sound: Sound) -> None:
        """Write to the folder, in one step for whoever reads there. Blocks."""
        if not self._writable:
            return
        words = None if sound.words is None else [astuple(word) for word in sound.words]
        head = json.dumps({"text": sound.text, "words": words}).encode()
        body = head + b"\n" + sound.samples.astype("<i2").tobytes()
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
                made = Path(file.name)
                try:
                    file.write(_digest(body) + body)
                    file.flush()
                    os.replace(made, path)
                except OSError:
                    made.unlink(missing_ok=True)
                    raise
        except OSError:
            self._writable = False

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{key}.speech"


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(_FORMAT + body).digest()
