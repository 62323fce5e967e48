"""What both the store and the fetching need of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vivavoce.errors import OutputError

CHUNK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses under this block (full, no permission) into OutputError about `path`."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path} could not be written: {error.strerror or error}",
            hint="free space or permit writing there, or name another folder in VIVAVOCE_CACHE",
        ) from error


def put_in_place(made: Path, path: Path) -> None:
    """Give a finished file its name in one step: readers see the old file or the whole new one."""
    with writing(path):
        os.replace(made, path)
