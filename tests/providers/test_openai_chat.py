from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from vivavoce.emulators.faults import Fault
from vivavoce.emulators.http import HttpEmulator
from vivavoce.emulators.openai import KINDS, ChatScript, served
from vivavoce.errors import ConfigError, LegError, LegLost, LegRefused, LegTimeout, LegUnavailable, VivavoceError
from vivavoce.legs.values import Clause, TextChunk, TokenUsage
from vivavoce.prompts import mt_prompt
from vivavoce.providers.openai_chat import OpenAIChat

CANARY = "sk-wrong-canary-5f3a9c7e1b2d4f60"
GOOD = "sk-good-canary-71c2d9"
CLAUSE = Clause("one two three four", 0.0, 900.0, epoch=3)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_KEY", GOOD)


def fault(text: str) -> Fault:
    return Fault.parse(text, known=served().kinds)


@asynccontextmanager
async def chat(
    *faults: str, script: ChatScript | None = None, **options: object
) -> AsyncIterator[tuple[HttpEmulator, OpenAIChat]]:
    emulated = served(script, faults=[fault(text) for text in faults])
    async with emulated.serving() as address, asyncio.timeout(20):
        given = {"url": f"http://{address}/v1", "model": "m", "key": "CHAT_KEY"} | options
        leg = OpenAIChat(**given)  # type: ignore[arg-type]
        try:
            yield emulated, leg
        finally:
            await leg.aclose()


async def translated(leg: OpenAIChat, clause: Clause = CLAUSE, **more: object) -> list[TextChunk]:
    return [chunk async for chunk in leg.translate(clause, source="en", target="pt", **more)]  # type: ignore[arg-type]


def text_of(chunks: list[TextChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def test_text_comes_as_it_is_made() -> None:
    async def main() -> None:
        async with chat() as (_, leg):
            chunks = await translated(leg)
            assert chunks == [
                TextChunk("ONE", 3, last=False),
                TextChunk(" TWO", 3, last=False),
                TextChunk(" THREE", 3, last=False),
                TextChunk(" FOUR", 3, last=False),
                TextChunk("", 3, last=True, usage=TokenUsage(words_of(CLAUSE.text), 4)),
            ]
            assert leg.prompt_version == "v1"

    asyncio.run(main())


def words_of(text: str, **more: object) -> int:
    """What the emulator counts as tokens of our prompt."""
    return sum(
        len(message["content"].split()) for message in mt_prompt().messages(text, source="en", target="pt", **more)
    )  # type: ignore[arg-type]


def test_locked_terms_are_told_to_the_model_and_its_answer_is_left_as_it_is() -> None:
    async def main() -> None:
        async with chat() as (emulated, leg):
            terms = {"heat pump": "bomba de calor"}
            chunks = await translated(leg, Clause("the heat pump runs", 0, 1), glossary=terms)
            assert text_of(chunks) == "THE HEAT PUMP RUNS"
            assert chunks[-1].usage == TokenUsage(words_of("the heat pump runs", terms=terms), 4)
            assert emulated.requests == 1

    asyncio.run(main())


def test_an_endpoint_that_refuses_to_count_is_used_without() -> None:
    async def main() -> None:
        async with chat("no-stream-options") as (_, leg):
            with pytest.raises(LegRefused, match="stream_options") as refused:
                await translated(leg)
            assert "usage = false" in refused.value.hint
        async with chat("no-stream-options", usage=False) as (_, leg):
            chunks = await translated(leg)
            assert (text_of(chunks), chunks[-1].usage) == ("ONE TWO THREE FOUR", None)

    asyncio.run(main())


def test_the_first_text_does_not_wait_for_the_rest() -> None:
    async def main() -> None:
        async with chat("stall-after:1") as (emulated, leg):
            chunks = aiter(leg.translate(CLAUSE, source="en", target="pt"))
            assert (await anext(chunks)).text == "ONE"
            emulated.heal()
            assert text_of([chunk async for chunk in chunks]) == " TWO THREE FOUR"

    asyncio.run(main())


def test_connections_are_opened_before_they_are_needed_and_serve_again() -> None:
    async def main() -> None:
        async with chat(connections=3) as (emulated, leg):
            await leg.warm_up()
            assert (emulated.connections, emulated.requests) == (3, 3)
            for _ in range(3):
                await asyncio.gather(*(translated(leg) for _ in range(3)))
            assert (emulated.connections, emulated.requests) == (3, 12)

    asyncio.run(main())


def test_a_connection_that_was_closed_while_idle_costs_no_clause() -> None:
    async def main() -> None:
        async with chat("abortx1") as (emulated, leg):
            assert text_of(await translated(leg)) == "ONE TWO THREE FOUR"
            assert emulated.requests == 2

    asyncio.run(main())


def test_leaving_the_iteration_ends_the_request_at_once() -> None:
    async def main() -> None:
        async with chat("stall-after:1") as (emulated, leg):
            chunks = leg.translate(CLAUSE, source="en", target="pt")
            await anext(chunks)
            await chunks.aclose()  # type: ignore[attr-defined]
            await emulated.left.wait()
            assert emulated.abandoned == 1

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["stall", "stall-after:2"])
def test_cancelling_ends_the_request_at_once(kind: str) -> None:
    async def main() -> None:
        async with chat(kind) as (emulated, leg):
            task = asyncio.create_task(translated(leg))
            await emulated.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await emulated.left.wait()
            assert emulated.abandoned == 1

    asyncio.run(main())


# Failures of the list: 4 and 19


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_failure_4_a_status_that_refuses(status: int) -> None:
    async def main() -> None:
        async with chat(f"refuse:{status}") as (_, leg):
            with pytest.raises(LegRefused) as refused:
                await translated(leg)
            assert refused.value.status == status
            assert ("wait 7 s" in refused.value.hint) == (status in (429, 503))

    asyncio.run(main())


def test_failure_4_a_refusal_costs_no_connection() -> None:
    async def main() -> None:
        async with chat("refuse:429x2") as (emulated, leg):
            for _ in range(2):
                with pytest.raises(LegRefused):
                    await translated(leg)
            assert text_of(await translated(leg)) == "ONE TWO THREE FOUR"
            assert emulated.connections == 1

    asyncio.run(main())


def test_failure_19_the_first_token_is_slow() -> None:
    async def main() -> None:
        async with chat("first-slow:20000", first_timeout_ms=50) as (emulated, leg):
            with pytest.raises(LegTimeout):
                await translated(leg)
            await emulated.left.wait()

    asyncio.run(main())


def test_failure_19_the_stream_stalls_after_a_few_tokens() -> None:
    async def main() -> None:
        async with chat("stall-after:2", stall_timeout_ms=50) as (emulated, leg):
            chunks = aiter(leg.translate(CLAUSE, source="en", target="pt"))
            assert [(await anext(chunks)).text for _ in range(2)] == ["ONE", " TWO"]
            with pytest.raises(LegTimeout):
                await anext(chunks)
            await emulated.left.wait()

    asyncio.run(main())


def test_failure_19_keep_alives_without_text_are_a_stall() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        try:
            while True:
                writer.write(b": processing\n\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        leg = OpenAIChat(url=f"http://127.0.0.1:{port}/v1", model="m", first_timeout_ms=100)
        async with server, asyncio.timeout(20):
            with pytest.raises(LegTimeout):
                await translated(leg)
            await leg.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["cut", "cut:0", "abort", "close"])
def test_failure_19_the_stream_is_cut_before_done(kind: str) -> None:
    async def main() -> None:
        async with chat(kind) as (_, leg):
            with pytest.raises(LegLost):
                await translated(leg)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["abort", "close"])
def test_failure_19_the_connection_breaks_in_the_middle(kind: str) -> None:
    async def main() -> None:
        async with chat("stall-after:2") as (emulated, leg):
            chunks = aiter(leg.translate(CLAUSE, source="en", target="pt"))
            assert [(await anext(chunks)).text for _ in range(2)] == ["ONE", " TWO"]
            await emulated.inject(fault(kind))
            with pytest.raises(LegLost):
                await anext(chunks)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["malformed", "garbage"])
def test_failure_19_malformed_json(kind: str) -> None:
    async def main() -> None:
        async with chat(kind) as (_, leg):
            with pytest.raises(LegError, match="malformed JSON"):
                await translated(leg)

    asyncio.run(main())


def test_failure_19_an_error_instead_of_the_rest() -> None:
    async def main() -> None:
        async with chat("error:1") as (_, leg):
            with pytest.raises(LegRefused, match="overloaded") as refused:
                await translated(leg)
            assert refused.value.status == 503

    asyncio.run(main())


def test_an_empty_answer_is_a_failure() -> None:
    async def main() -> None:
        async with chat(script=ChatScript(answers={CLAUSE.text: ""})) as (_, leg):
            with pytest.raises(LegError, match="empty"):
                await translated(leg)

    asyncio.run(main())


def test_nobody_listens() -> None:
    async def main() -> None:
        async with served().serving() as address:
            pass
        leg = OpenAIChat(url=f"http://{address}/v1", model="m", key="CHAT_KEY")
        for asking in (leg.warm_up(), translated(leg)):
            with pytest.raises(LegLost):
                await asking
        await leg.aclose()

    asyncio.run(main())


def test_a_key_at_the_cut_of_a_long_error_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_KEY", CANARY)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not (await reader.read(1 << 16)).endswith(b"}"):
            pass
        body = b"x" * 380 + CANARY.encode()
        writer.write(b"HTTP/1.1 500 Oh\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        leg = OpenAIChat(url=f"http://127.0.0.1:{port}/v1", model="m", key="CHAT_KEY")
        async with server, asyncio.timeout(20):
            with pytest.raises(LegRefused) as refused:
                await translated(leg)
            await leg.aclose()
        assert "sk-" not in str(refused.value)
        assert len(str(refused.value)) <= 400

    asyncio.run(main())


def test_after_a_failure_it_serves_again() -> None:
    async def main() -> None:
        async with chat(first_timeout_ms=200, stall_timeout_ms=200) as (emulated, leg):
            for kind in KINDS:
                await emulated.inject(fault(kind))
                with pytest.raises(LegError):
                    await translated(leg)
                emulated.heal()
                assert text_of(await translated(leg)) == "ONE TWO THREE FOUR"

    asyncio.run(main())


# Options and keys


def test_options_are_checked() -> None:
    with pytest.raises(LegUnavailable, match="NO_SUCH_KEY"):
        OpenAIChat(url="http://127.0.0.1/v1", model="m", key="NO_SUCH_KEY")
    for url in ("ftp://host/v1", "host:80", ""):
        with pytest.raises(ConfigError, match="address"):
            OpenAIChat(url=url, model="m")
    with pytest.raises(ConfigError, match="translate-0"):
        OpenAIChat(url="http://127.0.0.1/v1", model="m", prompt="translate-0")


@pytest.mark.parametrize("kind", ["", *KINDS, "refuse:401", "refuse:500", "abort", "close", "garbage"])
def test_the_key_is_in_no_error_and_no_log(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CHAT_KEY", CANARY if not kind else GOOD)
    caplog.set_level(logging.DEBUG)

    async def main() -> list[VivavoceError]:
        errors = []
        faults = [kind] if kind else []
        async with chat(*faults, first_timeout_ms=150, stall_timeout_ms=150) as (_, leg):
            for asking in (translated(leg), leg.warm_up()):
                try:
                    await asking
                except VivavoceError as error:
                    errors.append(error)
        return errors

    errors = asyncio.run(main())
    assert errors
    shown = [f"{error!r} {error} {error.hint} {error.__cause__!r}" for error in errors]
    for text in (*shown, caplog.text):
        assert "canary" not in text
    if kind in ("", "refuse:401"):
        assert all("CHAT_KEY" in error.hint for error in errors)
