from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from vivavoce.agent.dialogue import Fetch
from vivavoce.agent.requests import MOST_BYTES, Requests
from vivavoce.agent.speaking import spoken

FETCH = Fetch("https://example.org/a%2Fb", "POST", {"day": "2026-03-03"}, {"number": "n"}, 5.0)


def made(answer: Callable[[httpx.Request], httpx.Response], fetch: Fetch = FETCH) -> object:
    async def main() -> object:
        requests = Requests(httpx.AsyncClient(transport=httpx.MockTransport(answer)))
        try:
            return await requests(fetch)
        finally:
            await requests.aclose()

    return asyncio.run(main())


def test_slots_are_sent_and_filled() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.raw_path, request.content) == ("POST", b"/a%2Fb", b'{"day":"2026-03-03"}')
        return httpx.Response(200, json={"n": "7", "more": 1})

    assert made(answer) == {"number": "7"}


def test_a_get_sends_its_slots_in_the_address() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["day"] == "2026-03-03"
        return httpx.Response(204)

    assert made(answer, Fetch("https://example.org/", "GET", {"day": "2026-03-03"}, {}, 5.0)) == {}


@pytest.mark.parametrize(
    ("answer", "value", "said"), [(7, 7.0, "7"), (2.5, 2.5, "2.5"), (True, True, "yes"), ("+5", "+5", "+5")]
)
def test_what_an_answer_fills_can_be_said(answer: object, value: object, said: str) -> None:
    values = made(lambda _: httpx.Response(200, json={"n": answer}))
    assert isinstance(values, dict)
    assert (type(values["number"]), values["number"]) == (type(value), value)
    assert spoken(values["number"], "en") == said


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(500, json={"n": "7"}),
        httpx.Response(302, headers={"Location": "https://elsewhere.example"}),
        httpx.Response(200, text="no JSON"),
        httpx.Response(200, json=["n"]),
        httpx.Response(200, json={"n": {"deep": 1}}),
        httpx.Response(200, json={}),
        httpx.Response(200, text="[" * 60_000),
        httpx.Response(200, text='{"n": NaN}'),
        httpx.Response(200, text='{"n": 1e999}'),
        httpx.Response(200, text='{"n": 1' + "0" * 400 + "}"),
        httpx.Response(200, text='{"n": "\\ud800"}'),
        httpx.Response(200, text='{"n": null}'),
        httpx.Response(200, text='{"n": "' + "x" * MOST_BYTES + '"}'),
    ],
)
def test_an_answer_that_is_not_as_expected_is_a_failure(response: httpx.Response) -> None:
    assert made(lambda _: response) is None


def test_a_server_that_is_not_there_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert made(refuse) is None
    assert [record.message for record in caplog.records] == ["a script's request failed: ConnectError"]
