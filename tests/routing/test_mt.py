"""A clause whose translator fails is translated by the next, whole and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.clock import SystemClock, run_virtual
from vivavoce.errors import LegCapped, LegError, LegLost, LegTimeout, ModelError, PairUnavailable
from vivavoce.legs.values import Clause, TextChunk, TokenUsage
from vivavoce.routing.mt import RoutedTranslator
from vivavoce.routing.route import Route, Switch

CLAUSE = Clause("one two three", 0.0, 900.0, epoch=5)


@dataclass
class Writer:
    """Implements `Translator`: a word as a chunk, 20 ms apart.

    Faults: dead, late, cut or stalled after two words, of another pair, without weights.
    """

    name: str
    fault: str = ""
    asked: int = 0
    given_up: int = 0
    options: tuple[Any, ...] = ()
    usage: TokenUsage | None = None

    async def translate(self, clause: Clause, **options: Any) -> AsyncIterator[TextChunk]:
        self.asked += 1
        self.options = tuple(sorted(options.items()))
        if self.fault == "dead":
            raise LegLost(f"{self.name} broke off")
        if self.fault == "pair":
            raise PairUnavailable(f"{self.name} does not know this pair")
        if self.fault == "weights":
            raise ModelError(f"{self.name} has no weights")
        try:
            for number, word in enumerate(clause.text.split()):
                await asyncio.sleep(10.0 if self.fault == "late" else 0.02)
                if number == 2 and self.fault == "cut":
                    raise LegLost(f"{self.name} was cut")
                if number == 2 and self.fault == "stall":
                    await asyncio.sleep(60)
                used = self.usage if number == 2 else None
                yield TextChunk(f"{self.name}:{word} ", clause.epoch, last=number == 2, usage=used)
        except (asyncio.CancelledError, GeneratorExit):
            self.given_up += 1
            raise

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


def routed(kit: Any, *writers: Writer, guard: Any = None) -> tuple[RoutedTranslator, list[Switch], Route]:
    switches: list[Switch] = []
    named = {writer.name: writer for writer in writers}
    route = Route("mt", kit.settings_of(*named), clock=SystemClock(), tell=switches.append)
    return RoutedTranslator(route, named.__getitem__, guard=guard), switches, route


async def text_of(translator: RoutedTranslator) -> str:
    chunks = [c async for c in translator.translate(CLAUSE, source="en", target="pt", glossary={"a": "b"})]
    assert [chunk.last for chunk in chunks] == [True]
    assert chunks[0].epoch == CLAUSE.epoch
    return chunks[0].text


@pytest.mark.parametrize("usage", [None, TokenUsage(70, 3)])
def test_what_the_clause_used_comes_with_it(kit: Any, usage: TokenUsage | None) -> None:
    async def main() -> None:
        translator, _, _ = routed(kit, Writer("first", "cut", usage=TokenUsage(9, 9)), Writer("second", usage=usage))
        chunks = [chunk async for chunk in translator.translate(CLAUSE, source="en", target="pt")]
        assert chunks == [TextChunk("second:one second:two second:three ", 5, last=True, usage=usage)]

    run_virtual(main())


@pytest.mark.parametrize(
    ("fault", "after_s"),
    [("dead", 0.06), ("late", 0.46), ("cut", 0.12), ("stall", 0.5), ("pair", 0.06), ("weights", 0.06)],
)
def test_the_clause_is_begun_again_by_the_next(kit: Any, fault: str, after_s: float) -> None:
    async def main() -> None:
        one, two = Writer("one", fault), Writer("two")
        translator, switches, _ = routed(kit, one, two)
        assert await text_of(translator) == "two:one two:two two:three "
        assert asyncio.get_running_loop().time() == pytest.approx(after_s, abs=0.01)
        assert [(s.from_engine, s.to_engine) for s in switches] == [("one", "two")]
        assert one.options == two.options  # languages, context and glossary survive
        assert one.given_up == (fault in ("late", "stall"))

    run_virtual(main())


def test_a_pair_that_it_does_not_know_is_no_failure(kit: Any) -> None:
    async def main() -> None:
        one = Writer("one", "pair")
        translator, _, route = routed(kit, one, Writer("two"))
        await text_of(translator)
        assert route.status()[0].failed == 0
        alone, _, _ = routed(kit, one)
        with pytest.raises(PairUnavailable):
            await text_of(alone)

    run_virtual(main())


def test_a_failed_translator_is_left_alone_and_comes_back(kit: Any) -> None:
    async def main() -> None:
        one = Writer("one", "dead")
        translator, switches, _ = routed(kit, one, Writer("two"))
        await text_of(translator)
        await text_of(translator)
        assert one.asked == 1
        one.fault = ""
        await asyncio.sleep(6)
        assert (await text_of(translator)).startswith("one:")
        assert [s.to_engine for s in switches] == ["two", "one"]

    run_virtual(main())


def test_that_nobody_translates_is_told_once_and_that_somebody_does_again(kit: Any) -> None:
    async def main() -> None:
        one, two = Writer("one", "dead"), Writer("two", "dead")
        translator, switches, _ = routed(kit, one, two)
        for _ in range(3):
            with pytest.raises(LegError):
                await text_of(translator)
        one.fault = ""
        await asyncio.sleep(6)
        await text_of(translator)
        assert [(s.from_engine, s.to_engine) for s in switches] == [("one", "two"), ("two", None), (None, "one")]

    run_virtual(main())


def test_where_nobody_translates_the_last_reason_is_raised(kit: Any) -> None:
    async def main() -> None:
        translator, switches, _ = routed(kit, Writer("one", "dead"), Writer("two", "cut"))
        with pytest.raises(LegError, match="two was cut"):
            await text_of(translator)
        assert switches[-1].to_engine is None

    run_virtual(main())


def test_who_has_nobody_behind_it_is_waited_for_longer_but_not_for_ever(kit: Any) -> None:
    async def main() -> None:
        translator, switches, _ = routed(kit, Writer("one", "late"))
        with pytest.raises(LegTimeout):
            await text_of(translator)
        assert asyncio.get_running_loop().time() == pytest.approx(2.0, abs=0.1)
        assert switches[-1].to_engine is None

    run_virtual(main())


def test_who_may_not_be_paid_any_more_is_followed_by_who_may(kit: Any) -> None:
    class Guard:
        reason = "today's cap"

        def __init__(self, *refused: str) -> None:
            self.refused, self.asked = refused, list[Interval]()

        def ask(self, interval: Interval) -> Verdict:
            self.asked.append(interval)
            return Verdict.DEGRADE if interval.engine in self.refused else Verdict.GO

        def done(self, interval: Interval) -> None:
            pass

    async def main() -> None:
        one, two = Writer("one"), Writer("two")
        guard = Guard("one")
        translator, _, route = routed(kit, one, two, guard=guard)
        assert (await text_of(translator)).startswith("two:")
        assert guard.asked == [Interval("mt", name, len(CLAUSE.text), "characters") for name in ("one", "two")]
        assert (one.asked, route.status()[0].failed) == (0, 0)
        translator, _, _ = routed(kit, one, two, guard=Guard("one", "two"))
        with pytest.raises(LegCapped, match="cap"):
            await text_of(translator)

    run_virtual(main())


def test_cancelling_reaches_the_translator(kit: Any) -> None:
    async def main() -> None:
        one = Writer("one", "late")
        translator, _, route = routed(kit, one, Writer("two"))
        task = asyncio.create_task(text_of(translator))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert one.given_up == 1
        assert sum(status.serving for status in route.status()) == 0

    run_virtual(main())


def test_a_late_one_is_told_by_what_it_did(kit: Any) -> None:
    async def main() -> None:
        translator, switches, _ = routed(kit, Writer("one", "stall"), Writer("two"))
        await text_of(translator)
        assert "stopped after 2 pieces" in switches[0].reason
        assert issubclass(LegTimeout, LegError)

    run_virtual(main())
