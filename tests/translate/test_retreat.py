"""A whole leg is down for a while: the session goes on without it, says why, and has it back. On virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import SystemClock
from vivavoce.config.routes import RouteSettings
from vivavoce.errors import LegLost
from vivavoce.legs.values import Clause, SpeechChunk, TextChunk
from vivavoce.providers.speech_queue import Utterance
from vivavoce.routing.mt import RoutedTranslator
from vivavoce.routing.route import Route, Switch
from vivavoce.routing.stt import RoutedStt
from vivavoce.routing.tts import RoutedSynthesizer
from vivavoce.translate.events import Notice, NoticeKind, Translated

RATE_HZ = 16000
FROM_S, UNTIL_S = 3.0, 10.0
TEXTS = {500.0: "good morning everybody", 3500.0: "nobody is there", 11_000.0: "here we are again"}


@dataclass
class Outage:
    """Both engines of one leg are down from 3 to 10 s: they break off, or do not answer any more."""

    hangs: bool
    switches: list[Switch] = field(default_factory=list)

    async def befall(self) -> None:
        if FROM_S <= asyncio.get_running_loop().time() < UNTIL_S:
            if self.hangs:
                await asyncio.Event().wait()
            raise LegLost("nobody is at home")

    def route(self, leg: str) -> Route:
        settings = RouteSettings(
            order=["one", "two"], deadline_ms=400, stall_ms=400, window_s=60, least=20, retry_s=1, longest_retry_s=4
        )
        return Route(leg, settings, clock=SystemClock(), tell=self.switches.append)

    def assert_told(self) -> None:
        """That nobody served, with the reason, and that somebody does again."""
        down = [switch for switch in self.switches if switch.to_engine is None]
        back = [switch for switch in self.switches if switch.from_engine is None]
        assert len(down) == len(back) == 1
        assert down[0].reason
        assert FROM_S <= down[0].at_s < UNTIL_S <= back[0].at_s
        assert back[0].to_engine in ("one", "two")


@pytest.fixture(params=["breaks", "hangs"])
def outage(request: pytest.FixtureRequest) -> Outage:
    return Outage(hangs=request.param == "hangs")


def play(theatre: Any, legs: Callable[[list[Any]], dict[str, Any]]) -> Any:
    words = [word for start_ms, text in TEXTS.items() for word in theatre.say(text, start_ms)]
    stage = theatre.run(lambda: theatre.Stage(words, **legs(words)))
    # Whatever is down, the original is heard from its first frame to its last.
    assert stage.original / RATE_HZ * 1000 >= words[-1].end_ms
    return stage


def spoken_between(stage: Any, from_s: float, until_s: float) -> bool:
    sound = np.concatenate(stage.dub)
    return bool(sound[round(from_s * RATE_HZ) : round(until_s * RATE_HZ)].any())


def the_notice(stage: Any, kind: NoticeKind) -> str:
    (notice,) = (notice for notice in stage.told(Notice) if notice.kind is kind)
    assert FROM_S * 1000 <= notice.at_ms < UNTIL_S * 1000
    text: str = notice.text
    return text


def test_without_recognition_the_original_voice_stays(theatre: Any, outage: Outage) -> None:
    class Hearing(theatre.Stt):  # type: ignore[misc]
        async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
            if not outage.hangs:
                await outage.befall()
            await super().push(pcm, voiced=voiced)

        async def _answer(self, *args: Any, **options: Any) -> None:
            await outage.befall()
            await super()._answer(*args, **options)

    class Engine:
        def __init__(self, words: list[Any]) -> None:
            self.words = words

        async def open(self, **options: Any) -> Any:
            await outage.befall()
            return Hearing(self.words)

    def legs(words: list[Any]) -> dict[str, Any]:
        return {"stt": RoutedStt(outage.route("stt"), lambda name: Engine(words))}

    stage = play(theatre, legs)
    assert [said.text for said in stage.told(Translated)] == ["GOOD MORNING EVERYBODY", "HERE WE ARE AGAIN"]
    assert the_notice(stage, NoticeKind.STT_FAILED).endswith("; the original voice stays")
    assert not spoken_between(stage, FROM_S, UNTIL_S)
    assert spoken_between(stage, UNTIL_S, 20.0)
    outage.assert_told()


def test_without_translation_there_are_captions(theatre: Any, outage: Outage) -> None:
    class Engine(theatre.Capitals):  # type: ignore[misc]
        async def translate(self, clause: Clause, **options: Any) -> AsyncIterator[TextChunk]:
            await outage.befall()
            async for chunk in super().translate(clause, **options):
                yield chunk

    stage = play(theatre, lambda words: {"mt": RoutedTranslator(outage.route("mt"), lambda name: Engine())})
    first, caption, last = stage.told(Translated)
    assert (first.text, last.text) == ("GOOD MORNING EVERYBODY", "HERE WE ARE AGAIN")
    assert (caption.text, caption.spoken) == ("nobody is there", False)
    assert the_notice(stage, NoticeKind.MT_FAILED).endswith("; the original text is shown")
    assert stage.heard_lines == [first.line, last.line]
    outage.assert_told()


def speaking(theatre: Any, outage: Outage) -> RoutedSynthesizer:
    class Engine(theatre.Voice):  # type: ignore[misc]
        async def open(self, **options: Any) -> Any:
            await outage.befall()
            return await super().open(**options)

        async def _speak(self, utterance: Utterance) -> AsyncGenerator[SpeechChunk, None]:
            await outage.befall()
            async for chunk in super()._speak(utterance):
                yield chunk

    return RoutedSynthesizer(outage.route("tts"), lambda name: Engine())


def test_without_a_voice_subtitles_go_on(theatre: Any, outage: Outage) -> None:
    stage = play(theatre, lambda words: {"voice": speaking(theatre, outage)})
    said = stage.told(Translated)
    assert [line.text for line in said] == ["GOOD MORNING EVERYBODY", "NOBODY IS THERE", "HERE WE ARE AGAIN"]
    assert the_notice(stage, NoticeKind.TTS_FAILED).endswith("; subtitles go on")
    assert stage.heard_lines == [said[0].line, said[2].line]
    outage.assert_told()


def test_subtitles_do_not_wait_for_a_voice_that_does_not_come(theatre: Any) -> None:
    words = [*theatre.say("good morning", 500), *theatre.say("one two three", 3200)]
    for number in range(4):
        words += theatre.say("four five", 5800 + 1000 * number)
    stage = theatre.run(lambda: theatre.Stage(words, voice=speaking(theatre, Outage(hangs=True))))
    late = [said.at_ms - said.clause.end_ms for said in stage.told(Translated) if said.clause.start_ms > 5000]
    assert len(late) == 4
    assert max(late) < 2 * 400 + 500
