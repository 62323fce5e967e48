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
from vivavoce.errors import ConfigError, LegError, ModelError
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


def mended(
    text: str,
    glossary: dict[str, str],
    ask: Callable[[str], Awaitable[str]],
    pair: str = "en-pt",
    *,
    inflected: bool = False,
) -> Checked:
    source, _, target = pair.partition("-")
    terms = Terms(glossary, source=source, target=target, inflected=inflected)

    async def main() -> Checked:
        return await checked(text, await ask(text), terms.find(text), terms, ask)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "answers", "glossary", "expected"),
    [
        ("open the door", {}, {"window": "janela"}, Checked("OPEN THE DOOR")),
        (
            "open the door.",
            {"open the door.": "abra o portão.", "door": "Portão."},
            {"door": "porta"},
            Checked("abra a porta.", 1, 1),
        ),
        (
            "the door, the door",
            {"the door, the door": "O portão, o portão", "door": "portão"},
            {"door": "porta"},
            Checked("A porta, a porta", 2, 2),
        ),
        (
            "the mailbox is full",
            {"the mailbox is full": "o correio está cheio", "mailbox": "Correio."},
            {"mailbox": "caixa postal"},
            Checked("a caixa postal está cheio", 1, 1),
        ),
        (
            "the heat pump runs",
            {"the heat pump runs": "Termobomba nova anda", "heat pump": "termobomba nova"},
            {"heat pump": "bomba de calor"},
            Checked("Bomba de calor anda", 1, 1),
        ),
        (
            "the account. The account?",
            {"the account. The account?": "a conta. A conta?", "account": "conta", "The account": "A conta"},
            {"account": "cadastro"},
            Checked("o cadastro. O cadastro?", 2, 2),
        ),
        ("say door", {}, {"door": "door"}, Checked("SAY DOOR", 1, 0)),
    ],
)
def test_renderings_stand_where_the_engine_s_own_words_were(
    text: str, answers: dict[str, str], glossary: dict[str, str], expected: Checked
) -> None:
    assert mended(text, glossary, engine(answers)) == expected


def test_a_capital_comes_back_behind_a_question_s_sign() -> None:
    answers = {"Is the account closed?": "¿Cuenta cerrada?", "account": "cuenta"}
    assert mended("Is the account closed?", {"account": "ficha"}, engine(answers), "en-es").text == "¿Ficha cerrada?"


def test_its_own_word_is_what_gives_way_to_a_name() -> None:
    answers = {
        "press the key now": "prima o botão agora",
        "key": "chave",
        "the key": "a chave",
        "press the Vextal now": "prima a Vextal agora",
    }
    assert mended("press the key now", {"key": "tecla"}, engine(answers)) == Checked("prima a tecla agora", 1, 1)


def test_a_verb_before_the_name_may_change_with_it() -> None:
    answers = {
        "It was the season of light.": "Fue la época de la luz.",
        "season": "temporada",
        "the season": "la temporada",
        "It was the Vextal of light.": "Era el Vextal de la luz.",
    }
    said = mended("It was the season of light.", {"season": "estación"}, engine(answers), "en-es")
    assert said.text == "Fue la estación de la luz."


@pytest.mark.parametrize(
    "named", ["carregue no Vextal", "prima a Vextal Vextal agora", "prima agora", "prima a velha Vextal agora", ""]
)
def test_a_name_that_changes_more_than_its_place_tells_nothing(named: str) -> None:
    answers = {"press the key now": "prima o botão agora", "key": "chave", "press the Vextal now": named}
    assert mended("press the key now", {"key": "tecla"}, engine(answers)) == Checked("prima o botão agora", 1, 0, 1)


def test_other_renderings_are_left_alone() -> None:
    text = "your account and your bank account"
    answers = {text: "o seu perfil e a sua conta bancária", "account": "conta"}
    said = mended(text, {"account": "cadastro", "bank account": "conta bancária"}, engine(answers, lambda text: "?"))
    assert said == Checked(answers[text], 2, 0, 1)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_mending_takes_few_requests_and_none_twice(count: int) -> None:
    nouns = ["boiler", "valve", "pump", "pipe", "tank", "filter", "gauge", "motor", "fan", "belt"][:count]
    asked: list[str] = []

    async def ask(text: str) -> str:
        asked.append(text)
        return "nada de nada"

    text = "the " + ", the ".join(nouns)
    assert mended(text, {noun: f"z{noun}" for noun in nouns}, ask) == Checked("nada de nada", count, 0, count)
    assert len(asked) == len(set(asked)) <= 1 + 4


def test_a_term_that_is_all_of_a_clause_is_not_asked_for_again() -> None:
    asked: list[str] = []

    async def ask(text: str) -> str:
        asked.append(text)
        return "Maçã"

    mended("Apple Pie", {"Apple Pie": "Torta"}, ask)
    assert asked.count("Apple Pie") == 1


@settings(deadline=None)
@given(
    st.lists(WORDS, max_size=8).map(" ".join),
    st.dictionaries(PHRASES, PHRASES, max_size=4),
    st.sampled_from(
        [str.upper, str.title, lambda text: text[::-1], lambda text: "", lambda text: text[: len(text) // 2]]
    ),
    st.sampled_from(["pt", "fr", "de"]),
)
def test_whatever_the_engine_says_what_is_missed_is_told(
    text: str, glossary: dict[str, str], says: Callable[[str], str], target: str
) -> None:
    terms = Terms(glossary, source="en", target=target, inflected=False)
    locked = terms.find(text)
    said = mended(text, glossary, engine({}, says), f"en-{target}")
    assert (said.terms, said.missed) == (len(locked), len(terms.missing(locked, said.text)))
    assert said.missed + said.rescued == len(terms.missing(locked, says(text)))
    assert said.rescued or said.text == says(text)


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
    assert (chunk.text, chunk.terms, chunk.rescued, chunk.missed) == ("THE bomba de calor RUNS", 1, 1, 0)
    assert [text for text, _, _ in one.asked] == ["the heat pump runs", "heat pump", "the heat pump runs"]
    assert chunk.usage == TokenUsage(10, 1)
    assert routed(kit, Engine(), "the heat pump runs").usage == TokenUsage(20, 2)


@pytest.mark.parametrize("error", [LegError("broke"), ModelError("no weights"), ConfigError("no key", hint="")])
def test_an_engine_that_fails_at_mending_loses_no_clause(kit: Any, error: Exception) -> None:
    chunk = routed(kit, Engine(failing={1: error}), "the boiler")
    assert (chunk.text, chunk.terms, chunk.rescued, chunk.missed) == ("THE BOILER", 1, 0, 1)


def test_what_was_mended_before_a_failure_stays(kit: Any) -> None:
    one = Engine({"the heat pump, the boiler": "termobomba nova, caldeiras"}, {2: LegError("broke")})
    one.answers["heat pump"] = "termobomba nova"
    chunk = routed(kit, one, "the heat pump, the boiler", glossary=GLOSSARY | {"boiler": "forno"})
    assert (chunk.text, chunk.rescued, chunk.missed) == ("bomba de calor, caldeiras", 1, 1)


def test_mending_has_the_time_of_one_answer(kit: Any) -> None:
    class Slow(Engine):
        async def translate(self, clause: Clause, **options: Any) -> AsyncIterator[TextChunk]:
            if self.asked:
                await asyncio.sleep(60)
            async for chunk in super().translate(clause, **options):
                yield chunk

    chunk = routed(kit, Slow(), "the boiler")
    assert (chunk.text, chunk.rescued, chunk.missed) == ("THE BOILER", 0, 1)


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
            ["Premere il tasto cancelletto.", "La casella di posta è piena.", "L'operatore dell'elenco è occupato."],
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
