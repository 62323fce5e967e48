"""Deepgram's messages, and a session of ours against its emulator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import run_virtual
from vivavoce.emulators.deepgram import emulator, served
from vivavoce.emulators.recognition import Scripted
from vivavoce.errors import LegError, LegUnavailable
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.providers.continuous import ContinuousStream, Result
from vivavoce.providers.deepgram import Deepgram, listen_query, result
from vivavoce.providers.deepgram_socket import decoded

CANARY = "canary-deepgram-0123456789"
TEXT = "one two three, four five six. Seven eight nine, ten eleven twelve."
RESULTS = """{"type":"Results","channel_index":[0,1],"duration":1.98,"start":5.99,"is_final":true,"speech_final":false,
"channel":{"alternatives":[{"transcript":"Tell me more.","confidence":0.99964225,"languages":["en-US","es"],"words":[
{"word":"tell","start":6.07,"end":6.39,"confidence":0.98,"punctuated_word":"Tell","language":"en"},
{"word":"me","start":6.39,"end":6.63,"confidence":0.99,"punctuated_word":"me","language":"en"},
{"word":"more","start":6.63,"end":6.79,"confidence":0.97,"language":"en"}]}]},"metadata":{"request_id":
"1f1b2c1e-0000-4000-8000-000000000000","model_info":{"name":"general-nova-3","version":"2026-01-01.0","arch":"nova-3"},
"model_uuid":"00000000-0000-4000-8000-000000000000"},"from_finalize":true}"""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", CANARY)


def test_the_query_says_everything_that_is_asked_for() -> None:
    options: dict[str, Any] = {"model": "nova-3", "keyterms": ["Vivavoce", "R&D"], "rate_hz": 8000}
    query = parse_qs(listen_query(language="auto", extra={"mip_opt_out": "true"}, **options))
    assert query["language"] == ["multi"]
    assert query["keyterm"] == ["Vivavoce", "R&D"]
    assert (query["encoding"], query["sample_rate"], query["channels"]) == (["linear16"], ["8000"], ["1"])
    assert (query["interim_results"], query["endpointing"], query["mip_opt_out"]) == (["true"], ["false"], ["true"])
    assert parse_qs(listen_query(language="es", extra={"smart_format": "false"}, **options))["smart_format"] == [
        "false"
    ]


def test_a_result_is_understood() -> None:
    words = (Word("Tell", 6070, 6390, 0.98), Word("me", 6390, 6630, 0.99), Word("more", 6630, 6790, 0.97))
    assert result(decoded(RESULTS)) == Result(words, True, pytest.approx(7970), from_finalise=True, language="en")
    interim = json.loads(RESULTS) | {"is_final": False, "from_finalize": False}
    interim["channel"]["alternatives"][0].pop("languages")
    found = result(interim)
    assert found is not None
    assert (found.final, found.from_finalise, found.language) == (False, False, "")


@pytest.mark.parametrize(
    "message",
    [
        '{"type":"Metadata","transaction_key":"deprecated","request_id":"a","sha256":"b","created":"c","duration":0.0,"channels":0}',
        '{"type":"SpeechStarted","channel":[0,1],"timestamp":9.54}',
        '{"type":"UtteranceEnd","channel":[0,1],"last_word_end":2.395}',
        '{"type":"What comes next year"}',
    ],
)
def test_what_says_nothing_about_words_is_passed_over(message: str) -> None:
    assert result(decoded(message)) is None


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "{}",
        '{"type":"Resul',
        '{"type":"Results"}',
        '{"type":"Results","start":0,"duration":1,"channel":{"alternatives":[]}}',
        '{"type":"Results","start":"x","duration":1,"channel":{"alternatives":[{"words":[]}]}}',
        '{"type":"Error","variant":"SchemaError","description":"no","message":"x"}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_message_or_an_error_is_an_error_of_the_leg(message: str | bytes) -> None:
    with pytest.raises(LegError, match="deepgram"):
        result(decoded(message))


def test_a_key_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY")
    monkeypatch.setenv("VIVAVOCE_SECRETS", str(tmp_path / "none.env"))
    with pytest.raises(LegUnavailable, match="DEEPGRAM_API_KEY"):
        Deepgram()


@asynccontextmanager
async def session(address: str, **options: Any) -> AsyncIterator[ContinuousStream]:
    deepgram = Deepgram(url=f"ws://{address}", cadence_ms=100, **options)
    stream = await deepgram.open(language="en")
    try:
        async with asyncio.timeout(100):
            yield stream
    finally:
        await stream.aclose()
        await deepgram.aclose()


def frames(script: Path, *, start_ms: float = 0.0, end_ms: float | None = None) -> list[Pcm]:
    sound, _ = soundfile.read(script.parent / "clip.wav", dtype="int16")
    stop = len(sound) if end_ms is None else round(end_ms * 16)
    return [Pcm(sound[at : min(at + 320, stop)], 16000, at / 16) for at in range(round(start_ms * 16), stop, 320)]


async def heard(stream: ContinuousStream) -> Hypothesis:
    """The next final hypothesis."""
    return await anext(hypothesis async for hypothesis in stream if hypothesis.final)


def test_a_session_hears_every_word_in_session_time(script: Path) -> None:
    words = json.loads(script.read_text("utf-8"))["clips"][0]["words"]

    async def main() -> None:
        async with emulator(script=script).serving() as address, session(address) as stream:
            partials = 0
            found: list[Word] = []
            for number in range(0, 12, 3):
                # Pauses are not sent, as the interpreter does it.
                for pcm in frames(script, start_ms=words[number][1] - 260, end_ms=words[number + 2][2] + 200):
                    await stream.push(pcm, voiced=True)
                await stream.finalise(number)
                async for hypothesis in stream:
                    partials += not hypothesis.final
                    if hypothesis.final:
                        assert hypothesis.epoch == number
                        found += hypothesis.words
                        break
                stream.reset()
            assert [word.text for word in found] == TEXT.split()
            assert [word.start_ms for word in found] == [pytest.approx(start_ms, abs=2) for _, start_ms, _ in words]
            assert [word.end_ms for word in found] == [pytest.approx(end_ms, abs=2) for _, _, end_ms in words]
            assert partials > 0

    asyncio.run(main())


def test_committed_words_are_not_heard_again(script: Path) -> None:
    async def main() -> None:
        async with emulator(script=script).serving() as address, session(address) as stream:
            committed: list[str] = []
            for pcm in frames(script):
                await stream.push(pcm)
            await stream.finalise(1)
            async for hypothesis in stream:
                words = hypothesis.words if hypothesis.final else hypothesis.words[:-1]
                committed += [word.text for word in words]
                stream.commit(words)
                if hypothesis.final:
                    break
            assert committed == TEXT.split()

    asyncio.run(main())


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_word_is_heard_once_however_finals_commits_and_resets_fall(script: Path, data: st.DataObject) -> None:
    """As the interpreter does it: partials settle words, a final ends an utterance or is overtaken by more speech."""
    steps = st.sampled_from(["push", "push", "push", "final", "overtaken", "commit"])

    async def main() -> list[str]:
        found: list[Word] = []
        queue = frames(script)
        async with emulator(script=script).serving() as address, session(address, spare=0) as stream:
            epoch = 0
            while queue:
                step = data.draw(steps)
                if step == "push":
                    count = data.draw(st.integers(6, 40))  # sound of less than 0.1 s may go without an answer
                    for pcm in queue[:count]:
                        await stream.push(pcm)
                    del queue[:count]
                elif step == "commit":
                    count = data.draw(st.integers(0, 4))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.01):
                            words = (await anext(aiter(stream))).words[:count]
                            found += words
                            stream.commit(words)
                else:
                    epoch += 1
                    await stream.finalise(epoch)
                    if step == "final":
                        final = await heard(stream)
                        assert final.epoch == epoch
                        found += final.words
                        stream.reset()
            await stream.finalise(-1)
            found += (await heard(stream)).words
        return [word.text for word in found]

    assert asyncio.run(main()) == TEXT.split()


def test_a_stream_begins_on_a_socket_that_was_open_before(script: Path) -> None:
    async def main() -> None:
        emulated = served(Scripted(script))
        async with emulated.serving() as address:
            deepgram = Deepgram(url=f"ws://{address}", spare=1)
            await deepgram.warm_up()
            streams = [await deepgram.open(language="en") for _ in range(2)]
            await deepgram.warm_up()
            assert emulated.connections == 3
            streams.append(await deepgram.open(language="en"))
            assert emulated.connections == 3
            # Other settings are another address.
            streams.append(await deepgram.open(language="en", keyterms=["one"]))
            assert emulated.connections >= 4
            paths = {urlsplit(line.path).query for line in emulated.lines}
            assert len(paths) == 2
            await asyncio.gather(*(stream.aclose() for stream in streams))
            await deepgram.aclose()
            assert len([task for task in asyncio.all_tasks() if "SocketPool" in repr(task)]) == 0

    asyncio.run(main())


def test_spare_sockets_of_the_last_few_settings_only_are_kept(script: Path) -> None:
    async def main() -> None:
        async with emulator(script=script).serving() as address:
            deepgram = Deepgram(url=f"ws://{address}")
            for number in range(8):
                stream = await deepgram.open(language="en", keyterms=[f"term {number}"])
                await stream.aclose()
            assert len(deepgram._sockets._pools) == 4
            await deepgram.aclose()
            await asyncio.sleep(0)
            assert not [task for task in asyncio.all_tasks() if "SocketPool" in repr(task)]

    asyncio.run(main())


def test_silence_is_kept_alive_on_streams_and_on_spare_sockets(script: Path) -> None:
    async def main() -> None:
        emulated = served(Scripted(script))
        async with emulated.serving() as address:
            deepgram = Deepgram(url=f"ws://{address}")
            stream = await deepgram.open(language="en")
            await deepgram.warm_up()
            lines = set(emulated.lines)
            await asyncio.sleep(60)
            assert emulated.lines == lines
            assert len(lines) == 2
            for pcm in frames(script, end_ms=2000):
                await stream.push(pcm)
            await stream.finalise(1)
            assert (await heard(stream)).text == "one two three,"
            await stream.aclose()
            await deepgram.aclose()

    run_virtual(main())


def test_closing_says_so_and_leaves_no_task(script: Path) -> None:
    async def main() -> None:
        async with emulator(script=script).serving() as address:
            before = len(asyncio.all_tasks())
            async with session(address, spare=0) as stream:
                for pcm in frames(script, end_ms=1000):
                    await stream.push(pcm)
            await stream.aclose()
            assert [hypothesis async for hypothesis in stream] == []
        assert len(asyncio.all_tasks()) <= before

    asyncio.run(main())


def test_the_key_is_in_no_log_and_no_error(script: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> list[str]:
        said: list[str] = []
        async with served(Scripted(script)).serving() as address, session(address) as stream:
            said.append(repr(stream))
            await stream._line._socket.say(json.dumps({"type": CANARY}))
            with pytest.raises(LegError) as refused:
                await heard(stream)
            said.append(str(refused.value) + repr(refused.value.__cause__))
        return said

    with caplog.at_level(logging.DEBUG):
        said = asyncio.run(main())
    assert not any(CANARY in text for text in [*said, caplog.text])
