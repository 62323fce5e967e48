from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from vivavoce.clock import run_virtual
from vivavoce.emulators.elevenlabs import KINDS, served
from vivavoce.emulators.faults import GENERAL, Fault
from vivavoce.emulators.speech import ScriptedSpeech, bursts
from vivavoce.emulators.websocket import WebSocketEmulator
from vivavoce.errors import LegError, LegLost, LegRefused, LegTimeout
from vivavoce.legs.values import Word
from vivavoce.providers.contexts import ContextStream, Ended, Failed, Sound, Times
from vivavoce.providers.elevenlabs import Codec, ElevenLabs

CANARY = "canary-e0d3f7715c"
Hear = Callable[[ContextStream, int], Awaitable[Any]]
SPEECH = ScriptedSpeech()
SLOW = ScriptedSpeech(pace=1.0)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", CANARY)


@pytest.fixture(params=[True, False], ids=["multi-stream-input", "stream-input"])
def contexts(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def fault(text: str) -> Fault:
    return Fault.parse(text, known={*GENERAL, *KINDS})


@asynccontextmanager
async def elevenlabs(
    speech: ScriptedSpeech = SPEECH, *, faults: tuple[str, ...] = (), **options: Any
) -> AsyncIterator[tuple[ElevenLabs, WebSocketEmulator]]:
    emulator = served(speech, faults=[fault(text) for text in faults])
    async with emulator.serving() as address:
        provider = ElevenLabs(url=f"ws://{address}", **options)
        try:
            yield provider, emulator
        finally:
            await provider.aclose()


@asynccontextmanager
async def voice(provider: ElevenLabs, rate_hz: int = 16000) -> AsyncIterator[ContextStream]:
    stream = await provider.open(voice="any", language="en", rate_hz=rate_hz)
    try:
        yield stream
    finally:
        await stream.aclose()


async def say(stream: ContextStream, text: str, epoch: int, *, speed: float = 1.0) -> None:
    await stream.push(text, epoch, speed=speed)
    await stream.flush(epoch)


def audio(data: bytes, letters: str, *, each_ms: int, context: str = "c") -> str:
    alignment = {
        "chars": [*letters],
        "charStartTimesMs": [each_ms * number for number in range(len(letters))],
        "charDurationsMs": [each_ms] * len(letters),
    }
    said = {"audio": base64.b64encode(data).decode(), "alignment": alignment, "isFinal": None, "contextId": context}
    return json.dumps(said)


# The codec


def test_what_is_asked() -> None:
    codec = Codec(rate_hz=16000)
    assert json.loads(codec.speak("c", "Hi there.", speed=2.0, begins=True)) == {
        "text": "Hi there. ", "context_id": "c", "voice_settings": {"speed": 1.2},
    }  # fmt: skip
    assert json.loads(codec.speak("c", " More.", speed=2.0, begins=False)) == {"text": "More. ", "context_id": "c"}
    assert json.loads(codec.flush("c")) == {"text": "", "context_id": "c", "flush": True}
    assert json.loads(codec.close("c")) == {"context_id": "c", "close_context": True}


def test_what_is_asked_where_contexts_have_no_names() -> None:
    codec = Codec(rate_hz=1000)
    decode = codec.begin()
    assert json.loads(codec.start("c", speed=2.0)) == {"text": " ", "voice_settings": {"speed": 1.2}}
    assert json.loads(codec.start("c", speed=1.0)) == {"text": " "}
    unnamed = audio(bytes(200), "a ", each_ms=50, context="")
    assert list(decode(unnamed)) == [Times("c", (Word("a", 0, 50),)), Sound("c", bytes(200))]
    assert list(decode('{"isFinal": true}')) == [Ended("c")]


def test_characters_become_words_over_the_bounds_of_messages() -> None:
    decode = Codec(rate_hz=1000).begin()
    two_hundred_ms = bytes(400)
    assert list(decode(audio(two_hundred_ms, "ab c", each_ms=50))) == [
        Times("c", (Word("ab", 0, 100),)),
        Sound("c", two_hundred_ms),
    ]
    assert list(decode(audio(two_hundred_ms, "d.", each_ms=100))) == [Sound("c", two_hundred_ms)]
    assert list(decode('{"audio": null, "isFinal": true, "contextId": "c"}')) == [
        Times("c", (Word("cd.", 150, 400),)),
        Ended("c"),
    ]


def test_contexts_are_told_apart_and_what_has_none_is_passed_over() -> None:
    decode = Codec(rate_hz=1000).begin()
    list(decode(audio(bytes(200), "a ", each_ms=50, context="c")))
    assert next(iter(decode(audio(bytes(200), "b ", each_ms=50, context="d")))) == Times("d", (Word("b", 0, 50),))
    assert list(decode('{"isFinal": true}')) == []


@pytest.mark.parametrize(
    ("error", "status"),
    [("max_active_conversations", 429), ("input_timeout_exceeded", 408), ("quota_exceeded", 400)],
)
def test_an_error_fails_every_context_and_shows_no_key(error: str, status: int) -> None:
    codec = Codec(rate_hz=1000, scrub=lambda text: text.replace(CANARY, "[key]"))
    (failed,) = codec.decode(json.dumps({"message": f"no, {CANARY}", "error": error, "code": 1008}))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, LegRefused)
    assert (failed.context, failed.error.status) == ("", status)
    assert failed.error.message == f"elevenlabs answered {error}: no, [key]"


# The provider against its emulator


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 32000])
def test_a_text_is_heard_trimmed_with_its_words_in_place(rate_hz: int, contexts: bool, hear: Hear) -> None:
    async def main() -> None:
        async with elevenlabs(contexts=contexts) as (provider, _), voice(provider, rate_hz) as stream:
            await say(stream, "Hello there, world.", 1)
            heard = await hear(stream, 1)
            made, words = bursts("Hello there, world.", rate_hz=rate_hz)
            assert 0 <= len(heard.samples) - (len(made) - round(0.02 * rate_hz)) <= 0.017 * rate_hz
            assert [word for word, _ in heard.words] == ["Hello", "there,", "world."]
            for (_, at_ms), word in zip(heard.words, words, strict=True):
                assert at_ms == pytest.approx(word.start_ms - 12, abs=1)

    asyncio.run(main())


def test_the_address_asks_for_plain_samples_with_times_and_the_language_where_the_model_takes_one() -> None:
    async def query(**options: Any) -> dict[str, list[str]]:
        async with elevenlabs(**options) as (provider, emulator), voice(provider):
            return parse_qs(urlsplit(next(iter(emulator.lines)).path).query)

    asked = asyncio.run(query())
    assert asked == {
        "model_id": ["eleven_flash_v2_5"], "output_format": ["pcm_16000"], "auto_mode": ["true"],
        "sync_alignment": ["true"], "language_code": ["en"],
    }  # fmt: skip
    assert "language_code" not in asyncio.run(query(model="eleven_multilingual_v2"))


def test_more_epochs_than_contexts_at_once_are_all_heard_in_order(contexts: bool, hear: Hear) -> None:
    async def main() -> None:
        async with elevenlabs(SLOW, contexts=contexts) as (provider, _), voice(provider) as stream:
            texts = ["One.", "Two.", "Three.", "Four.", "Five.", "Six.", "Seven."]
            for epoch, text in enumerate(texts, 1):
                await say(stream, text, epoch)
            for epoch, text in enumerate(texts, 1):
                assert [word for word, _ in (await hear(stream, epoch)).words] == [text]

    run_virtual(main())


def test_a_cancelled_text_is_dropped_and_the_next_one_heard(contexts: bool, hear: Hear) -> None:
    async def main() -> None:
        async with elevenlabs(SLOW, contexts=contexts) as (provider, _), voice(provider) as stream:
            await say(stream, "Never to be heard to its very end.", 1)
            assert (await anext(aiter(stream))).epoch == 1
            stream.cancel(1)
            await say(stream, "Next.", 2)
            assert [word for word, _ in (await hear(stream, 2)).words] == ["Next."]

    run_virtual(main())


def test_without_contexts_each_text_has_a_socket_that_ends_with_it_and_the_next_ones_is_open_before(hear: Hear) -> None:
    async def main() -> None:
        async with elevenlabs(SLOW, contexts=False) as (provider, emulator), voice(provider) as stream:
            first = next(iter(emulator.lines))
            assert urlsplit(first.path).path == "/v1/text-to-speech/any/stream-input"
            await provider._sockets.warm()
            await say(stream, "Never to be heard to its very end.", 1)
            assert (await anext(aiter(stream))).epoch == 1
            stream.cancel(1)
            async with asyncio.timeout(1):
                await first.over()
            await say(stream, "Two.", 2)
            await hear(stream, 2)
            await provider._sockets.warm()
            await stream.push("Two texts", 3)
            await stream.push("of one.", 3)
            await stream.flush(3)
            assert [word for word, _ in (await hear(stream, 3)).words] == ["Two", "texts", "of", "one."]
            await stream.aclose()
            await provider._sockets.warm()
            await asyncio.sleep(10)
            assert (len(emulator.lines), emulator.connections) == (1, 4)  # the spare one, and three texts

    run_virtual(main())


def test_speed_shortens_the_sound(contexts: bool, hear: Hear) -> None:
    async def main() -> None:
        async with elevenlabs(contexts=contexts) as (provider, _), voice(provider) as stream:
            await say(stream, "Hello there.", 1)
            await say(stream, "Hello there.", 2, speed=1.2)
            usual, fast = await hear(stream, 1), await hear(stream, 2)
            assert len(usual.samples) / len(fast.samples) == pytest.approx(1.2, abs=0.03)

    asyncio.run(main())


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_failures_4_and_14_a_refused_handshake_is_told_with_its_status(status: int, contexts: bool) -> None:
    async def main() -> None:
        async with elevenlabs(faults=(f"refuse:{status}",), contexts=contexts) as (provider, _):
            with pytest.raises(LegRefused) as refused:
                await provider.open(voice="any", language="en", rate_hz=16000)
            assert refused.value.status == status
            assert CANARY not in str(refused.value)

    asyncio.run(main())


def test_failure_13_a_silent_voice_is_kept_open(hear: Hear) -> None:
    async def main() -> None:
        async with elevenlabs() as (provider, emulator), voice(provider) as stream:
            await say(stream, "One.", 1)
            await hear(stream, 1)
            await provider._sockets.warm()  # the spare socket
            opened = emulator.connections
            await asyncio.sleep(100)
            await say(stream, "Two.", 2)
            assert [word for word, _ in (await hear(stream, 2)).words] == ["Two."]
            assert emulator.connections == opened

    run_virtual(main())


def test_failure_13_closed_for_want_of_text_while_text_is_open_is_told(contexts: bool, hear: Hear) -> None:
    async def main() -> None:
        async with elevenlabs(keep_alive_s=math.inf, contexts=contexts) as (provider, _), voice(provider) as stream:
            await stream.push("No end of a sentence", 1)
            await asyncio.sleep(150)
            with pytest.raises(LegRefused, match="input_timeout_exceeded") as refused:
                await hear(stream, 1)
            assert refused.value.status == 408

    run_virtual(main())


def test_failure_13_closed_for_want_of_text_while_idle_is_no_error(contexts: bool, hear: Hear) -> None:
    async def main() -> None:
        async with elevenlabs(keep_alive_s=math.inf, contexts=contexts) as (provider, _), voice(provider) as stream:
            await asyncio.sleep(200)
            await say(stream, "Two.", 2)
            assert [word for word, _ in (await hear(stream, 2)).words] == ["Two."]

    run_virtual(main())


@pytest.mark.parametrize(
    ("injected", "kind"),
    [("1008", LegLost), ("no-audio:close", LegLost), ("error:quota_exceeded", LegRefused), ("close:1008", LegLost)],
)
def test_failure_14_a_close_without_sound_is_told_and_the_next_text_is_heard(
    injected: str, kind: type[LegError], contexts: bool, hear: Hear
) -> None:
    async def main() -> None:
        async with elevenlabs(contexts=contexts) as (provider, emulator), voice(provider) as stream:
            await say(stream, "One.", 1)
            if injected == "close:1008":
                await emulator.inject(fault(injected))
            else:
                await hear(stream, 1)
                await emulator.inject(fault(injected))
                await say(stream, "One.", 1)
            with pytest.raises(kind):
                await hear(stream, 1)
            emulator.heal()
            await hear(stream, 1)
            await say(stream, "Two.", 2)
            assert [word for word, _ in (await hear(stream, 2)).words] == ["Two."]

    run_virtual(main())


def test_failure_20_after_a_socket_that_went_silent_the_next_text_goes_to_another(contexts: bool, hear: Hear) -> None:
    async def main() -> None:
        async with (
            elevenlabs(SLOW, faults=("stall@0.5x1",), contexts=contexts) as (provider, _),
            voice(provider) as stream,
        ):
            await say(stream, "A rather long text that is not heard to its end.", 1)
            with pytest.raises(LegTimeout):
                await hear(stream, 1)
            await hear(stream, 1)
            await say(stream, "Again.", 2)
            assert len((await hear(stream, 2)).samples)

    run_virtual(main())


def test_failure_14_no_sound_at_all_for_a_text_is_an_error(contexts: bool, hear: Hear) -> None:
    async def main() -> None:
        async with elevenlabs(faults=("no-audio",), contexts=contexts) as (provider, _), voice(provider) as stream:
            await say(stream, "One.", 1)
            with pytest.raises(LegError, match="no sound came"):
                await hear(stream, 1)
            await say(stream, "…", 2)
            await hear(stream, 1)
            assert len((await hear(stream, 2)).samples) == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("injected", "kind"), [("abort", LegLost), ("stall", LegTimeout), ("freeze", LegTimeout), ("garbage", LegError)]
)
def test_failure_20_a_socket_that_dies_in_the_middle_is_noticed_in_time(
    injected: str, kind: type[LegError], contexts: bool, hear: Hear
) -> None:
    async def main() -> None:
        async with elevenlabs(SLOW, contexts=contexts) as (provider, emulator), voice(provider) as stream:
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
