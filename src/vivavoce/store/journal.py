"""Lines on disk on their way to the store: a folder of segments, which belongs to whoever holds its lock.

A process makes one for itself. It goes with its process, or stays behind and is adopted by another. What has been
taken is gone from the disk. Folders are their owner's alone (0700), and so are files (0600).
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SEGMENT_BYTES: Final = 4 << 20
PIECE_BYTES: Final = 1 << 17
PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What keeps a segment from being read that is nothing of its own."""
_SUFFIX: Final = ".rows"


@dataclass(slots=True)
class _Segment:
    """`length` is how much of it counts: in one that is being written, what has been acknowledged."""

    path: Path
    length: int


class Journal:
    """First in, first out. Its methods block, and are called by one thread at a time; the counters by any."""

    def __init__(self, spool: Path, folder: Path | None = None) -> None:
        """A new one in the folder `spool`, made when there is something to write; or what is in `folder`, to adopt."""
        self.appended_bytes = self.taken_bytes = 0
        self._spool = spool
        self._folder = folder
        self._lock: int | None = None
        self._segments: deque[_Segment] = deque()
        self._position = 0  # in the first segment
        self._number = 0
        self._file: int | None = None  # that of the last segment, while it is being written

    def adopt(self) -> bool:
        """Take over what a process left behind; False where that is still there. Raises OSError."""
        if self._folder is None or (lock := _locked(self._folder)) is None:
            return False
        self._lock = lock
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            segment = _Segment(path, path.stat().st_size)
            self._segments.append(segment)
            self.appended_bytes += segment.length
        return True

    def append(self, data: bytes) -> None:
        """Write lines and wait until the disk has them: all of them or, where OSError is raised, none."""
        if self._file is not None and self._segments[-1].length >= SEGMENT_BYTES:
            self._stop_writing()
        file = self._begin_segment() if self._file is None else self._file
        segment = self._segments[-1]
        try:
            write_whole(file, data, length=segment.length)
            if os.fstat(file).st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "removed while it was written", str(segment.path))
        except OSError:
            # The kernel may count pages as written that it failed to write, so that this file cannot be relied on.
            self._stop_writing()
            raise
        segment.length += len(data)
        self.appended_bytes += len(data)

    def peek(self) -> bytes:
        """The first whole lines that have not been taken, some 128 KiB of them or one; b"" where there are none.

        Raises OSError for a segment that cannot be read, which is then left where it is and passed over, unless the
        reason is one of `PASSING`.
        """
        while self._segments:
            segment = self._segments[0]
            try:
                piece = _whole_lines(segment, self._position)
            except OSError as error:
                if error.errno not in PASSING:
                    self._pass_over()
                raise
            if piece or self._is_written(segment):
                return piece
            # At its end, or at a line that broke off: that was never acknowledged.
            with suppress(OSError):
                self._remove_first()
        return b""

    def take(self, size: int) -> None:
        """So many bytes, that `peek` has shown, are in the store. What cannot be removed will be adopted again."""
        self._position += size
        self.taken_bytes += size
        segment = self._segments[0]
        if self._position < segment.length:
            return
        with suppress(OSError):
            if self._file is not None and self._is_written(segment):
                os.ftruncate(self._file, 0)
                segment.length = self._position = 0
            else:
                self._remove_first()

    @property
    def backlog_bytes(self) -> int:
        return self.appended_bytes - self.taken_bytes

    def close(self) -> None:
        """Leave what has not been taken to another process; an empty journal is removed."""
        self._stop_writing()
        if self._lock is None or self._folder is None:
            return
        with suppress(OSError):
            if all(segment.length == 0 for segment in self._segments):
                for segment in self._segments:
                    segment.path.unlink(missing_ok=True)
                self._folder.rmdir()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
        self._lock = self._folder = None

    def _begin_segment(self) -> int:
        folder = self._own_folder()
        self._number += 1
        path = folder / f"{self._number:08}{_SUFFIX}"
        self._file = file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._segments.append(_Segment(path, 0))
        try:
            _sync_folder(folder)
        except OSError:
            self._stop_writing()
            raise
        return file

    def _own_folder(self) -> Path:
        if self._folder is not None and self._folder.exists():
            return self._folder
        self._unlock()
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self._spool / f"{time.time_ns() // 1_000_000:013}-{os.getpid()}"
        folder.mkdir(mode=0o700)
        try:
            _sync_folder(self._spool)
            self._lock = _locked(folder)
        except OSError:
            with suppress(OSError):
                folder.rmdir()
            raise
        if self._lock is None:
            raise FileExistsError(f"{folder} was adopted before it was used")
        self._folder = folder
        return folder

    def _stop_writing(self) -> None:
        if self._file is not None:
            self._end_file()
            if self._segments[-1].length == 0:
                with suppress(OSError):
                    self._segments.pop().path.unlink()

    def _end_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)

    def _is_written(self, segment: _Segment) -> bool:
        return self._file is not None and segment is self._segments[-1]

    def _remove_first(self) -> None:
        path = self._segments[0].path
        self._pass_over()
        path.unlink(missing_ok=True)

    def _pass_over(self) -> None:
        if self._is_written(self._segments[0]):
            self._end_file()
        segment = self._segments.popleft()
        self.taken_bytes += segment.length - self._position
        self._position = 0


def journals(spool: Path) -> list[Path]:
    """The folders of all journals, the oldest first; none where there is no such spool, or it cannot be read."""
    try:
        return sorted(path for path in spool.iterdir() if path.is_dir())
    except OSError:
        return []


def write_whole(file: int, data: bytes, *, length: int) -> None:
    """Add to a file that is `length` long, and wait until the disk has it; where OSError is raised, it is cut back."""
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, length)
        raise


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock until it is closed; None where another holds it, or removed it."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have emptied and removed it between the two.
        if folder.exists():
            return lock
    except BlockingIOError:
        pass
    except OSError:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _whole_lines(segment: _Segment, position: int) -> bytes:
    with segment.path.open("rb", buffering=0) as file:
        file.seek(position)
        piece = b""
        while (left := segment.length - position - len(piece)) > 0:
            read = file.read(min(left, max(PIECE_BYTES, len(piece))))
            if not read:
                break
            piece += read
            if end := piece.rfind(b"\n") + 1:
                return piece[:end]
    return b""


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
