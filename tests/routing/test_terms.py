"""Locked terms are in what comes out, whatever the engine makes of them; and what cannot be mended is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.clock import SystemClock, run_virtual
from vivavoce.errors import LegError, ModelError
from vivavoce.legs.values import Clause, TextChunk, TokenUsage
from vivavoce.models import ModelStore
from vivavoce.providers.apertium import MODES, Apertium
from vivavoce.providers.bergamot import Bergamot
from vivavoce.providers.pairs import PairTable
from vivavoce.providers.pivot import Pairs
from vivavoce.routing.mt import RoutedTranslator
from vivavoce.routing.route import Route
from vivavoce.routing.terms import Checked, checked
from vivavoce.text.terms import Terms, terms_of

WORDS = st.sampled_from(["door", "front", "key", "C++", "it", "a", "Dr", "e-mail", "no.", ".NET", "!"])
PHRASES = st.lists(WORDS, min_size=1, max_size=2).map(" ".join)


def engine(answers: Mapping[str, str], other: Callable[[str], str] = str.upper) -> Callable[[str], Awaitable[str]]:
    async def translate(text: str) -> str:
        return answers.get(text, other(text))

    return translate


def mended(text: str, glossary: dict[str, str], ask: Callable[[str], Awaitable[str]], target: str = "pt") -> Checked:
    terms = Terms(glossary, source="en", target=target, inflected=False)

    async def main() -> Checked:
        return await checked(text, await ask(text), terms.find(text), terms, ask)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "glossary", "expected"),
    [
        ("open the door", {"window": "janela"}, Checked("OPEN THE DOOR")),
        ("open the door.", {"door": "porta"}, Checked("OPEN THE porta.", 1, 1)),
        ("the DOOR, the door", {"Door": "porta"}, Checked("THE porta, THE porta", 2, 2)),
        ("the front door", {"door": "porta", "front door": "entrada"}, Checked("THE entrada", 1, 1)),
        ("c++ and c", {"c++": "C mais mais"}, Checked("C mais mais AND C", 1, 1)),
        ("say door", {"door": "door"}, Checked("SAY DOOR", 1, 0)),
        ("Doors", {"Doors": "portas"}, Checked("Portas", 1, 1)),
    ],
)
def test_renderings_stand_where_the_engine_s_own_words_were(
    text: str, glossary: dict[str, str], expected: Checked
) -> None:
    assert mended(text, glossary, engine({})) == expected


def test_the_rest_of_the_answer_is_left_alone_and_the_article_agrees() -> None:
    answers = {"the mailbox is full": "o correio está cheio", "mailbox": "Correio."}
    said = mended("the mailbox is full", {"mailbox": "caixa postal"}, engine(answers))
    assert said == Checked("a caixa postal está cheio", 1, 1)


def test_where_its_own_word_is_not_found_the_term_goes_through_as_a_name() -> None:
    answers = {"press the key": "prima o botão", "key": "chave", "press the Vextal": "prima o Vextal"}
    said = mended("press the key", {"key": "tecla"}, engine(answers))
    assert said == Checked("prima a tecla", 1, 1)


def test_an_engine_that_changes_names_is_asked_for_the_parts() -> None:
    scramble = engine({"door": "nothing like it"}, lambda text: text[::-1].upper())
    assert mended("abc door, door def", {"door": "porta"}, scramble) == Checked("CBA porta, porta FED", 2, 2)


def test_more_terms_than_names_are_all_rendered() -> None:
    said = mended("door " * 20, {"door": "porta"}, engine({}, lambda text: "?"))
    assert (said.text, said.rescued) == (" ".join(["porta"] * 20), 20)


@settings(deadline=None)
@given(
    st.lists(WORDS, max_size=8).map(" ".join),
    st.dictionaries(PHRASES, PHRASES, max_size=4),
    st.sampled_from(
        [str.upper, str.title, lambda text: text[::-1], lambda text: "", lambda text: text[: len(text) // 2]]
    ),
    st.sampled_from(["pt", "fr", "de"]),
)
def test_whatever_the_engine_says_every_term_is_rendered(
    text: str, glossary: dict[str, str], says: Callable[[str], str], target: str
) -> None:
    terms = Terms(glossary, source="en", target=target, inflected=False)
    locked = terms.find(text)
    said = mended(text, glossary, engine({}, says), target)
    assert (said.terms, said.missed) == (len(locked), len(terms.missing(locked, said.text)))
    assert said.missed == 0


class Engine:
    """Implements `Translator`: says what `answers` has, else capitals. The `failing` requests, counted from 0, fail."""

    prompt_version = "v1"

    def __init__(
        self, answers: Mapping[str, str] | None = None, failing: Mapping[int, Exception] | None = None
    ) -> None:
        self.answers, self.failing = dict(answers or {}), dict(failing or {})
        self.asked: list[tuple[str, tuple[str, ...], Mapping[str, str] | None]] = []

    async def translate(
        self, clause: Clause, *, source: str, target: str, context: Any = (), glossary: Any = None
    ) -> AsyncIterator[TextChunk]:
        self.asked.append((clause.text, tuple(context), glossary))
        await asyncio.sleep(0.02)
        if (error := self.failing.get(len(self.asked) - 1)) is not None:
            raise error
        yield TextChunk(self.answers.get(clause.text, clause.text.upper()), clause.epoch, last=False)
        yield TextChunk("", clause.epoch, last=True, usage=TokenUsage(10, 1))

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


GLOSSARY = {"heat pump": "bomba de calor", "boiler": "caldeira"}


def routed(kit: Any, one: Engine, text: str, *, glossary: Mapping[str, str] = GLOSSARY, times: int = 1) -> TextChunk:
    terms_of(glossary, "en", "pt")  # making it ready takes no virtual time

    async def main() -> TextChunk:
        route = Route("mt", kit.settings_of("one"), clock=SystemClock())
        translator = RoutedTranslator(route, lambda name: one)
        for _ in range(times):
            chunks = translator.translate(
                Clause(text, 0.0, 900.0, epoch=5), source="en", target="pt", context=["before"], glossary=glossary
            )
            (chunk,) = [chunk async for chunk in chunks]
        return chunk

    return run_virtual(main())


def test_an_engine_is_told_the_terms_of_the_clause_as_they_are_written(kit: Any) -> None:
    one = Engine({"The Heat Pumps run": "As bombas de calor andam"})
    chunk = routed(kit, one, "The Heat Pumps run")
    assert one.asked == [("The Heat Pumps run", ("before",), {"Heat Pumps": "bombas de calor"})]
    assert (chunk.text, chunk.terms, chunk.rescued) == ("As bombas de calor andam", 1, 0)


def test_a_clause_without_terms_is_asked_as_without_a_glossary(kit: Any) -> None:
    one = Engine()
    chunk = routed(kit, one, "nothing of it")
    assert one.asked == [("nothing of it", ("before",), None)]
    assert (chunk.terms, chunk.rescued) == (0, 0)


def test_what_mending_took_is_counted_and_the_engine_s_own_word_is_asked_for_once(kit: Any) -> None:
    one = Engine()
    chunk = routed(kit, one, "the heat pump runs", times=2)
    assert (chunk.text, chunk.terms, chunk.rescued) == ("THE bomba de calor RUNS", 1, 1)
    assert [text for text, _, _ in one.asked] == ["the heat pump runs", "heat pump", "the heat pump runs"]
    assert chunk.usage == TokenUsage(10, 1)
    assert routed(kit, Engine(), "the heat pump runs").usage == TokenUsage(20, 2)


@pytest.mark.parametrize("error", [LegError("broke"), ModelError("no weights")])
def test_an_engine_that_fails_at_mending_loses_no_clause(kit: Any, error: Exception) -> None:
    chunk = routed(kit, Engine(failing={1: error}), "the boiler")
    assert (chunk.text, chunk.terms, chunk.rescued) == ("THE BOILER", 1, 0)


def test_mending_has_the_time_of_one_answer(kit: Any) -> None:
    class Slow(Engine):
        async def translate(self, clause: Clause, **options: Any) -> AsyncIterator[TextChunk]:
            if self.asked:
                await asyncio.sleep(60)
            async for chunk in super().translate(clause, **options):
                yield chunk

    chunk = routed(kit, Slow(), "the boiler")
    assert (chunk.text, chunk.rescued) == ("THE BOILER", 0)


def test_an_empty_answer_stays_empty(kit: Any) -> None:
    one = Engine({"the boiler": ""})
    chunk = routed(kit, one, "the boiler")
    assert (chunk.text, chunk.terms, chunk.rescued, len(one.asked)) == ("", 1, 0, 1)


@pytest.mark.parametrize(
    ("pair", "sentences", "glossary"),
    [
        (
            "en-pt",
            ["Press the pound key to leave voicemail.", "Your mailboxes are full.", "The account of the agent."],
            {
                "pound key": "tecla jogo da velha",
                "voicemail": "correio de voz",
                "mailbox": "caixa postal",
                "account": "cadastro",
                "agent": "atendente",
            },
        ),
        (
            "it-en",
            ["Premere il tasto cancelletto.", "Le caselle di posta.", "L'operatore dell'elenco è occupato."],
            {
                "tasto cancelletto": "pound key",
                "casella di posta": "mailbox",
                "operatore": "attendant",
                "elenco": "directory",
            },
        ),
    ],
)
def test_embedded_engines_render_every_term(pair: str, sentences: list[str], glossary: dict[str, str]) -> None:
    source, _, target = pair.partition("-")
    for hop in (route := PairTable.load().route(source, target)).hops:
        if hop.engine == "apertium" and not (MODES / f"{hop.mode}.mode").is_file():
            pytest.skip(f"the Apertium mode {hop.mode} is not installed")
        if hop.engine == "bergamot":
            try:
                ModelStore().folder(f"bergamot-{hop.mode}")
            except ModelError as error:
                pytest.skip(f"Bergamot cannot run: {error.message}")

    async def main() -> None:
        terms = terms_of(glossary, source, target)
        pairs = Pairs(PairTable([route]), lambda name: Bergamot() if name == "bergamot" else Apertium())
        async with aclosing(pairs):

            async def ask(text: str) -> str:
                chunks = pairs.translate(Clause(text, 0.0, 0.0), source=source, target=target)
                return "".join([chunk.text async for chunk in chunks])

            for text in sentences:
                locked = terms.find(text)
                said = await checked(text, await ask(text), locked, terms, ask)
                assert (said.terms > 0, said.missed) == (True, 0), said

    asyncio.run(main())
