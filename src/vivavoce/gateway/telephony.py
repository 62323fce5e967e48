"""Twilio's webhooks: a call comes in, its stream is over, its state has changed.

Every request must carry Twilio's signature over the public address and all of its fields, and is answered once: nothing
in a signed request tells its time. Source: Twilio documentation, "Security", "TwiML for Programmable Voice".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, HTTPException, Request, Response
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, VoiceResponse

from vivavoce.clock import Clock
from vivavoce.config.settings import ServeSettings
from vivavoce.gateway.calls import Calls
from vivavoce.gateway.kept import Kept

_LOG = logging.getLogger(__name__)

STREAM = "/twilio"
VOICE, AFTER, STATUS = "/twilio/voice", "/twilio/after", "/twilio/status"
OVER = frozenset({"completed", "failed", "busy", "no-answer", "canceled"})
MOST_BYTES, MOST_FIELDS = 64 * 1024, 200
REPLAY_S, REPLAY_MOST = 24 * 3600.0, 1 << 16


def stream_url(settings: ServeSettings) -> str:
    """Where Twilio sends a call's sound."""
    return settings.media_url or f"wss://{urlsplit(settings.public_url).netloc}{STREAM}"


class Twilio:
    """Answers webhooks; each request's signature is looked at first."""

    def __init__(self, calls: Calls, settings: ServeSettings, *, token: str, clock: Clock) -> None:
        self._calls, self._settings = calls, settings
        self._validator = RequestValidator(token)
        self._public_url = settings.public_url.rstrip("/")
        self._answered: Kept[None] = Kept(clock, lifetime_s=REPLAY_S, most=REPLAY_MOST)

    def routes(self) -> APIRouter:
        router = APIRouter()
        for path, answer in ((VOICE, self.voice), (AFTER, self.after), (STATUS, self.status)):
            router.add_api_route(path, answer, methods=["POST"])
        return router

    async def voice(self, request: Request) -> Response:
        """A call comes in: its stream is connected, or it is refused with a line."""
        fields = await self._signed(request)
        answer = VoiceResponse()
        token = self._calls.expect(fields["CallSid"], app="twilio")
        if token is None:
            answer.say(self._settings.busy_line)
            return _end(answer, self._settings.busy_transfer)
        connect = Connect(action=f"{self._public_url}{AFTER}")
        connect.stream(url=stream_url(self._settings)).parameter(name="token", value=token)
        answer.append(connect)
        return _twiml(answer)

    async def after(self, request: Request) -> Response:
        """A call's stream is over: it is put through, or it ends."""
        fields = await self._signed(request)
        return _end(VoiceResponse(), await self._calls.after(fields["CallSid"]))

    async def status(self, request: Request) -> Response:
        """A call's state has changed."""
        fields = await self._signed(request)
        if fields.get("CallStatus") in OVER:
            self._calls.end(fields["CallSid"])
        return Response(status_code=204)

    async def _signed(self, request: Request) -> Mapping[str, str]:
        """A request's fields, where Twilio signed them and they come for the first time."""
        fields = await _fields(request)
        signature = request.headers.get("X-Twilio-Signature", "")
        path, query = request.url.path, request.url.query
        url = f"{self._public_url}{path}?{query}" if query else f"{self._public_url}{path}"
        if not self._validator.validate(url, fields, signature):
            _LOG.warning("%s refused: not signed for this public_url with this auth token", path)
            raise HTTPException(403)
        # By the signature alone: names and values that are cut elsewhere can have the same one.
        if not self._answered.keep(signature, None):
            _LOG.warning("%s refused: it was answered before", path)
            raise HTTPException(409)
        return fields


async def _fields(request: Request) -> Mapping[str, str]:
    """The fields of a form."""
    length = request.headers.get("Content-Length", "")
    if not (length.isdecimal() and int(length) <= MOST_BYTES):
        raise HTTPException(413)
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise HTTPException(400) from None
    fields = dict(pairs)
    # Twilio sends no name twice, and always the call's.
    if len(fields) != len(pairs) or "CallSid" not in fields:
        raise HTTPException(403)
    return fields


def _end(answer: VoiceResponse, number: str | None) -> Response:
    if number:
        answer.dial(number)
    else:
        answer.hangup()
    return _twiml(answer)


def _twiml(answer: VoiceResponse) -> Response:
    return Response(str(answer), media_type="text/xml")
