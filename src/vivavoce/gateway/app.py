"""Everything that is answered over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException, Request, Response

from vivavoce.clock import Clock
from vivavoce.config.settings import ServeSettings
from vivavoce.gateway.asterisk import Asterisk
from vivavoce.gateway.calls import Calls
from vivavoce.gateway.keys import Keys
from vivavoce.gateway.readers import may_read
from vivavoce.gateway.telephony import Twilio
from vivavoce.media import Engine
from vivavoce.telemetry.packages import CONTENT_TYPE

if TYPE_CHECKING:
    from vivavoce.telemetry.metrics import Metrics


def application(
    calls: Calls, engine: Engine, settings: ServeSettings, keys: Keys, *, clock: Clock, metrics: Metrics | None = None
) -> FastAPI:
    """Health, metrics where there are any, and the exchanges whose secrets are there."""
    app = FastAPI(openapi_url=None, exception_handlers={HTTPException: _refused})

    async def health() -> dict[str, Any]:
        stats = engine.stats()
        return {
            "status": "draining" if calls.draining else "serving",
            "calls": {"held": len(calls), "talking": stats["calls"]},
            "late_ms": stats["late_ms"],
            "frames": {name: stats[f"frames_{name}"] for name in ("in", "out", "late", "lost")},
        }

    async def measured(request: Request) -> Response:
        peer = request.client.host if request.client else None
        if metrics is None or not may_read(peer, request.headers, settings.metrics_from):
            raise HTTPException(404)
        # They take milliseconds, which frames of calls would wait for here.
        return Response(await asyncio.to_thread(metrics.text), media_type=CONTENT_TYPE)

    app.add_api_route("/health", health)
    app.add_api_route("/metrics", measured)
    if keys.twilio:
        app.include_router(Twilio(calls, settings, token=keys.twilio, clock=clock).routes())
    if keys.asterisk:
        app.include_router(Asterisk(calls, keys).routes())
    return app


async def _refused(_: Request, error: Exception) -> Response:
    """The status alone: to a dialplan any text is a token or a number."""
    return Response(status_code=error.status_code if isinstance(error, HTTPException) else 500)
