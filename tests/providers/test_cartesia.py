from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from vivavoce.clock import run_virtual
from vivavoce.emulators.cartesia import KINDS, served
from vivavoce.emulators.faults import GENERAL, Fault
from vivavoce.emulators.speech import ScriptedSpeech, bursts
from vivavoce.emulators.websocket import WebSocketEmulator
from vivavoce.errors import LegError, LegLost, LegRefused, LegTimeout, LegUnavailable
from vivavoce.legs.values import Word
from vivavoce.providers.cartesia import Cartesia, Request, cancel, decode
from vivavoce.providers.contexts import ContextStream, Ended, Failed, Sound, Times

CANARY = "canary-5b1f0f3ad2"
Hear = Callable[[ContextStream, int], Awaitable[Any]]
SPEECH = ScriptedSpeech()
SLOW = ScriptedSpeech(pace=1.0)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTESIA_API_KEY", CANARY)


def fault(text: str) -> Fault:
    return Fault.parse(text, known={*GENERAL, *KINDS})


@asynccontextmanager
async def cartesia(
    speech: ScriptedSpeech = SPEECH, *, faults: tuple[str, ...] = (), **limits: Any
) -> AsyncIterator[tuple[Cartesia, WebSocketEmulator]]:
    emulator = served(speech, faults=[fault(text) for text in faults], **limits)
    async with emulator.serving() as address:
        provider = Cartesia(url=f"ws://{address}")
        try:
            yield provider, emulator
        finally:
            await provider.aclose()


@asynccontextmanager
async def voice(provider: Cartesia, rate_hz: int = 16000) -> AsyncIterator[ContextStream]:
    stream = await provider.open(voice="", language="en", rate_hz=rate_hz)
    try:
        yield stream
    finally:
        await stream.aclose()


async def say(stream: ContextStream, text: str, epoch: int, *, speed: float = 1.0) -> None:
    await stream.push(text, epoch, speed=speed)
    await stream.flush(epoch)


# The codec


def test_a_request_says_all_that_a_context_needs() -> None:
    request = Request("sonic-3", "v", "pt", 24000, 0)
    assert json.loads(request.speak("c", "Olá.", speed=2.0, more=True)) == {
        "context_id": "c",
        "model_id": "sonic-3",
        "transcript": "Olá.",
        "voice": {"mode": "id", "id": "v"},
        "language": "pt",
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000},
        "continue": True,
        "add_timestamps": True,
        "max_buffer_delay_ms": 0,
        "generation_config": {"speed": 1.5},
    }
    assert json.loads(cancel("c")) == {"context_id": "c", "cancel": True}


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (
            {"type": "chunk", "context_id": "c", "data": base64.b64encode(b"\1\2").decode(), "done": False},
            [Sound("c", b"\1\2")],
        ),
        (
            {
                "type": "timestamps",
                "context_id": "c",
                "word_timestamps": {"words": ["Hi"], "start": [0.02], "end": [0.5]},
            },
            [Times("c", (Word("Hi", 20.0, 500.0),))],
        ),
        ({"type": "timestamps", "context_id": "c", "word_timestamps": None}, []),
        ({"type": "phoneme_timestamps", "context_id": "c"}, []),
        ({"type": "flush_done", "context_id": "c", "flush_id": 1}, []),
        ({"type": "done", "context_id": "c", "done": True}, [Ended("c")]),
    ],
)
def test_what_the_server_says(message: dict[str, Any], events: list[Any]) -> None:
    assert list(decode(json.dumps(message))) == events


def test_an_error_has_its_status_and_no_key() -> None:
    message = {"type": "error", "context_id": "c", "status_code": 402, "title": "Payment", "message": f"{CANARY}!"}
    (failed,) = decode(json.dumps(message), scrub=lambda text: text.replace(CANARY, "[key]"))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, LegRefused)
    assert (failed.context, failed.error.status, failed.error.message) == (
        "c", 402, "cartesia answered 402 Payment: [key]!",
    )  # fmt: skip


# The provider against its emulator


async def _spoken(rate_hz: int, hear: Hear) -> None:
    async with cartesia() as (provider, _), voice(provider, rate_hz) as stream:
        await say(stream, "Hello there, world.", 1)
        heard = await hear(stream, 1)
        made, words = bursts("Hello there, world.", rate_hz=rate_hz)
        margin = len(heard.samples) - (len(made) - round(0.02 * rate_hz))
        assert 0 <= margin <= 0.016 * rate_hz
        assert heard.texts == ["Hello there, world."]
        assert [word for word, _ in heard.words] == ["Hello", "there,", "world."]
        for (_, at_ms), word in zip(heard.words, words, strict=True):
            assert at_ms == pytest.approx(word.start_ms - 20 + 8, abs=0.5)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 32000])
def test_a_text_is_heard_trimmed_with_its_words_in_place(rate_hz: int, hear: Hear) -> None:
    asyncio.run(_spoken(rate_hz, hear))


def test_texts_pushed_one_after_the_other_are_one_context(hear: Hear) -> None:
    async def main() -> None:
        async with cartesia() as (provider, _), voice(provider) as stream:
            await stream.push("One two", 1)
            await stream.push("three", 1)
            await stream.flush(1)
            heard = await hear(stream, 1)
            assert [word for word, _ in heard.words] == ["One", "two", "three"]
            assert heard.texts == ["One two", "three"]

    asyncio.run(main())


def test_two_voices_share_one_socket(hear: Hear) -> None:
    async def main() -> None:
        async with (
            cartesia() as (provider, emulator),
            voice(provider) as one,
            voice(provider) as two,
        ):
            await say(one, "One.", 1)
            await say(two, "Two.", 1)
            assert [word for word, _ in (await hear(two, 1)).words] == ["Two."]
            assert [word for word, _ in (await hear(one, 1)).words] == ["One."]
            assert emulator.connections <= 2  # one of them is the spare

    asyncio.run(main())


def test_speed_shortens_the_sound(hear: Hear) -> None:
    async def main() -> None:
        async with cartesia() as (provider, _), voice(provider) as stream:
            await say(stream, "Hello there.", 1)
            await say(stream, "Hello there.", 2, speed=1.25)
            usual, fast = await hear(stream, 1), await hear(stream, 2)
            assert len(usual.samples) / len(fast.samples) == pytest.approx(1.25, abs=0.03)

    asyncio.run(main())


@pytest.mark.parametrize(("status", "message"), [(401, "401"), (403, "403"), (429, "429"), (500, "500")])
def test_failure_4_a_refused_handshake_is_told_with_its_status(status: int, message: str) -> None:
    async def main() -> None:
        async with cartesia(faults=(f"refuse:{status}",)) as (provider, _):
            with pytest.raises(LegRefused, match=message) as refused:
                await provider.open(voice="", language="en", rate_hz=16000)
            assert refused.value.status == status
            assert CANARY not in str(refused.value)

    asyncio.run(main())


def test_without_a_key_there_is_no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARTESIA_API_KEY")
    with pytest.raises(LegUnavailable, match="CARTESIA_API_KEY"):
        Cartesia()


def test_failure_9_late_chunks_of_a_cancelled_context_are_dropped(hear: Hear) -> None:
    async def main() -> None:
        async with cartesia(SLOW) as (provider, _), voice(provider) as stream:
            await say(stream, "Never to be heard to its very end.", 1)
            assert (await anext(aiter(stream))).epoch == 1
            stream.cancel(1)
            await say(stream, "Next.", 2)
            heard = await hear(stream, 2)
            assert heard.words == [("Next.", pytest.approx(8, abs=0.1))]

    run_virtual(main())


def test_failure_10_closed_with_1000_after_five_idle_minutes_is_no_error(hear: Hear) -> None:
    async def main() -> None:
        async with cartesia() as (provider, emulator), voice(provider) as stream:
            await say(stream, "One.", 1)
            await hear(stream, 1)
            before = emulator.connections
            await asyncio.sleep(301)
            await say(stream, "Two.", 2)
            assert [word for word, _ in (await hear(stream, 2)).words] == ["Two."]
            assert emulator.connections > before

    run_virtual(main())


def test_failure_11_too_many_contexts_are_refused_with_429(hear: Hear) -> None:
    async def main() -> None:
        async with cartesia(SLOW, contexts=1) as (provider, _), voice(provider) as stream:
            await say(stream, "One.", 1)
            await say(stream, "Two.", 2)
            await hear(stream, 1)
            with pytest.raises(LegRefused) as refused:
                await hear(stream, 2)
            assert refused.value.status == 429
            assert len((await hear(stream, 2)).samples) == 0
            await say(stream, "Three.", 3)
            assert [word for word, _ in (await hear(stream, 3)).words] == ["Three."]

    run_virtual(main())


def test_failure_12_text_after_the_end_of_a_context_goes_to_another_one(hear: Hear) -> None:
    async def main() -> None:
        async with cartesia() as (provider, _), voice(provider) as stream:
            await say(stream, "One.", 1)
            await say(stream, "And more.", 1)
            assert [word for word, _ in (await hear(stream, 1)).words] == ["One."]
            assert [word for word, _ in (await hear(stream, 1)).words] == ["And", "more."]
            await stream.push("Two.", 2)
            await asyncio.sleep(3)  # the context expires meanwhile
            await stream.push("Three.", 2)
            await stream.flush(2)
            assert [word for word, _ in (await hear(stream, 2)).words] == ["Two.", "Three."]

    run_virtual(main())


@pytest.mark.parametrize(
    ("injected", "kind"),
    [("abort", LegLost), ("close:1011", LegLost), ("stall", LegTimeout), ("freeze", LegTimeout), ("garbage", LegError)],
)
def test_failure_20_a_socket_that_dies_in_the_middle_is_noticed_in_time(
    injected: str, kind: type[LegError], hear: Hear
) -> None:
    async def main() -> None:
        async with cartesia(SLOW) as (provider, emulator), voice(provider) as stream:
            await say(stream, "A rather long text that is not heard to its end.", 1)
            assert (await anext(aiter(stream))).epoch == 1
            begun_s = asyncio.get_running_loop().time()
            await emulator.inject(fault(injected))
            with pytest.raises(kind):
                await hear(stream, 1)
            assert asyncio.get_running_loop().time() - begun_s < 4.5
            emulator.heal()
            assert len((await hear(stream, 1)).samples) == 0
            await say(stream, "Again.", 2)
            assert [word for word, _ in (await hear(stream, 2)).words] == ["Again."]

    run_virtual(main())


def test_failure_20_after_a_socket_that_went_silent_the_next_text_goes_to_another(hear: Hear) -> None:
    async def main() -> None:
        async with cartesia(SLOW, faults=("stall@0.5x1",)) as (provider, _), voice(provider) as stream:
            await say(stream, "A rather long text that is not heard to its end.", 1)
            with pytest.raises(LegTimeout):
                await hear(stream, 1)
            await hear(stream, 1)
            await say(stream, "Again.", 2)
            assert len((await hear(stream, 2)).samples)

    run_virtual(main())


def test_an_error_in_the_middle_is_raised_and_the_next_text_is_heard(hear: Hear) -> None:
    async def main() -> None:
        async with cartesia() as (provider, emulator), voice(provider) as stream:
            await emulator.inject(fault("error:503"))
            await say(stream, "One.", 1)
            with pytest.raises(LegRefused) as refused:
                await hear(stream, 1)
            assert refused.value.status == 503
            emulator.heal()
            await hear(stream, 1)
            await say(stream, "Two.", 2)
            assert [word for word, _ in (await hear(stream, 2)).words] == ["Two."]

    asyncio.run(main())


def test_keys_are_in_no_log(caplog: pytest.LogCaptureFixture, hear: Hear) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with cartesia() as (provider, _), voice(provider) as stream:
            await say(stream, "One.", 1)
            await hear(stream, 1)
            assert CANARY not in repr(vars(stream))

    asyncio.run(main())
    assert CANARY not in caplog.text


def test_closing_leaves_no_task_and_no_socket(hear: Hear) -> None:
    async def main() -> None:
        emulator = served(SLOW)
        async with emulator.serving() as address:
            provider = Cartesia(url=f"ws://{address}")
            await provider.warm_up()
            stream = await provider.open(voice="", language="en", rate_hz=16000)
            await say(stream, "One two three four.", 1)
            await anext(aiter(stream))
            await stream.aclose()
            await provider.aclose()
        assert not emulator.lines
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
