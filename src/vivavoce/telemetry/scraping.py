"""A port of this machine where Prometheus reads a process's metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from vivavoce.errors import OutputError
from vivavoce.telemetry.metrics import Metrics

HOST = "127.0.0.1"


@contextmanager
def scraped(metrics: Metrics, *, port: int, host: str = HOST) -> Iterator[int]:
    """Answer on the port, in a thread of its own; gives the port, which is a free one for 0. Raises OutputError."""
    try:
        server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        raise OutputError(
            f"metrics cannot be told at {host}:{port}: {error.strerror}", hint="choose another port with --metrics"
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
