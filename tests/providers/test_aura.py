from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from vivavoce.clock import run_virtual
from vivavoce.emulators.aura import KINDS, served
from vivavoce.emulators.faults import GENERAL, Fault
from vivavoce.emulators.speech import ScriptedSpeech, bursts
from vivavoce.emulators.websocket import WebSocketEmulator
from vivavoce.errors import LegError, LegLost, LegRefused, LegTimeout, LegUnavailable
from vivavoce.providers.aura import Aura, Codec
from vivavoce.providers.contexts import ContextStream, Ended, Sound

CANARY = "canary-77ac09be41"
Hear = Callable[[ContextStream, int], Awaitable[Any]]
SPEECH = ScriptedSpeech()
SLOW = ScriptedSpeech(pace=1.0)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", CANARY)


def fault(text: str) -> Fault:
    return Fault.parse(text, known={*GENERAL, *KINDS})


@asynccontextmanager
async def aura(
    speech: ScriptedSpeech = SPEECH, *, faults: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Aura, WebSocketEmulator]]:
    emulator = served(speech, faults=[fault(text) for text in faults])
    async with emulator.serving() as address:
        provider = Aura(url=f"ws://{address}")
        try:
            yield provider, emulator
        finally:
            await provider.aclose()


@asynccontextmanager
async def voice(provider: Aura, rate_hz: int = 16000) -> AsyncIterator[ContextStream]:
    stream = await provider.open(voice="", language="en", rate_hz=rate_hz)
    try:
        yield stream
    finally:
        await stream.aclose()


async def say(stream: ContextStream, text: str, epoch: int) -> None:
    await stream.push(text, epoch)
    await stream.flush(epoch)


def length(text: str, rate_hz: int = 16000) -> int:
    """Samples of the text without the silence before it, give or take the margin around it."""
    return len(bursts(text, rate_hz=rate_hz)[0]) - round(0.02 * rate_hz)


# The codec


def test_sound_belongs_to_the_oldest_context_that_has_not_ended() -> None:
    codec = Codec()
    decode = codec.begin()
    assert json.loads(codec.speak("a", "One.")) == {"type": "Speak", "text": "One."}
    assert json.loads(codec.finish()) == {"type": "Flush"}
    assert list(decode(json.dumps({"type": "Metadata", "request_id": "r"}))) == []
    assert list(decode(b"\1\2")) == [Sound("a", b"\1\2")]
    codec.speak("b", "Two.")
    assert list(decode('{"type":"Flushed","sequence_id":0}')) == [Ended("a")]
    assert list(decode(b"\3\4")) == [Sound("b", b"\3\4")]


@pytest.mark.parametrize("flushed", [False, True])
def test_until_it_is_cleared_all_sound_is_of_the_cancelled_context(flushed: bool) -> None:
    codec = Codec()
    decode = codec.begin()
    codec.speak("a", "One.")
    assert json.loads(codec.cancel("a")) == {"type": "Clear"}
    codec.speak("b", "Two.")
    assert list(decode(b"\1\2")) == []
    if flushed:  # it was on its way when the text was cancelled
        assert list(decode('{"type":"Flushed","sequence_id":0}')) == []
    assert list(decode('{"type":"Cleared","sequence_id":1}')) == []
    assert list(decode(b"\3\4")) == [Sound("b", b"\3\4")]


def test_a_warning_is_a_refusal_without_the_key() -> None:
    codec = Codec(scrub=lambda text: text.replace(CANARY, "[key]"))
    warning = {"type": "Warning", "code": "TOO_MANY_FLUSHES", "description": f"flush less, {CANARY}"}
    with pytest.raises(LegRefused, match=r"flush less, \[key\]") as refused:
        list(codec.decode(json.dumps(warning)))
    assert refused.value.status == 429


# The provider against its emulator


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 24000, 44100])
def test_a_text_is_heard_trimmed_and_without_times(rate_hz: int, hear: Hear) -> None:
    async def main() -> None:
        async with aura() as (provider, _), voice(provider, rate_hz) as stream:
            await say(stream, "Hello there.", 1)
            heard = await hear(stream, 1)
            assert 0 <= len(heard.samples) - length("Hello there.", rate_hz) <= 0.017 * rate_hz
            assert (heard.texts, heard.words, heard.timed) == (["Hello there."], [], False)

    asyncio.run(main())


def test_texts_are_spoken_one_after_the_other_on_one_socket(hear: Hear) -> None:
    async def main() -> None:
        async with aura() as (provider, emulator), voice(provider) as stream:
            for epoch, text in enumerate(("One.", "Twenty two.", "Three."), 1):
                await say(stream, text, epoch)
            for epoch, text in enumerate(("One.", "Twenty two.", "Three."), 1):
                assert 0 <= len((await hear(stream, epoch)).samples) - length(text) <= 256
            assert emulator.connections <= 2

    asyncio.run(main())


def test_a_cancelled_text_is_cleared_and_the_next_one_heard(hear: Hear) -> None:
    async def main() -> None:
        async with aura(SLOW) as (provider, _), voice(provider) as stream:
            await say(stream, "Never to be heard to its very end.", 1)
            assert (await anext(aiter(stream))).epoch == 1
            stream.cancel(1)
            await say(stream, "Next.", 2)
            assert 0 <= len((await hear(stream, 2)).samples) - length("Next.") <= 256

    run_virtual(main())


def test_a_language_without_a_voice_is_refused_with_those_there_are() -> None:
    async def main() -> None:
        async with aura() as (provider, _):
            with pytest.raises(LegUnavailable, match="'pt'") as refused:
                await provider.open(voice="", language="pt", rate_hz=16000)
            assert "en" in refused.value.hint

    asyncio.run(main())


@pytest.mark.parametrize("status", [401, 429, 500])
def test_failure_4_a_refused_handshake_is_told_with_its_status(status: int) -> None:
    async def main() -> None:
        async with aura(faults=(f"refuse:{status}",)) as (provider, _):
            with pytest.raises(LegRefused) as refused:
                await provider.open(voice="", language="en", rate_hz=16000)
            assert refused.value.status == status
            assert CANARY not in str(refused.value)

    asyncio.run(main())


def test_failure_8_the_21st_text_of_a_minute_is_refused_and_heard_once_the_minute_is_over(hear: Hear) -> None:
    async def main() -> None:
        async with aura() as (provider, _), voice(provider) as stream:
            for epoch in range(1, 21):
                await say(stream, "One.", epoch)
                assert len((await hear(stream, epoch)).samples)
            await say(stream, "One more.", 21)
            with pytest.raises(LegRefused, match="20 texts a minute") as refused:
                await hear(stream, 21)
            assert refused.value.status == 429
            assert len((await hear(stream, 21)).samples) == 0
            await asyncio.sleep(60)
            await say(stream, "Again.", 22)
            assert 0 <= len((await hear(stream, 22)).samples) - length("Again.") <= 256

    run_virtual(main())


def test_failure_8_a_warning_of_the_provider_is_a_refusal_and_its_text_is_not_said_later(
    hear: Hear, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A provider that allows less than we count.
    monkeypatch.setattr("vivavoce.emulators.aura._FLUSHES", 1)

    async def main() -> None:
        async with aura() as (provider, _), voice(provider) as stream:
            await say(stream, "One.", 1)
            await hear(stream, 1)
            await say(stream, "Refused text.", 2)
            with pytest.raises(LegRefused, match="aura warned") as refused:
                await hear(stream, 2)
            assert refused.value.status == 429
            await hear(stream, 2)
            await say(stream, "Three.", 3)
            assert 0 <= len((await hear(stream, 3)).samples) - length("Three.") <= 256

    run_virtual(main())


@pytest.mark.parametrize(
    ("injected", "kind"), [("abort", LegLost), ("close:1011", LegLost), ("stall", LegTimeout), ("garbage", LegError)]
)
def test_failure_20_a_socket_that_dies_in_the_middle_is_noticed_in_time(
    injected: str, kind: type[LegError], hear: Hear
) -> None:
    async def main() -> None:
        async with aura(SLOW) as (provider, emulator), voice(provider) as stream:
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
            assert 0 <= len((await hear(stream, 2)).samples) - length("Again.") <= 256

    run_virtual(main())


def test_failure_20_after_a_socket_that_went_silent_the_next_text_goes_to_another(hear: Hear) -> None:
    async def main() -> None:
        async with aura(SLOW, faults=("stall@0.5x1",)) as (provider, _), voice(provider) as stream:
            await say(stream, "A rather long text that is not heard to its end.", 1)
            with pytest.raises(LegTimeout):
                await hear(stream, 1)
            await hear(stream, 1)
            await say(stream, "Again.", 2)
            assert len((await hear(stream, 2)).samples)

    run_virtual(main())


def test_no_sound_at_all_for_a_text_is_an_error(hear: Hear) -> None:
    async def main() -> None:
        async with aura(faults=("no-audio",)) as (provider, _), voice(provider) as stream:
            await say(stream, "One.", 1)
            with pytest.raises(LegError, match="no sound came"):
                await hear(stream, 1)
            await say(stream, "…", 2)
            await hear(stream, 1)
            assert len((await hear(stream, 2)).samples) == 0

    asyncio.run(main())
