"""Where sound is written to: WAV files that are whole at any moment."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from vivavoce.audio.pcm import Samples
from vivavoce.errors import OutputError

HEADER_BYTES = 80
HEADER_EVERY_S = 1
RIFF_LIMIT_BYTES = 0xFFFFFFFF - HEADER_BYTES

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EFBIG: "the file may not grow larger here",
}


class WavSink:
    """A mono 16-bit WAV file, written frame by frame.

    Its header is brought up to date each second of sound, on `flush` and on `close`, so that it never claims more than
    is there: what an interrupted run leaves behind can be played. Past 4 GiB it becomes RF64 (EBU Tech 3306), for which
    room is kept in the header. An existing file is replaced. Raises OutputError, with what was written kept, when the
    disk fills up; `sources` are files that must not be overwritten.
    """

    def __init__(self, path: str | Path, rate_hz: int, *, sources: Iterable[str | Path] = ()) -> None:
        self.path = Path(path).expanduser()
        self.rate_hz = rate_hz
        self._bytes = 0
        self._told_bytes = 0
        check_output(self.path, sources=sources)
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise output_error(self.path, error) from None
        self._open = True
        try:
            self._write_header()
        except OutputError:
            self._abandon()
            raise

    @property
    def duration_ms(self) -> float:
        """What was written so far."""
        return 1000.0 * (self._bytes // 2) / self.rate_hz

    def write(self, samples: Samples) -> None:
        """Append samples. Raises OutputError when they do not fit; those that do are kept."""
        if not self._open:
            raise OutputError(f"{self.path} is closed", hint="Nothing can be added to it any more.")
        data = memoryview(samples.astype("<i2", copy=False).tobytes())
        try:
            while data:
                taken = os.pwrite(self._file, data, HEADER_BYTES + self._bytes)
                self._bytes += taken
                data = data[taken:]
        except OSError as error:
            self._abandon()
            raise output_error(self.path, error) from None
        if self._bytes - self._told_bytes >= 2 * self.rate_hz * HEADER_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Make the header tell all that was written."""
        if self._open and self._bytes != self._told_bytes:
            self._write_header()

    def close(self) -> None:
        """Finish the file. Safe to call again, and after an error."""
        if self._open:
            try:
                self.flush()
            finally:
                self._open = False
                os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_header(self) -> None:
        try:
            os.pwrite(self._file, wav_header(self._bytes // 2, self.rate_hz), 0)
        except OSError as error:
            raise output_error(self.path, error) from None
        self._told_bytes = self._bytes

    def _abandon(self) -> None:
        """Close after a failed write. The header lies in blocks that the file has, so it can usually still be told."""
        self._open = False
        try:
            os.pwrite(self._file, wav_header(self._bytes // 2, self.rate_hz), 0)
        except OSError:
            pass  # the header of the second before stays, and is valid
        finally:
            os.close(self._file)


def wav_header(samples: int, rate_hz: int) -> bytes:
    """The 80 bytes before mono 16-bit samples: RIFF with a spare chunk, or RF64 with the spare chunk filled in."""
    size = 2 * samples
    body = HEADER_BYTES - 8 + size
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    if size <= RIFF_LIMIT_BYTES:
        start = struct.pack("<4sI4s4sI28x", b"RIFF", body, b"WAVE", b"JUNK", 28)
        return start + layout + struct.pack("<4sI", b"data", size)
    start = struct.pack("<4sI4s4sIQQQI", b"RF64", 0xFFFFFFFF, b"WAVE", b"ds64", 28, body, size, samples, 0)
    return start + layout + struct.pack("<4sI", b"data", 0xFFFFFFFF)


def check_output(path: str | Path, *, sources: Iterable[str | Path] = ()) -> None:
    """Raise OutputError when `path` cannot be written: no such folder, a folder itself, or one of the `sources`."""
    path = Path(path).expanduser()
    if path.is_dir():
        raise OutputError(f"{path} is a folder", hint="Name a file in it.")
    if not path.parent.is_dir():
        raise OutputError(f"there is no folder {path.parent} to write to", hint=f"Try: mkdir -p {path.parent}")
    for source in sources:
        other = Path(source).expanduser()
        if path.exists() and other.exists() and path.samefile(other):
            raise OutputError(f"{path} is the file that is read", hint="Give the output another name.")
        if path.absolute() == other.absolute():
            raise OutputError(f"{path} would be written twice", hint="Give each output a name of its own.")


def output_error(path: Path, error: OSError) -> OutputError:
    """What the system said about a file that was to be written, as an error with what to do."""
    if error.errno in _FULL:
        return OutputError(
            f"{path} could not be written: {_FULL[error.errno]}",
            hint="Free some space or write elsewhere. What was written before is kept.",
        )
    if isinstance(error, PermissionError):
        return OutputError(f"{path} may not be written by you", hint="Write to a folder of your own.")
    if error.errno == errno.ESPIPE:
        return OutputError(f"{path} is no regular file", hint="Write to a file: its header is corrected at the end.")
    return OutputError(f"{path} could not be written: {error.strerror}", hint="Check the disk, or write elsewhere.")
