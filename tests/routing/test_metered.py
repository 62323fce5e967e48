"""Routed legs count what each engine was made to do: nothing twice, and what was done by one that failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from vivavoce.clock import SystemClock, run_virtual
from vivavoce.errors import LegLost
from vivavoce.ledger.prices import packaged_prices
from vivavoce.ledger.usage import UsageMeter
from vivavoce.legs.values import Clause, TextChunk, TokenUsage
from vivavoce.providers.synthesis_cache import SynthesisCache
from vivavoce.routing.mt import RoutedTranslator
from vivavoce.routing.route import Route
from vivavoce.routing.tts import RoutedSynthesizer


class Book:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.meter = UsageMeter(
            prices=packaged_prices(), now_ms=lambda: 1_782_000_000_000, write=lambda row: self.rows.append({**row})
        )

    def told(self, *columns: str) -> list[tuple[Any, ...]]:
        self.meter.close()
        return [tuple(row[column] for column in columns) for row in self.rows]


def test_recognition_counts_the_sound_that_each_engine_was_given(kit: Any) -> None:
    async def main() -> None:
        words = kit.said("one two three four five six seven eight nine ten")
        book, one, two = Book(), kit.Recogniser(words, "one"), kit.Recogniser(words, "two")
        drive = kit.Drive(one, two)
        drive.routed = drive.routed.metered_by(book.meter)
        await drive.run(3000.0, faults=[(1500.0, "one", "dead")])
        first, second = book.told("engine", "sound_ms", "place", "why", "asked")
        assert first == ("one", 1500, 1, "", 0)
        assert second[:1] + second[2:] == ("two", 2, "LegLost", 1)
        # What was kept is heard again, and is charged again.
        assert second[1] == two.pushes * kit.FRAME_MS >= 1500

    run_virtual(main())


def test_a_voice_counts_text_and_sound_and_what_was_made_before_costs_nothing(kit: Any) -> None:
    async def main() -> None:
        book = Book()
        route = Route("tts", kit.settings_of("one"), clock=SystemClock())
        cached = SynthesisCache(kit.Speaker("one"), provider="one")
        stream = await RoutedSynthesizer(route, lambda _: cached, meter=book.meter).open(
            voice="", language="pt", rate_hz=16000
        )
        heard_ms = 0.0
        for epoch in (1, 2):
            await stream.push("and so we go", epoch)
            await stream.flush(epoch)
            async for chunk in stream:
                heard_ms += chunk.pcm.duration_ms
                if chunk.last:
                    break
        await stream.aclose()
        ((characters, sound_ms, asked),) = book.told("characters", "sound_ms", "asked")
        assert characters == 2 * len("and so we go")
        assert sound_ms == round(heard_ms / 2) > 0
        assert asked == 1

    run_virtual(main())


def test_who_speaks_on_is_counted_for_the_rest_alone(kit: Any) -> None:
    async def main() -> None:
        book, one, two = Book(), kit.Speaker("one"), kit.Speaker("two")
        speakers = {"one": one, "two": two}
        route = Route("tts", kit.settings_of(*speakers), clock=SystemClock())
        stream = await RoutedSynthesizer(route, speakers.__getitem__, meter=book.meter).open(
            voice="", language="pt", rate_hz=16000
        )
        text = "and so we go to the house where no light is"
        await stream.push(text, 1)
        await stream.flush(1)
        heard_ms = 0.0
        async for chunk in stream:
            heard_ms += chunk.pcm.duration_ms
            if heard_ms and one.fault != "dead":
                one.fault = "dead"
            if chunk.last:
                break
        await stream.aclose()
        rows = {row[0]: row[1:] for row in book.told("engine", "characters", "sound_ms", "why")}
        assert rows["one"][0] == len(text)
        assert 0 < rows["two"][0] < len(text)
        assert rows["one"][1] + rows["two"][1] == round(heard_ms)
        assert rows["two"][2] == "LegLost"

    run_virtual(main())


class Writer:
    """Implements `Translator`; `tokens` are those it tells."""

    prompt_version = "v9"

    def __init__(self, *, tokens: TokenUsage | None = None, dead: bool = False) -> None:
        self._tokens, self._dead = tokens, dead

    async def translate(self, clause: Clause, **_: Any) -> AsyncIterator[TextChunk]:
        await asyncio.sleep(0.02)
        if self._dead:
            raise LegLost("gone")
        yield TextChunk(clause.text.upper(), clause.epoch, last=True, usage=self._tokens)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


def test_translation_counts_characters_tokens_and_the_prompts_version(kit: Any) -> None:
    async def main() -> None:
        book = Book()
        writers = {"gemini": Writer(tokens=TokenUsage(300, 12)), "dead": Writer(dead=True)}
        route = Route("mt", kit.settings_of("dead", "gemini"), clock=SystemClock())
        translator = RoutedTranslator(route, writers.__getitem__, meter=book.meter)
        for text in ("one two", "three"):
            async for _ in translator.translate(Clause(text, 0.0, 1.0), source="en", target="pt"):
                pass
        ((*told, cost_nano),) = book.told(
            "engine", "characters", "tokens_in", "tokens_out", "prompt_version", "asked", "why", "cost_nano"
        )
        assert told == ["gemini", 12, 600, 24, "v9", 2, "LegLost"]
        assert cost_nano == 600 * 100 + 24 * 400

    run_virtual(main())
