"""Secrets: from the environment, and shown nowhere."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from vivavoce.errors import ConfigError
from vivavoce.gateway.keys import ASTERISK, TWILIO, Keys


@pytest.mark.parametrize(
    ("environment", "public_url", "message", "hint"),
    [
        ({}, "", "nobody could call", f"{TWILIO} for Twilio .and serve.public_url., {ASTERISK} for Asterisk"),
        ({}, "https://v.example.org", f"{TWILIO} is not", "environment variable"),
        ({ASTERISK: "s"}, "https://v.example.org", f"{TWILIO} is not", "empty public_url"),
        ({TWILIO: "t"}, "", "serve.public_url is not", r"public_url under \[serve\]"),
        ({TWILIO: "t", ASTERISK: "s"}, "", "serve.public_url is not", "public_url"),
        ({TWILIO: "", ASTERISK: ""}, "", "nobody could call", "or both"),
    ],
)
def test_what_is_missing_is_said(
    gateway: Any, environment: dict[str, str], public_url: str, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        Keys.of(environment, gateway.settings(public_url=public_url))
    assert re.search(hint, refused.value.hint)


def test_either_exchange_is_enough(gateway: Any) -> None:
    assert Keys.of({TWILIO: "t"}, gateway.settings()).twilio == "t"
    keys = Keys.of({ASTERISK: "s"}, gateway.settings(public_url=""))
    assert keys.is_asterisk("s")
    assert not any(map(keys.is_asterisk, ("", "t", "ß", "ss")))
    assert not Keys().is_asterisk("")


def test_no_secret_token_or_number_is_in_a_log_an_error_or_an_answer(
    gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    tokens: list[str] = []

    async def main() -> None:
        async with gateway.opened() as exchange:
            token = await exchange.token()
            tokens.append(token)
            async with exchange.stream(token) as socket:
                await exchange.agent.until(gateway.Started)
                # The conversation breaks off with words of the call in its error.
                await gateway.press(socket, "0")
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
                answers = [
                    await exchange.post("/twilio/after", key="wrong"),
                    await exchange.post("/twilio/status", sent={"CallSid": "CA1"}),
                    await exchange.post("/twilio/status", CallStatus="completed"),
                    await exchange.post("/twilio/status", CallStatus="completed"),
                    await exchange.dialplan("/asterisk/call?id=1", secret="wrong"),
                    await exchange.dialplan("/asterisk/call?id=/"),
                    await exchange.dialplan("/asterisk/after?id=1"),
                    await exchange.client.get("/health"),
                    await exchange.client.get("/nowhere"),
                    await exchange.client.get("/openapi.json"),
                ]
            seen.extend(f"{answer.status_code} {answer.headers} {answer.text}" for answer in answers)
            asked = await exchange.dialplan("/asterisk/call?id=2")
            tokens.append(asked.text)

    with caplog.at_level(logging.DEBUG):
        gateway.run(main())
    assert [answer[:3] for answer in seen] == ["403", "403", "204", "409", "403", "400", "200", "200", "404", "404"]
    ours = [record for record in caplog.records if record.name.startswith(("vivavoce", "twilio", "fastapi", "uvicorn"))]
    assert any("broke off" in record.getMessage() for record in ours)
    told = "\n".join([*seen, *(record.getMessage() for record in ours), str(Keys(gateway.TWILIO, gateway.ASTERISK))])
    for secret in ("canary", "+1555", *tokens):
        assert secret not in told
