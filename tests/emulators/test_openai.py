"""The emulated OpenAI interface, with the official SDK as the client."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, AuthenticationError, RateLimitError

from vivavoce.audio.pcm import Samples
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.openai import ChatScript, emulator, served
from vivavoce.emulators.speech import bursts
from vivavoce.errors import ConfigError

RATE_HZ = 16000
WHAT = [{"role": "user", "content": "one two three"}]


def sdk(address: str, *, key: str = "sk-any") -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"http://{address}/v1", api_key=key, max_retries=0, timeout=20)


def fault(text: str) -> Fault:
    return Fault.parse(text, known=emulator().kinds)


def wav(samples: Samples) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
    return out.getvalue()


@pytest.fixture
def script(tmp_path: Path) -> tuple[Path, Samples]:
    """A script of one clip whose words are tones, and the clip's sound."""
    samples, words = bursts("Hello there, general public.", rate_hz=RATE_HZ)
    (tmp_path / "a.wav").write_bytes(wav(samples))
    clip = {"audio": "a.wav", "words": [[word.text, word.start_ms, word.end_ms] for word in words]}
    (tmp_path / "script.json").write_text(json.dumps({"clips": [clip]}), "utf-8")
    return tmp_path / "script.json", samples


def test_the_sdk_streams_a_chat() -> None:
    async def main() -> None:
        async with emulator().serving() as address, sdk(address) as client:
            stream = await client.chat.completions.create(
                model="m", messages=WHAT, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
            texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
            assert texts == ["", "ONE", " TWO", " THREE", None]
            assert chunks[-2].choices[0].finish_reason == "stop"
            assert [chunk.usage for chunk in chunks[:-1]] == [None] * 5
            assert chunks[-1].usage is not None
            assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (3, 3)
            plain = await client.chat.completions.create(model="m", messages=WHAT, stream=True)
            assert all(chunk.usage is None and chunk.choices for chunk in [chunk async for chunk in plain])

    asyncio.run(main())


def test_the_sdk_gets_a_chat_as_a_whole_and_the_models() -> None:
    async def main() -> None:
        script = ChatScript(answers={"one two three": "um dois três"})
        async with served(script).serving() as address, sdk(address) as client:
            whole = await client.chat.completions.create(model="m", messages=WHAT)
            assert whole.choices[0].message.content == "um dois três"
            assert [model.id async for model in client.models.list()] == ["emulated"]
            assert (await client.models.retrieve("other")).id == "other"

    asyncio.run(main())


def test_the_sdk_has_sound_transcribed(script: tuple[Path, Samples]) -> None:
    path, samples = script

    async def main() -> None:
        async with emulator(script=path).serving() as address, sdk(address) as client:
            file = ("a.wav", wav(np.concatenate([samples, np.zeros(RATE_HZ // 2, np.int16)])))
            plain = await client.audio.transcriptions.create(model="whisper-1", file=file)
            assert plain.text == "Hello there, general public."
            told = await client.audio.transcriptions.create(
                model="whisper-1",
                file=file,
                language="en",
                response_format="verbose_json",
                timestamp_granularities=["word", "segment"],
            )
            assert told.words is not None
            assert [word.word for word in told.words] == ["Hello", "there", "general", "public"]
            assert told.words[1].start == pytest.approx(0.36, abs=0.02)

    asyncio.run(main())


def test_a_wrong_key_is_refused_and_repeated() -> None:
    async def main() -> None:
        async with emulator().serving() as address, sdk(address, key="sk-wrong-1") as client:
            with pytest.raises(AuthenticationError, match="sk-wrong-1"):
                await client.models.list()

    asyncio.run(main())


def test_a_refusal_of_the_first_requests_alone() -> None:
    async def main() -> None:
        async with emulator(faults=[fault("refuse:429x2")]).serving() as address, sdk(address) as client:
            for _ in range(2):
                with pytest.raises(RateLimitError) as refused:
                    await client.models.list()
                assert refused.value.response.headers["retry-after"] == "7"
            assert await client.models.list()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["abort", "close", "garbage"])
def test_faults_that_break_an_answer(kind: str) -> None:
    async def main() -> None:
        async with emulator(faults=[fault(kind)]).serving() as address, sdk(address) as client:
            with pytest.raises((APIConnectionError, json.JSONDecodeError)):
                await client.models.list()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["stall", "freeze"])
def test_what_is_injected_hits_answers_under_way_until_healed(kind: str) -> None:
    async def main() -> None:
        emulated = served(ChatScript(token_ms=20))
        async with emulated.serving() as address, sdk(address) as client, asyncio.timeout(20):
            stream = aiter(await client.chat.completions.create(model="m", messages=WHAT, stream=True))
            await anext(stream)
            await emulated.inject(fault(kind))
            rest = asyncio.create_task(_collected(stream))
            done, _ = await asyncio.wait([rest], timeout=0.3)
            assert not done
            emulated.heal()
            assert (await rest)[-2:] == [" THREE", None]

    asyncio.run(main())


async def _collected(stream: object) -> list[str | None]:
    return [chunk.choices[0].delta.content async for chunk in stream]  # type: ignore[attr-defined]


def test_slow_shifts_the_whole_answer_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        emulated = served(ChatScript(token_ms=1), faults=[fault("slow:150")])
        async with emulated.serving() as address, sdk(address) as client:
            begun_s = loop.time()
            texts = await _collected(await client.chat.completions.create(model="m", messages=WHAT, stream=True))
            assert texts[1:4] == ["ONE", " TWO", " THREE"]
            assert loop.time() - begun_s >= 0.15

    asyncio.run(main())


def test_an_error_within_the_stream() -> None:
    async def main() -> None:
        async with emulator(faults=[fault("error:1")]).serving() as address, sdk(address) as client:
            stream = await client.chat.completions.create(model="m", messages=WHAT, stream=True)
            with pytest.raises(Exception, match="overloaded"):
                await _collected(stream)

    asyncio.run(main())


def test_requests_that_make_no_sense_are_refused() -> None:
    async def main() -> None:
        async with emulator().serving() as address, sdk(address) as client:
            for asking in (
                client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF")),
                client.chat.completions.create(model="m", messages=[]),
            ):
                with pytest.raises(APIStatusError) as refused:
                    await asking
                assert refused.value.status_code == 400
            with pytest.raises(APIStatusError) as refused:
                await client.embeddings.create(model="m", input="x")
            assert refused.value.status_code == 404

    asyncio.run(main())


def test_who_goes_away_is_noticed() -> None:
    async def main() -> None:
        emulated = served(ChatScript(first_ms=20_000))
        async with emulated.serving() as address, sdk(address) as client, asyncio.timeout(20):
            asking = asyncio.create_task(client.chat.completions.create(model="m", messages=WHAT, stream=True))
            await emulated.asked.wait()
            asking.cancel()
            await emulated.left.wait()
            assert emulated.abandoned == 1

    asyncio.run(main())


def test_a_script_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json"):
        emulator(script=tmp_path / "none.json")
