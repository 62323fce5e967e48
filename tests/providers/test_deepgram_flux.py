"""Flux's turns as hypotheses, and a session of ours against its emulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
import soundfile

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import run_virtual
from vivavoce.emulators.deepgram import emulator, served
from vivavoce.emulators.faults import Fault
from vivavoce.emulators.line import Line
from vivavoce.emulators.recognition import Scripted
from vivavoce.emulators.websocket import WebSocketEmulator
from vivavoce.errors import LegError
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.providers.continuous import ContinuousStream, Result
from vivavoce.providers.deepgram_flux import DeepgramFlux, flux_query, result
from vivavoce.providers.deepgram_socket import decoded

TEXT = "one two three, four five six. Seven eight nine, ten eleven twelve."
TURN: dict[str, Any] = {
    "type": "TurnInfo",
    "request_id": "00000000-0000-4000-8000-000000000000",
    "sequence_id": 11,
    "event": "EndOfTurn",
    "turn_index": 0,
    "audio_window_start": 0.0,
    "audio_window_end": 1.6,
    "transcript": "Hello there.",
    "words": [{"word": "Hello", "confidence": 0.9, "start": 0.24, "end": 0.5}, {"word": "there.", "confidence": 0.8}],
    "end_of_turn_confidence": 0.83,
    "trigger": "manual",
}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "canary-flux")


def test_the_query_chooses_the_model_by_language_and_takes_turn_ends_off() -> None:
    options: dict[str, Any] = {"model": "", "keyterms": ["a", "b"], "rate_hz": 16000, "extra": {}}
    english, spanish, any_language = (parse_qs(flux_query(language=one, **options)) for one in ("en", "es", "auto"))
    assert (english["model"], english["eot_threshold"], english["keyterm"]) == (
        ["flux-general-en"],
        ["1.0"],
        ["a", "b"],
    )
    assert (spanish["model"], spanish["language_hint"]) == (["flux-general-multi"], ["es"])
    assert any_language["model"] == ["flux-general-multi"]
    assert "language_hint" not in any_language
    assert "eager_eot_threshold" not in english


def test_a_turn_is_understood_with_and_without_times_of_its_words() -> None:
    spread = result(decoded(json.dumps(TURN)))
    assert spread is not None
    assert [(word.text, word.end_ms <= 1600) for word in spread.words] == [("Hello", True), ("there.", True)]
    timed = TURN | {"words": TURN["words"][:1], "languages": ["en"], "trigger": "model"}
    assert result(timed) == Result((Word("Hello", 240, 500, 0.9),), True, 1600, language="en")
    for event in ("Update", "StartOfTurn", "EagerEndOfTurn", "TurnResumed"):
        found = result(TURN | {"event": event, "trigger": None})
        assert found is not None
        assert not found.final
    assert result({"type": "Connected"}) is None
    with pytest.raises(LegError):
        result({"type": "TurnInfo"})


@asynccontextmanager
async def session(address: str, **options: Any) -> AsyncIterator[ContinuousStream]:
    flux = DeepgramFlux(url=f"ws://{address}", **options)
    stream = await flux.open(language="en")
    try:
        async with asyncio.timeout(100):
            yield stream
    finally:
        await stream.aclose()
        await flux.aclose()


async def push(stream: ContinuousStream, script: Path, start_ms: float, end_ms: float) -> None:
    sound, _ = soundfile.read(script.parent / "clip.wav", dtype="int16")
    for at in range(round(start_ms * 16), round(end_ms * 16), 320):
        await stream.push(Pcm(sound[at : at + 320], 16000, at / 16))


async def heard(stream: ContinuousStream) -> list[Hypothesis]:
    """Hypotheses up to the next final one."""
    found: list[Hypothesis] = []
    async for hypothesis in stream:
        found.append(hypothesis)
        if hypothesis.final:
            break
    return found


def test_a_session_hears_every_word_in_session_time(script: Path) -> None:
    words = json.loads(script.read_text("utf-8"))["clips"][0]["words"]

    async def main() -> None:
        async with emulator(script=script).serving() as address, session(address) as stream:
            found: list[Word] = []
            for number in range(0, 12, 3):
                await push(stream, script, words[number][1] - 260, words[number + 2][2] + 200)
                await stream.finalise(number)
                *partials, final = await heard(stream)
                assert partials
                assert final.epoch == number
                found += final.words
                stream.reset()
            assert [word.text for word in found] == TEXT.split()
            assert [word.start_ms for word in found] == [pytest.approx(start_ms, abs=2) for _, start_ms, _ in words]

    asyncio.run(main())


def test_a_finalise_without_a_turn_is_answered(script: Path) -> None:
    """Flux ignores ForceEndTurn where nobody spoke."""

    async def main() -> None:
        async with emulator(script=script).serving() as address, session(address) as stream:
            for number in range(20):
                await stream.push(Pcm(np.zeros(320, np.int16), 16000, 20 * number))
            await stream.finalise(3)
            final = (await heard(stream))[-1]
            assert (final.words, final.epoch) == ((), 3)
            stream.reset()
            await push(stream, script, 400, 2000)
            await stream.finalise(4)
            assert (await heard(stream))[-1].text == "one two three,"

    asyncio.run(main())


def test_a_stalled_finalise_stays_unanswered(script: Path) -> None:
    async def main() -> None:
        emulated = served(Scripted(script))
        async with emulated.serving() as address, session(address) as stream:
            await emulated.inject(Fault("stall"))
            await push(stream, script, 0, 2000)
            await stream.finalise(1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await heard(stream)

    run_virtual(main())


def test_failure_7_a_resumed_turn_leaves_no_final_that_stands(script: Path) -> None:
    words = json.loads(script.read_text("utf-8"))["clips"][0]["words"]

    async def main() -> None:
        emulated = served(Scripted(script), faults=[Fault("resumed")])
        async with emulated.serving() as address, session(address) as stream:
            await push(stream, script, 0, 2600)
            await stream.finalise(1)
            *partials, final = await heard(stream)
            assert not any(hypothesis.final for hypothesis in partials)
            assert [word.text for word in final.words] == [text for text, _, end_ms in words if end_ms < 2600]

    asyncio.run(main())


def test_a_turn_that_cannot_be_read_is_an_error_of_the_leg() -> None:
    async def odd(line: Line) -> None:
        async for _ in line:
            await line.send(TURN | {"languages": [None]})

    async def main() -> None:
        async with WebSocketEmulator(odd).serving() as address, session(address) as stream:
            await stream.push(Pcm(np.ones(320, np.int16), 16000))
            with pytest.raises(LegError, match="AttributeError"):
                await heard(stream)

    asyncio.run(main())


def test_silence_is_kept_alive_with_text(script: Path) -> None:
    async def main() -> None:
        emulated = served(Scripted(script))
        async with emulated.serving() as address, session(address) as stream:
            await asyncio.sleep(60)
            await push(stream, script, 0, 2000)
            await stream.finalise(1)
            assert (await heard(stream))[-1].text == "one two three,"

    run_virtual(main())


def test_closing_leaves_no_task(script: Path) -> None:
    async def main() -> None:
        async with emulator(script=script).serving() as address:
            before = len(asyncio.all_tasks())
            async with session(address, spare=0) as stream:
                await push(stream, script, 0, 300)
                await stream.finalise(1)
        assert len(asyncio.all_tasks()) <= before

    asyncio.run(main())
