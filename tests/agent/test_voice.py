from __future__ import annotations

import asyncio
from typing import Any

from vivavoce.agent.dialogue import Line
from vivavoce.agent.voice import Voice
from vivavoce.clock import run_virtual
from vivavoce.providers.speech_queue import SpeechQueue


class Slow:
    """A made-up engine: a word of sound each 100 ms."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self.words: list[str] = []

    def open(self) -> SpeechQueue:
        return SpeechQueue(self._speak, rate_hz=8000)

    async def _speak(self, utterance: Any) -> Any:
        for word in utterance.text.split():
            await self._stage.after(100)
            self.words.append(word)
            yield self._stage.chunk(utterance.epoch, word)


def test_the_first_piece_does_not_wait_for_the_last(stage: Any) -> None:
    async def main() -> tuple[float, list[int]]:
        stream = Slow(stage).open()
        speech = Voice(stream).speech([Line("one two", fixed=False), Line("three", fixed=False)])
        await speech.ready()
        ready_ms = stage.now_ms()
        numbers = [n async for n, _ in speech]
        await stream.aclose()
        return ready_ms, numbers

    assert run_virtual(main()) == (100.0, [0, 0, 1])


def test_a_line_that_is_cancelled_is_made_anew_and_whole(stage: Any) -> None:
    async def main() -> tuple[list[str], dict[str, Any]]:
        engine, fixed = Slow(stage), {}
        stream = engine.open()
        voice = Voice(stream, fixed=fixed)
        speech = voice.speech([Line("one two three", fixed=True)])
        await speech.ready()
        speech.cancel()
        assert [n async for n, _ in speech] in ([], [0])
        assert fixed == {}
        await voice.warm([Line("four", fixed=True), Line("four", fixed=True)])
        await stream.aclose()
        return engine.words, fixed

    words, fixed = run_virtual(main())
    assert words[-1] == "four"
    assert words.count("four") == 1
    assert list(fixed) == ["four"]


def test_what_goes_wrong_is_told_to_who_speaks(stage: Any) -> None:
    async def main() -> str:
        async def broken(_: Any) -> Any:
            raise ValueError("no voice")
            yield

        stream = SpeechQueue(broken, rate_hz=8000)
        speech = Voice(stream).speech([Line("one", fixed=False)])
        try:
            async for _ in speech:
                pass
        except ValueError as error:
            return str(error)
        finally:
            await stream.aclose()
        return ""

    assert "no voice" in run_virtual(asyncio.wait_for(main(), 60))
