from __future__ import annotations

import asyncio
import io
import json
import logging
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.http import HttpEmulator
from vivavoce.emulators.openai import emulator
from vivavoce.emulators.speech import bursts
from vivavoce.errors import LegError, LegLost, LegRefused, LegTimeout, LegUnavailable
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.providers.openai_transcription import OpenAITranscription, read_transcription, transcription_form
from vivavoce.providers.utterance import Stretch

RATE_HZ = 16000
CANARY = "sk-wrong-canary-0c4e8a2b6d"
TEXT = "Hello there, general public of Lisbon."


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-good-canary-77aa")


def stretch(*prefix: Word, seconds: float = 2.0, start_ms: float = 1000.0, language: str = "en") -> Stretch:
    return Stretch(np.zeros(round(seconds * RATE_HZ), np.float32), RATE_HZ, start_ms, prefix, language, final=True)


def answer(text: str, *words: tuple[str, float, float], **more: object) -> bytes:
    timed = [{"word": word, "start": start, "end": end} for word, start, end in words]
    return json.dumps({"text": text, "words": timed, **more}).encode()


# The codec


def test_a_request_is_a_form_with_a_wav_file() -> None:
    tone = np.sin(np.arange(1600) / 5).astype(np.float32) * 0.5
    heard = Stretch(tone, RATE_HZ, 0.0, (), "pt", final=True)
    kind, body = transcription_form(heard, model="whisper-1", keyterms=["Vivavoce", "Lisboa"], timed=True)
    boundary = kind.partition("boundary=")[2].encode()
    parts = [part.strip(b"\r\n").partition(b"\r\n\r\n") for part in body.split(b"--" + boundary)[1:-1]]
    values = [value for _, _, value in parts[:-1]]
    assert values == [b"whisper-1", b"verbose_json", b"0", b"word", b"segment", b"pt", b"Vivavoce, Lisboa"]
    with wave.open(io.BytesIO(parts[-1][2])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (RATE_HZ, 1, 1600)
        assert np.frombuffer(file.readframes(1600), np.int16).max() == pytest.approx(16384, abs=50)


def test_auto_says_no_language() -> None:
    _, body = transcription_form(stretch(language="auto"), model="m", keyterms=(), timed=False)
    assert b'name="language"' not in body
    assert b'name="timestamp_granularities' not in body


def test_words_have_the_texts_punctuation_and_the_timed_words_times() -> None:
    found = read_transcription(
        answer("Well-known, at 5 p.m.!", ("Well", 0.1, 0.3), ("known", 0.3, 0.6), ("at", 0.7, 0.8), ("5", 0.9, 1.0),
               ("pm", 1.0, 1.4), language="english", segments=[{"avg_logprob": -0.5, "no_speech_prob": 0.2}]),
        stretch(),
    )  # fmt: skip
    assert [(word.text, word.start_ms, word.end_ms) for word in found.words] == [
        ("Well-known,", 1100, 1600),
        ("at", 1700, 1800),
        ("5", 1900, 2000),
        ("p.m.!", 2000, 2400),
    ]
    assert found.words[0].confidence == pytest.approx(0.607, abs=0.001)
    assert (found.language, found.no_speech) == ("en", 0.2)


def test_words_without_times_are_spread() -> None:
    found = read_transcription(json.dumps({"text": "one two"}).encode(), stretch())
    assert [(word.text, word.start_ms, word.end_ms) for word in found.words] == [
        ("one", 1000, 2000),
        ("two", 2000, 3000),
    ]
    assert found.language == "en"


@pytest.mark.parametrize(
    "text",
    ["so we are here now", "So, we're here now", "we are here now", "so so we are here now", "So we are hear now"],
)
def test_what_is_settled_is_not_said_again(text: str) -> None:
    prefix = [Word(word, 1000 + 100 * n, 1100 + 100 * n) for n, word in enumerate(["So", "we", "are", "here"])]
    found = read_transcription(json.dumps({"text": text}).encode(), stretch(*prefix))
    assert [word.text for word in found.words] == ["now"]
    assert found.words[0].start_ms >= 1400


def test_a_repeated_word_stays_repeated() -> None:
    found = read_transcription(b'{"text": "no no no"}', stretch(Word("no", 1000, 1200)))
    assert [word.text for word in found.words] == ["no", "no"]


@given(
    settled=st.lists(st.sampled_from(["a", "b", "c"]), max_size=8),
    following=st.lists(st.sampled_from(["a", "b", "c"]), max_size=8),
)
def test_what_follows_the_settled_words_is_what_is_new(settled: list[str], following: list[str]) -> None:
    prefix = [Word(word, 1000 + 10 * n, 1010 + 10 * n) for n, word in enumerate(settled)]
    found = read_transcription(json.dumps({"text": " ".join([*settled, *following])}).encode(), stretch(*prefix))
    assert [word.text for word in found.words] == following
    times = [time for word in found.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"text": "a", "words": [{"word": "a"}]}', b"null"])
def test_what_is_no_transcription_is_a_leg_error(body: bytes) -> None:
    with pytest.raises(LegError, match="OpenAI's format"):
        read_transcription(body, stretch())


# Over a socket


@pytest.fixture
def sound() -> Samples:
    return np.concatenate([bursts(TEXT, rate_hz=RATE_HZ)[0], np.zeros(RATE_HZ // 5, np.int16)])


@pytest.fixture
def script(tmp_path: Path, sound: Samples) -> Path:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(sound.tobytes())
    words = [[word.text, word.start_ms, word.end_ms] for word in bursts(TEXT, rate_hz=RATE_HZ)[1]]
    (tmp_path / "script.json").write_text(json.dumps({"clips": [{"audio": "a.wav", "words": words}]}), "utf-8")
    return tmp_path / "script.json"


@asynccontextmanager
async def transcription(
    *faults: str, script: Path | None = None, **options: object
) -> AsyncIterator[tuple[HttpEmulator, OpenAITranscription]]:
    kinds = emulator().kinds
    emulated = emulator(script=script, faults=[Fault.parse(text, known=kinds) for text in faults])
    async with emulated.serving() as address, asyncio.timeout(20):
        leg = OpenAITranscription(url=f"http://{address}/v1", **options)  # type: ignore[arg-type]
        try:
            yield emulated, leg
        finally:
            await leg.aclose()


async def final(leg: OpenAITranscription, samples: Samples) -> Hypothesis:
    stream = await leg.open(language="en", keyterms=["Lisbon"], rate_hz=RATE_HZ)
    try:
        await stream.push(Pcm(samples, RATE_HZ, 500.0))
        await stream.finalise(4)
        return await anext(aiter(stream))
    finally:
        await stream.aclose()


@pytest.mark.parametrize("timed", [True, False])
def test_an_utterance_is_recognised(script: Path, sound: Samples, timed: bool) -> None:
    async def main() -> None:
        async with transcription(script=script, timed=timed) as (_, leg):
            found = await final(leg, sound)
            assert (found.text, found.final, found.epoch, found.language) == (TEXT, True, 4, "en")
            expected = bursts(TEXT, rate_hz=RATE_HZ)[1]
            off_ms = 30 if timed else 600
            for word, known in zip(found.words, expected, strict=True):
                assert word.start_ms == pytest.approx(500 + known.start_ms, abs=off_ms)

    asyncio.run(main())


def test_words_that_are_committed_do_not_come_again(script: Path, sound: Samples) -> None:
    async def main() -> None:
        async with transcription(script=script) as (_, leg):
            stream = await leg.open(language="en", rate_hz=RATE_HZ)
            answers = aiter(stream)
            half = len(sound) // 2
            await stream.push(Pcm(sound[:half], RATE_HZ, 0.0))
            stream.partial()
            first = await anext(answers)
            assert not first.final
            stream.commit(first.words[:2])
            await stream.push(Pcm(sound[half:], RATE_HZ, 1000.0 * half / RATE_HZ))
            await stream.finalise(1)
            last = await anext(answers)
            assert [word.text for word in (*first.words[:2], *last.words)] == TEXT.split()
            await stream.aclose()

    asyncio.run(main())


def test_next_to_no_sound_is_not_sent() -> None:
    async def main() -> None:
        async with transcription() as (emulated, leg):
            assert (await final(leg, np.zeros(1000, np.int16))).words == ()
            assert emulated.requests == 0

    asyncio.run(main())


def test_connections_are_opened_before_they_are_needed(script: Path, sound: Samples) -> None:
    async def main() -> None:
        async with transcription(script=script) as (emulated, leg):
            await leg.warm_up()
            await asyncio.gather(final(leg, sound), final(leg, sound))
            assert emulated.connections == 2

    asyncio.run(main())


def test_closing_a_stream_ends_its_request(sound: Samples) -> None:
    async def main() -> None:
        async with transcription("stall") as (emulated, leg):
            stream = await leg.open(language="en", rate_hz=RATE_HZ)
            await stream.push(Pcm(sound, RATE_HZ))
            await stream.finalise(1)
            await emulated.asked.wait()
            await stream.aclose()
            await emulated.left.wait()
            assert emulated.abandoned == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refuse:429", LegRefused),
        ("refuse:503", LegRefused),
        ("abort", LegLost),
        ("close", LegLost),
        ("stall", LegTimeout),
        ("freeze", LegTimeout),
        ("slow:20000", LegTimeout),
        ("garbage", LegError),
    ],
)
def test_failure_4_and_19_are_raised_to_who_listens(fault: str, error: type[LegError], sound: Samples) -> None:
    async def main() -> None:
        async with transcription(fault, timeout_ms=100 if error is LegTimeout else 10_000) as (_, leg):
            with pytest.raises(error):
                await final(leg, sound)

    asyncio.run(main())


def test_the_key_is_in_no_error_and_no_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sound: Samples
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with transcription() as (_, leg):
            for asking in (leg.warm_up(), final(leg, sound)):
                with pytest.raises(LegRefused) as refused:
                    await asking
                assert refused.value.status == 401
                assert "canary" not in f"{refused.value!r} {refused.value.hint}"
                assert "OPENAI_API_KEY" in refused.value.hint

    asyncio.run(main())
    assert "canary" not in caplog.text


def test_without_a_key_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(LegUnavailable, match="OPENAI_API_KEY"):
        OpenAITranscription()
