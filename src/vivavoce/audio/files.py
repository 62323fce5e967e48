"""Sound files as a source of 20 ms frames, read in constant memory whatever their length."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from vivavoce.audio import decoders
from vivavoce.audio.pcm import FRAME_MS, Pcm, Samples, pcm16
from vivavoce.audio.resample import Resampler
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.errors import SourceMissing, SourceUnreadable

LOWEST_HZ, HIGHEST_HZ = 4_000, 192_000
_PLAIN = frozenset({"wav", "wavex", "w64", "rf64", "aiff", "au", "caf", "raw"})


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A file that was looked into and can be read, any number of times."""

    path: Path
    found: decoders.Probe

    @property
    def rate_hz(self) -> int:
        return self.found.rate_hz

    @property
    def channels(self) -> int:
        return self.found.channels

    @property
    def duration_ms(self) -> float | None:
        """What the container promises, None where it does not say."""
        return self.found.duration_ms

    @property
    def codec(self) -> str:
        """As its reader calls it: `mp3`, `opus`; plain samples of any width as `pcm16-44.1k`."""
        name = self.found.format_name.lower()
        return pcm16(self.rate_hz) if name in _PLAIN or name.startswith("pcm_") else name

    def blocks(self, frame_ms: int = FRAME_MS, *, rate_hz: int | None = None) -> Generator[Pcm]:
        """Yield mono frames of `frame_ms` at the file's own rate or at `rate_hz`; the last is padded with silence.

        Where a frame is no whole number of samples (11,025 Hz), lengths alternate and the frame borders stay exact.
        Raises SourceUnreadable after the last readable frame when the file is damaged or holds no samples.
        """
        with closing(self._pieces(rate_hz or self.rate_hz)) as pieces:
            yield from self._cut(pieces, frame_ms, rate_hz or self.rate_hz)

    def _cut(self, pieces: Iterator[Samples], frame_ms: int, rate: int) -> Iterator[Pcm]:
        waiting: Samples = np.zeros(0, dtype=np.int16)
        taken = frames = 0
        damage: SourceUnreadable | None = None
        while True:
            size = (frames + 1) * frame_ms * rate // 1000 - taken
            try:
                while len(waiting) < size:
                    waiting = np.concatenate((waiting, next(pieces)))
            except StopIteration:
                break
            except SourceUnreadable as error:
                damage, pieces = error, iter(())
                continue
            yield Pcm(waiting[:size], rate, 1000.0 * taken / rate)
            waiting, taken, frames = waiting[size:], taken + size, frames + 1
        if len(waiting):
            yield Pcm(np.pad(waiting, (0, size - len(waiting))), rate, 1000.0 * taken / rate)
        elif not taken and damage is None:
            damage = _no_samples(self.path)
        if damage is not None:
            raise damage

    def _pieces(self, rate_hz: int) -> Generator[Samples]:
        with closing(decoders.read(self.path, self.found)) as read:
            if rate_hz == self.rate_hz:
                yield from read
                return
            resampler = Resampler(self.rate_hz, rate_hz)
            damage: SourceUnreadable | None = None
            try:
                for samples in read:
                    yield resampler.push(samples)
            except SourceUnreadable as error:
                damage = error
            yield resampler.flush()
            if damage is not None:
                raise damage


def open_audio(path: str | Path) -> AudioFile:
    """Look into a sound file of any format that libsndfile or ffmpeg reads, 4 to 192 kHz.

    Raises SourceMissing when it is not there, SourceUnreadable when it can be told now that it cannot be used.
    """
    if re.match(r"\w{2,}:/", str(path)):
        raise SourceMissing(f"{path} is an address, not a file", hint="Download it first.")
    path = Path(path).expanduser()
    try:
        if not path.exists():
            raise _missing(path)
        if path.is_dir():
            raise SourceUnreadable(f"{path} is a folder", hint="Name one sound file in it.")
        if not path.is_file():
            raise SourceUnreadable(f"{path} is not a regular file", hint="Write the sound to a file first.")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceUnreadable(f"{path} is empty (0 bytes)", hint="Record or download it again.")
    except PermissionError:
        raise SourceUnreadable(f"{path} may not be read by you", hint=f"Try: chmod u+r {path}") from None
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read: {error.strerror}", hint="Check the disk or the name.") from None
    found = decoders.probe(path)
    if found.duration_ms == 0.0:
        raise _no_samples(path)
    if not LOWEST_HZ <= found.rate_hz <= HIGHEST_HZ:
        raise SourceUnreadable(
            f"{path} has {found.rate_hz:,} samples a second; {LOWEST_HZ:,} to {HIGHEST_HZ:,} can be used",
            hint=f"Convert it: ffmpeg -i {path.name} -ar 16000 out.wav",
        )
    return AudioFile(path, found)


class FileSource:
    """A file played as live: frame k comes at t0 + (k + 1) · 20 ms of the clock, t0 being the first ask.

    With `paced=False` frames come as fast as they are taken. Reading happens on the caller's loop: the pieces are small
    (100 ms of sound), and the decoder is started and its first piece read before t0.
    """

    def __init__(self, path: str | Path, *, clock: Clock, rate_hz: int = 16000, paced: bool = True) -> None:
        self.file = open_audio(path)
        self.rate_hz = rate_hz
        self._clock = clock
        self._paced = paced
        self._frames: Generator[Pcm] | None = None
        self._next: Pcm | None = None
        self._closed = False
        self._t0_ns = 0
        self._count = 0

    @property
    def duration_ms(self) -> float | None:
        return self.file.duration_ms

    @property
    def codec(self) -> str:
        return self.file.codec

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Pcm:
        if self._closed:
            raise StopAsyncIteration
        if self._frames is None:
            self._frames = self.file.blocks(rate_hz=self.rate_hz)
            self._next = next(self._frames, None)
            self._t0_ns = self._clock.now_ns()
        # A frame is kept until its time has come, so that a cancelled wait loses nothing.
        self._next = self._next or next(self._frames, None)
        if self._next is None:
            raise StopAsyncIteration
        if self._paced:
            await self._clock.sleep_until(self._t0_ns + (self._count + 1) * FRAME_MS * NS_PER_MS)
        else:
            await asyncio.sleep(0)
        frame, self._next = self._next, None
        self._count += 1
        if frame is None:  # closed while it waited
            raise StopAsyncIteration
        return frame

    async def aclose(self) -> None:
        """Stop the decoder. Safe to call again; the source ends."""
        self._closed, self._next = True, None
        if self._frames is not None:
            self._frames.close()


def _no_samples(path: Path) -> SourceUnreadable:
    return SourceUnreadable(f"{path} holds no samples", hint="Its header is there but no sound: record it again.")


def _missing(path: Path) -> SourceMissing:
    folder = path.parent
    if not folder.is_dir():
        while not folder.exists():
            folder = folder.parent
        return SourceMissing(
            f"there is no folder {path.parent}", hint=f"The nearest that exists is {folder.absolute()}."
        )
    names = {entry.name.casefold(): entry.name for entry in folder.iterdir() if entry.is_file()}
    near = [names[name] for name in difflib.get_close_matches(path.name.casefold(), names, n=3, cutoff=0.5)]
    if not near:  # the same stem with another extension
        near = sorted(name for name in names.values() if Path(name).stem.casefold() == path.stem.casefold())[:3]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Nothing of a like name lies in {folder.absolute()}."
    return SourceMissing(f"there is no file {path}", hint=hint)
