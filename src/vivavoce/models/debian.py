"""Debian packages as archives: brought by apt where it is, never installed."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from vivavoce.errors import ModelDamaged, ModelMissing
from vivavoce.models.disk import CHUNK_BYTES, writing
from vivavoce.models.manifest import Package
from vivavoce.models.web import Report

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60
_WATCH_S = 0.2
_PATIENCE = ("-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30", "-o", "Acquire::https::Timeout=30")


def apt_download(apt_get: str, package: Package, target: Path, *, pinned: bool, report: Report) -> None:
    """Have apt bring a package's file to `target`, its own version or, not `pinned`, whichever it would install.

    apt checks what it brings against its signed lists; nothing is installed and no rights are needed. What arrived
    before apt gave up stays for its next attempt. Raises ModelMissing when it does not bring it.
    """
    folder = target.with_name(f"{target.name}.apt")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    wanted = f"{package.name}={package.version}" if pinned else package.name
    command = [apt_get, *_PATIENCE, "--quiet", "download", wanted]
    env = os.environ | {"LC_ALL": "C.UTF-8"}
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise ModelMissing(f"apt-get: {error.strerror}") from error
    with process:
        while True:
            try:
                _, told = process.communicate(timeout=_WATCH_S)
                break
            except subprocess.TimeoutExpired:
                report(package.archive, _bytes_under(folder), None)
    brought = sorted(folder.glob("*.deb"))
    if process.returncode != 0 or not brought:
        last = told.decode(errors="replace").strip().splitlines()[-1:]
        raise ModelMissing(f"apt: {last[0].removeprefix('E: ') if last else f'exit code {process.returncode}'}")
    size_bytes = brought[0].stat().st_size
    report(package.archive, size_bytes, size_bytes)
    with writing(target):
        os.replace(brought[0], target)
        shutil.rmtree(folder)


def write_data_tar(deb: Path, target: Path) -> None:
    """Write the files of a package as one uncompressed tar, which can be read at any place.

    The format: an `ar` archive whose member `data.tar`, compressed by gzip, xz or zstd, holds the files (deb(5)).
    Raises ModelDamaged for what is none, OutputError when the disk refuses.
    """
    try:
        with _data(deb) as stream, writing(target), target.open("wb") as out:
            while chunk := _read(stream):
                out.write(chunk)
    except ValueError as error:
        raise ModelDamaged(f"{deb.name} is not a whole archive ({error})") from error


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(CHUNK_BYTES)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise ValueError(str(error)) from error


@contextmanager
def _data(deb: Path) -> Iterator[IO[bytes]]:
    """The tar of a package's files, uncompressed."""
    with deb.open("rb") as file:
        name, size_bytes = _seek_data(file)
        if name.endswith((".xz", ".gz")):
            # Only this member: ar may put a byte behind it.
            member = io.BytesIO(file.read(size_bytes))
            with lzma.open(member) if name.endswith(".xz") else gzip.open(member) as stream:
                yield cast(IO[bytes], stream)
            return
    unpacker = shutil.which("dpkg-deb")
    if unpacker is None:
        raise ValueError(f"{name} cannot be read without dpkg-deb")
    with subprocess.Popen(
        [unpacker, "--fsys-tarfile", deb], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        yield cast(IO[bytes], process.stdout)
    if process.returncode:
        raise ValueError(f"dpkg-deb: exit code {process.returncode}")


def _seek_data(file: BinaryIO) -> tuple[str, int]:
    """Go to the beginning of the member `data.tar…`; its name and size. Raises ValueError where there is none."""
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise ValueError("no ar archive")
    while len(header := file.read(_AR_HEADER_BYTES)) == _AR_HEADER_BYTES:
        name, size_bytes = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            return name, size_bytes
        file.seek(size_bytes + size_bytes % 2, os.SEEK_CUR)
    raise ValueError("it has no data")


def _bytes_under(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # renamed while we look
            continue
    return total
