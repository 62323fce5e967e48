"""Twilio's webhooks, signed by its own library, and calls that follow from them over a real media plane."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from twilio.request_validator import RequestValidator
from websockets.exceptions import ConnectionClosed


def verbs(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    return [(verb.tag, verb.text or "") for verb in ElementTree.fromstring(answer.text)]


def test_a_call_is_connected_to_its_stream(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            answer = await exchange.post("/twilio/voice")
            assert verbs(answer) == [("Connect", "")]
            connect = ElementTree.fromstring(answer.text)[0]
            assert connect.attrib == {"action": f"{gateway.PUBLIC}/twilio/after"}
            (stream,) = connect
            assert stream.attrib == {"url": "wss://voice.example.org/twilio"}
            (parameter,) = stream
            assert parameter.attrib["name"] == "token"
            assert len(parameter.attrib["value"]) == 32

    gateway.run(main())


def test_the_media_url_may_be_another(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened(media_url="wss://sound.example.org/in/twilio") as exchange:
            assert 'url="wss://sound.example.org/in/twilio"' in (await exchange.post("/twilio/voice")).text

    gateway.run(main())


def test_a_token_lets_one_call_in(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            token = await exchange.token("CA7")
            assert token != await exchange.token("CA8")
            async with exchange.stream(token, "CA7"):
                started = await exchange.agent.until(gateway.Started)
                assert (started.call, started.parameters) == ("CA7", {})
                async with exchange.stream(token, "CA7") as second:
                    with pytest.raises(ConnectionClosed, match="1008"):
                        await second.recv()

    gateway.run(main())


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/after", "/twilio/status"])
def test_what_twilio_did_not_sign_is_refused(gateway: Any, path: str) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            fields = {"CallSid": "CA1", "From": "+15550111", "To": "+15550122"}
            for answer in (
                await exchange.client.post(path, data=fields),
                await exchange.post(path, key="another"),
                await exchange.post(path, signature="=" * 28),
                await exchange.post(path, sent=fields | {"From": "+15550999"}),
                await exchange.post(path, sent={"CallSid": "CA1"}),
                await exchange.post(path, sent=fields | {"More": "1"}),
                await exchange.post(path, sent={"From": "+15550111"}),
                await exchange.post(f"{path}?more=1", signature=_signed(gateway, path, fields)),
            ):
                assert answer.status_code == 403
            assert len(exchange.calls) == 0

    gateway.run(main())


def _signed(gateway: Any, path: str, fields: dict[str, str]) -> str:
    return str(RequestValidator(gateway.TWILIO).compute_signature(gateway.PUBLIC + path, fields))


def test_the_query_is_signed_and_the_host_header_means_nothing(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            assert (await exchange.post("/twilio/voice?line=2")).status_code == 200
            fields = {"CallSid": "CA2"}
            signature = RequestValidator(gateway.TWILIO).compute_signature("https://evil.test/twilio/voice", fields)
            headers = {"X-Twilio-Signature": signature, "Host": "evil.test", "X-Forwarded-Host": "evil.test"}
            assert (await exchange.client.post("/twilio/voice", data=fields, headers=headers)).status_code == 403

    gateway.run(main())


def test_a_request_is_answered_once(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            assert (await exchange.post("/twilio/voice")).status_code == 200
            assert (await exchange.post("/twilio/voice")).status_code == 409
            # The same letters, cut elsewhere between a name and its value.
            cut = {"CallSid": "CA1From+15550111", "To": "+15550122"}
            fields = {"CallSid": "CA1", "From": "+15550111", "To": "+15550122"}
            signature = _signed(gateway, "/twilio/voice", fields)
            assert (await exchange.post("/twilio/voice", sent=cut, signature=signature)).status_code == 409
            assert len(exchange.calls) == 1

    gateway.run(main())


def test_bodies_that_are_none_are_refused(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:

            async def pieces() -> Any:
                yield b"CallSid=CA1"

            for content, status in (
                (b"a" * 70_000, 413),
                (pieces(), 413),
                (b"\xff=1", 400),
                (b"&".join(b"a%d=1" % n for n in range(300)), 400),
                (b"CallSid=CA1&CallSid=CA2", 403),
                (b"", 403),
            ):
                assert (await exchange.client.post("/twilio/voice", content=content)).status_code == status

    gateway.run(main())


def test_a_transfer_is_dialled_once(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange, exchange.stream(await exchange.token()) as socket:
            await gateway.press(socket, "9")
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert verbs(await exchange.post("/twilio/after")) == [("Dial", "+15550199")]
            assert verbs(await exchange.post("/twilio/after", again="1")) == [("Hangup", "")]

    gateway.run(main())


def test_a_call_that_ended_or_is_unknown_is_hung_up(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            assert verbs(await exchange.post("/twilio/after", CallSid="CA9")) == [("Hangup", "")]
            async with exchange.stream(await exchange.token()) as socket:
                await gateway.press(socket, "#")
                await exchange.agent.until(gateway.Closed)
            assert verbs(await exchange.post("/twilio/after")) == [("Hangup", "")]

    gateway.run(main())


@pytest.mark.parametrize("person", ["+15550100", None])
def test_a_call_that_broke_off_goes_on_with_a_person(gateway: Any, person: str | None) -> None:
    script = gateway.SCRIPT if person else gateway.SCRIPT.replace("person: desk", "").replace("to: bye", "to: desk")
    script = script if person else script.replace("  bye: {hang_up: true}\n", "")

    async def main() -> None:
        async with gateway.opened(agent=gateway.Listener(script)) as exchange:
            async with exchange.stream(await exchange.token()) as socket:
                await gateway.press(socket, "0")
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
            expected = [("Dial", person)] if person else [("Hangup", "")]
            assert verbs(await exchange.post("/twilio/after")) == expected

    gateway.run(main())


def test_a_stream_that_never_came_is_put_through(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            await exchange.token()
            assert verbs(await exchange.post("/twilio/after")) == [("Dial", "+15550100")]
            assert len(exchange.calls) == 0

    gateway.run(main())


@pytest.mark.parametrize("status", ["completed", "failed", "busy", "no-answer", "canceled"])
def test_a_status_ends_what_is_under_way_or_expected(gateway: Any, status: str) -> None:
    async def main() -> None:
        async with gateway.opened() as exchange:
            never = await exchange.token("CA2")
            async with exchange.stream(await exchange.token()) as socket:
                await exchange.agent.until(gateway.Started)
                assert (await exchange.post("/twilio/status", CallStatus="in-progress")).status_code == 204
                assert len(exchange.calls) == 2
                for sid in ("CA1", "CA2", "CA-unknown"):
                    assert (await exchange.post("/twilio/status", CallSid=sid, CallStatus=status)).status_code == 204
                assert len(exchange.calls) == 0
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
            async with exchange.stream(never, "CA2") as socket:
                with pytest.raises(ConnectionClosed, match="1008"):
                    await socket.recv()
            assert verbs(await exchange.post("/twilio/after")) == [("Hangup", "")]

    gateway.run(main())


class Full:
    def refusal(self, under_way: int) -> str | None:
        return "sound would be late"


@pytest.mark.parametrize(("number", "verb"), [("+15550177", ("Dial", "+15550177")), ("", ("Hangup", ""))])
def test_who_is_not_admitted_hears_why_not(gateway: Any, number: str, verb: tuple[str, str]) -> None:
    async def main() -> None:
        settings = {"busy_line": "We are busy & sorry.", "busy_transfer": number}
        async with gateway.opened(admission=Full(), **settings) as exchange:
            assert verbs(await exchange.post("/twilio/voice")) == [("Say", "We are busy & sorry."), verb]
            assert len(exchange.calls) == 0

    gateway.run(main())


def test_calls_for_which_the_plane_has_no_room_are_refused(gateway: Any) -> None:
    async def main() -> None:
        async with gateway.opened(calls=1) as exchange:
            answers = [await exchange.post("/twilio/voice", CallSid=f"CA{n}") for n in range(2)]
            assert [verbs(answer)[0][0] for answer in answers] == ["Connect", "Say"]

    gateway.run(main())
