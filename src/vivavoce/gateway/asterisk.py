"""What a dialplan of Asterisk's asks: a token for a call, and how the call goes on afterwards.

Answers are plain text, for its function CURL. Every request shows the shared secret. Source: Asterisk documentation,
"WebSocket Channel Driver", functions CURL and CURLOPT.
"""

from __future__ import annotations

import logging
import re

from fastapi import APIRouter, HTTPException, Request, Response

from vivavoce.gateway.calls import Calls
from vivavoce.gateway.keys import Keys

_LOG = logging.getLogger(__name__)

SOUND = "/asterisk"
CALL, AFTER = "/asterisk/call", "/asterisk/after"
_NAME = re.compile(r"[\w.:-]{1,150}", re.ASCII)


class Asterisk:
    """Answers a dialplan that names its call in `id`, as `${UNIQUEID}` does."""

    def __init__(self, calls: Calls, keys: Keys) -> None:
        self._calls, self._keys = calls, keys

    def routes(self) -> APIRouter:
        router = APIRouter()
        for path, answer in ((CALL, self.call), (AFTER, self.after)):
            router.add_api_route(path, answer, methods=["GET", "POST"])
        return router

    async def call(self, request: Request) -> Response:
        """A one-time token; nothing, with 503, where the call is refused."""
        token = self._calls.expect(self._name(request), app="asterisk")
        return _text(token or "", status=200 if token else 503)

    async def after(self, request: Request) -> Response:
        """The number that the call is put through to; nothing where it ends."""
        return _text(await self._calls.after(self._name(request)) or "")

    def _name(self, request: Request) -> str:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not self._keys.is_asterisk(secret):
            _LOG.warning("%s refused: it does not show the secret", request.url.path)
            raise HTTPException(403)
        name = request.query_params.get("id", "")
        if not _NAME.fullmatch(name):
            raise HTTPException(400)
        return f"asterisk:{name}"


def _text(text: str, *, status: int = 200) -> Response:
    return Response(text, status_code=status, media_type="text/plain")
