"""Media plane, agent and HTTP in one event loop, from the first port opened to the last call drained."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from vivavoce.agent.admission import Admission
from vivavoce.agent.assembly import Agent
from vivavoce.clock import Clock
from vivavoce.config.settings import ServeSettings
from vivavoce.errors import MediaError
from vivavoce.gateway.app import application
from vivavoce.gateway.books import Bookkeeper
from vivavoce.gateway.calls import Calls, Doorkeeper
from vivavoce.gateway.keys import Keys
from vivavoce.media import Engine, EngineSettings

if TYPE_CHECKING:
    from vivavoce.telemetry.metrics import Metrics

CLOSING_S = 5


@dataclass(frozen=True, slots=True)
class Ports:
    """Those that are listened to."""

    http: int
    media: int


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # A signal begins the drain, in which requests are still answered.
        yield


async def serve(
    agent: Agent,
    settings: ServeSettings,
    keys: Keys,
    *,
    clock: Clock,
    stopping: asyncio.Event,
    opened: Callable[[Ports], None],
    media: EngineSettings | None = None,
    admission: Doorkeeper | None = None,
    books: Bookkeeper | None = None,
    metrics: Metrics | None = None,
) -> None:
    """Serve calls until `stopping` is set and those under way have ended, or `drain_s` has passed.

    Without an `admission` it is measured whether a call can be let in; without `books` nothing is counted; `metrics`
    are told at /metrics, with those of the media plane. `opened` is told which ports are listened to.
    Raises MediaError for one that is not to be had.
    """
    media = media or EngineSettings(host=settings.host, port=settings.media_port, calls=settings.calls)
    with _listening(settings.host, settings.port) as listener:
        async with Engine(media) as engine, asyncio.TaskGroup() as group:
            measured = Admission(engine, agent.backlog, clock=clock, limits=agent.limits)
            watching = group.create_task(measured.watch())
            calls = Calls(
                agent, engine, settings, group=group, clock=clock, admission=admission or measured, books=books
            )
            if metrics is not None:
                metrics.watch_media(engine.stats)
            app = application(calls, engine, settings, keys, clock=clock, metrics=metrics)
            # Its own lines would hold whole addresses, with what stands in them.
            config = uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=CLOSING_S,
            )
            server = _Server(config)
            serving = group.create_task(server.serve(sockets=[listener]))
            opened(Ports(listener.getsockname()[1], engine.port))
            await stopping.wait()
            await calls.drain(settings.drain_s)
            server.should_exit = True
            await serving
            watching.cancel()


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise MediaError(f"cannot listen at {host}:{port}: {error}", hint="choose another port with --port") from error
