"""State of dialogues in one SQLite file: it outlives its process, and several processes may share it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from vivavoce.agent.states import Document, Seconds, as_document, as_text, expiry_s
from vivavoce.errors import StateError

VERSION = 1
_SETUP = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA secure_delete = ON",
    "CREATE TABLE IF NOT EXISTS states (key TEXT PRIMARY KEY, until_s REAL NOT NULL, document TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS states_until_s ON states (until_s)",
    f"PRAGMA user_version = {VERSION}",
)
_PUT = "INSERT OR REPLACE INTO states (key, until_s, document) VALUES (?, ?, ?)"
T = TypeVar("T")


class SqliteStates:
    """Implements `StateStore`. Every verb first deletes what has outlived itself, and so does `open`.

    What is deleted is overwritten, in the file and in its log (in the log later, while another process reads there).
    Both are their owner's alone. Made by `open`.
    """

    def __init__(self, path: Path, *, now_s: Seconds, wait_s: float) -> None:
        self._path, self._now_s, self._wait_s = path.expanduser(), now_s, wait_s
        # One thread: what is asked for first is done first.
        self._thread = ThreadPoolExecutor(1, "states")
        self._file: sqlite3.Connection | None = None

    @classmethod
    async def open(cls, path: Path, *, now_s: Seconds = time.time, wait_s: float = 1.0) -> Self:
        """Open the file, or make it and its folder; `wait_s` is for other processes that write there.

        Raises StateError.
        """
        states = cls(path, now_s=now_s, wait_s=wait_s)
        try:
            await states._in_thread(states._open)
        except StateError:
            await states.aclose()
            raise
        return states

    async def get(self, key: str) -> Document | None:
        text = await self._do("SELECT document FROM states WHERE key = ?", key)
        return None if text is None else as_document(text)

    async def put(self, key: str, document: Document, *, lifetime_s: float) -> None:
        await self._do(_PUT, key, expiry_s(self._now_s(), lifetime_s), as_text(document))

    async def expire(self, key: str) -> None:
        await self._do("DELETE FROM states WHERE key = ?", key)

    async def aclose(self) -> None:
        def work() -> None:
            if self._file is not None:
                self._file.close()
                self._file = None

        await asyncio.get_running_loop().run_in_executor(self._thread, work)
        self._thread.shutdown(wait=False)

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
        self._file = file = sqlite3.connect(self._path, timeout=self._wait_s, check_same_thread=False)
        # As bytes: what is no UTF-8 is found damaged where it is read as JSON.
        file.text_factory = bytes
        version = file.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise StateError(f"{self._path} is of version {version}", hint=f"this program knows version {VERSION}")
        for statement in _SETUP:
            file.execute(statement)
        self._execute("SELECT 1")

    def _execute(self, statement: str, *values: object) -> bytes | None:
        """One transaction: what has outlived itself goes first. The first value of what is found."""
        if self._file is None:
            raise sqlite3.ProgrammingError("closed")
        with self._file as file:
            deleted = file.execute("DELETE FROM states WHERE until_s <= ?", (self._now_s(),)).rowcount
            found = file.execute(statement, values).fetchall()
        if deleted or statement.startswith("DELETE"):
            # What was deleted still stands in the log until that is emptied.
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return found[0][0] if found else None

    async def _do(self, statement: str, *values: object) -> bytes | None:
        return await self._in_thread(lambda: self._execute(statement, *values))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            # SQLite's own words can hold what is in the file.
            reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
            raise StateError(f"{self._path}: {reason}", hint="name a file that can be written, or `memory`") from error
        except RuntimeError as error:
            raise StateError(f"{self._path}: closed") from error
