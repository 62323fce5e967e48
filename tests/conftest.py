"""Servers of Postgres, and data that lies beside the repository where its maintainers work.

Tests on what is not here are skipped.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.evals.ledger_postgres import OwnPostgres, own_postgres
from vivavoce.store.database import Database

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run those marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes a minute or more: runs with --slow, in `make bench`"))


def _folder(path: Path) -> Path:
    if not path.is_dir():
        pytest.skip(f"../{path.relative_to(SHARED.parent)} is not here")
    return path


@contextmanager
def _server() -> Iterator[OwnPostgres]:
    for name in ("pgserver", "psutil"):
        pytest.importorskip(name, reason=f"no server of Postgres can be started without {name}")
    with own_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _postgres() -> Iterator[OwnPostgres]:
    with _server() as server:
        server.forgo_the_disk()
        yield server


@pytest.fixture
def postgres_url(_postgres: OwnPostgres) -> str:
    """The URL of a database of its own on a server that all tests share."""
    return _postgres.database()


@pytest.fixture
def postgres() -> Iterator[OwnPostgres]:
    """A server of its own, for a test that kills it."""
    with _server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that is not there yet, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'vivavoce.db'}"
    return str(request.getfixturevalue("postgres_url"))


class HeldDatabase(Database):
    """While it works virtual time goes slower than real time: the loop waits 5 ms for a socket before it jumps."""

    @asynccontextmanager
    async def begin(self, *, read_only: bool = False) -> AsyncIterator[AsyncConnection]:
        loop, pair = asyncio.get_running_loop(), socket.socketpair()
        loop.add_reader(pair[0], lambda: None)
        ticking = asyncio.create_task(_tick())
        try:
            async with super().begin(read_only=read_only) as connection:
                yield connection
        finally:
            ticking.cancel()
            loop.remove_reader(pair[0])
            for end in pair:
                end.close()


async def _tick() -> None:
    for _ in count():
        await asyncio.sleep(0.001)


@pytest.fixture(scope="session")
def held_database() -> type[Database]:
    """A store for tests on virtual time, which jumps over what threads and processes do."""
    return HeldDatabase


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder `shared` next to the repository."""
    return _folder(SHARED)


@pytest.fixture(scope="session")
def evalset() -> Path:
    """Real recordings in several languages, described by the folder's `manifest.json`."""
    return _folder(SHARED / "evalset")


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script for emulated recognisers: one clip at 16 kHz of noises that stand for words, three to a phrase."""
    rate_hz, random = 16000, np.random.default_rng(5)
    pieces, words, at_ms = [random.normal(0, 2, rate_hz // 2)], list[tuple[str, float, float]](), 500.0
    text = "one two three, four five six. Seven eight nine, ten eleven twelve."
    for number, word in enumerate(text.split()):
        duration_ms, gap_ms = int(random.integers(150, 400)), 700 if number % 3 == 2 else 60
        noise = np.convolve(random.normal(0, 4000, duration_ms * rate_hz // 1000), np.hanning(12) / 6, mode="same")
        pieces += [noise, random.normal(0, 2, gap_ms * rate_hz // 1000)]
        words.append((word, at_ms, at_ms + duration_ms))
        at_ms += duration_ms + gap_ms
    folder = tmp_path_factory.mktemp("script")
    soundfile.write(folder / "clip.wav", np.concatenate(pieces).astype(np.int16), rate_hz, subtype="PCM_16")
    path = folder / "script.json"
    path.write_text(json.dumps({"clips": [{"audio": "clip.wav", "words": words}]}), "utf-8")
    return path


@dataclass(frozen=True)
class Traced:
    """A span as a collector got it; `parent` is "" for a root, times are ns since 1970."""

    name: str
    id: str
    parent: str
    trace: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    failed: bool


@dataclass
class Collector:
    """Takes traces by OTLP over HTTP; `status` is its answer, `resource` what the last sender said of itself."""

    url: str = ""
    status: int = 200
    spans: list[Traced] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)

    def named(self, name: str) -> list[Traced]:
        return [span for span in self.spans if span.name == name]

    def children(self, of: Traced) -> list[Traced]:
        return sorted((span for span in self.spans if span.parent == of.id), key=lambda span: span.start_ns)

    def take(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.bodies.append(body)
        for told in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = _attributes(told.resource.attributes)
            for span in (span for scope in told.scope_spans for span in scope.spans):
                events = [(event.name, _attributes(event.attributes)) for event in span.events]
                self.spans.append(
                    Traced(
                        span.name,
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.trace_id.hex(),
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        _attributes(span.attributes),
                        events,
                        span.status.code == 2,
                    )
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@pytest.fixture
def collector() -> Iterator[Collector]:
    pytest.importorskip("opentelemetry.proto", reason="the group telemetry is not installed")
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.headers = {name.lower(): value for name, value in self.headers.items()} | {"path": self.path}
            if found.status == 200:
                found.take(body)
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield found
        server.shutdown()
        serving.join()
