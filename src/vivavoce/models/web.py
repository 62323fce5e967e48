"""Downloads that go on where they were cut, over the user's own proxies and certificates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import httpx

from vivavoce.errors import ModelDamaged, ModelMissing
from vivavoce.models.disk import CHUNK_BYTES, writing

Report = Callable[[str, int, int | None], None]
"""Told of progress: what is being fetched, the bytes that are there, the bytes in all where they are known."""

TIMEOUT = httpx.Timeout(30.0, connect=8.0)


def silent(label: str, done_bytes: int, total_bytes: int | None) -> None:
    """The report of one who does not watch."""


@dataclass(frozen=True, slots=True)
class Checksum:
    algorithm: str
    hex: str


class Web:
    """An HTTP client. A host that could not be reached once is not tried again by the same client."""

    def __init__(self, *, ca_files: Iterable[Path] = (), timeout: httpx.Timeout = TIMEOUT) -> None:
        tls = httpx.create_ssl_context()
        for ca_file in ca_files:
            if ca_file.is_file():
                tls.load_verify_locations(ca_file)
        self._client = httpx.Client(
            verify=tls, timeout=timeout, follow_redirects=True, headers={"Accept-Encoding": "identity"}
        )
        self._unreachable: dict[str, str] = {}

    def __enter__(self) -> Web:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def page(self, url: str, *, accept: str) -> httpx.Response:
        """A small document; ModelMissing says why there is none."""
        self._refuse_unreachable(url)
        try:
            response = self._client.get(url, headers={"Accept": accept})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failure(url, error) from error
        if response.status_code != httpx.codes.OK:
            raise ModelMissing(f"{response.url.host} answered {response.status_code}")
        return response

    def download(
        self,
        url: str,
        part: Path,
        *,
        label: str,
        checksum: Checksum | None = None,
        size_bytes: int | None = None,
        report: Report = silent,
    ) -> None:
        """Fill `part` with what `url` holds, going on from what an earlier attempt left there.

        Raises ModelMissing when the source does not give it (what has arrived stays for the next attempt), ModelDamaged
        when it gives something else (nothing stays), OutputError when the disk refuses.
        """
        self._refuse_unreachable(url)
        try:
            with writing(part), part.open("ab") as out:
                self._fill(url, _Transfer(out, part, label, checksum, size_bytes, report))
        finally:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()

    def _fill(self, url: str, transfer: _Transfer) -> None:
        resumed = transfer.done_bytes > 0
        try:
            self._receive(url, transfer)
            if resumed and not transfer.is_right():
                transfer.restart()
                self._receive(url, transfer)
            if not transfer.is_right():
                raise ModelDamaged(f"{_host(url)} sent something else: the checksum is another")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failure(url, error) from error
        except ModelDamaged:
            transfer.restart()
            raise

    def _receive(self, url: str, transfer: _Transfer) -> None:
        """Receive until the end; a connection that is cut after it brought something is taken up again."""
        while True:
            before = transfer.done_bytes
            try:
                if self._receive_once(url, transfer):
                    return
            except httpx.TransportError:
                if transfer.done_bytes <= before:
                    raise

    def _receive_once(self, url: str, transfer: _Transfer) -> bool:
        """Whether the end was reached; if not, what was there is thrown away and it is to be asked for whole."""
        start = transfer.done_bytes
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._client.stream("GET", url, headers=headers) as response:
            status, span = response.status_code, response.headers.get("Content-Range", "")
            if start and status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                if span == f"bytes */{start}":
                    return True
                transfer.restart()
                return False
            if start and status == httpx.codes.PARTIAL_CONTENT and not span.startswith(f"bytes {start}-"):
                transfer.restart()
                return False
            if status == httpx.codes.OK:
                if start:
                    transfer.restart()
            elif not start or status != httpx.codes.PARTIAL_CONTENT:
                raise ModelMissing(f"{response.url.host} answered {status}")
            length = response.headers.get("Content-Length", "")
            transfer.expect(transfer.done_bytes + int(length) if length.isdecimal() else None)
            for chunk in response.iter_bytes():
                transfer.write(chunk)
        return True

    def _refuse_unreachable(self, url: str) -> None:
        if reason := self._unreachable.get(_host(url)):
            raise ModelMissing(reason)

    def _failure(self, url: str, error: Exception) -> ModelMissing:
        host = _host(url)
        reason = f"{host} could not be reached ({str(error) or type(error).__name__})"
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
            self._unreachable[host] = reason
        return ModelMissing(reason)


def _host(url: str) -> str:
    """What an error says of a URL, which as a whole may hold a password."""
    try:
        return httpx.URL(url).host or "an address without a host"
    except httpx.InvalidURL:
        return "an address that is none"


class _Transfer:
    """A file being filled: hashed as it grows, refused as soon as it cannot be the one that was asked for."""

    def __init__(
        self, out: IO[bytes], part: Path, label: str, checksum: Checksum | None, size_bytes: int | None, report: Report
    ) -> None:
        self._out = out
        self._label = label
        self._checksum = checksum
        self._size_bytes = size_bytes
        self._report = report
        self._total_bytes = size_bytes
        self._digest = self._new_digest()
        self.done_bytes = out.tell()
        with part.open("rb") as had:
            while self.done_bytes and (chunk := had.read(CHUNK_BYTES)):
                self._digest.update(chunk)

    def _new_digest(self) -> hashlib._Hash:
        return hashlib.new(self._checksum.algorithm if self._checksum else "sha256")

    def is_right(self) -> bool:
        return self._checksum is None or self._digest.hexdigest() == self._checksum.hex

    def restart(self) -> None:
        self._out.truncate(0)
        self._digest = self._new_digest()
        self.done_bytes = 0

    def expect(self, total_bytes: int | None) -> None:
        if self._size_bytes is not None and total_bytes not in (None, self._size_bytes):
            raise ModelDamaged(f"{total_bytes} bytes are offered, not {self._size_bytes}")
        self._total_bytes = total_bytes or self._size_bytes

    def write(self, chunk: bytes) -> None:
        if self._size_bytes is not None and self.done_bytes + len(chunk) > self._size_bytes:
            raise ModelDamaged(f"more than {self._size_bytes} bytes came")
        self._out.write(chunk)
        self._digest.update(chunk)
        self.done_bytes += len(chunk)
        self._report(self._label, self.done_bytes, self._total_bytes)
