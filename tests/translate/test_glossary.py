"""A session's locked terms reach the translator, and are in each clause that has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from vivavoce.legs.values import Clause, TextChunk
from vivavoce.routing.terms import checked
from vivavoce.text.terms import terms_of
from vivavoce.translate.events import Translated

GLOSSARY = {"heat pump": "bomba", "boiler": "caldeira"}
LONG = (
    "When the rain stopped, the engineer looked at the heat pump and then he walked to the boiler. "
    "Nobody had seen the heat pumps since the morning, but he remembered where the old boiler was."
)


@pytest.fixture(autouse=True)
def ready() -> None:
    """Making a glossary ready takes no virtual time."""
    terms_of(GLOSSARY, "en", "pt")


class Locking:
    """Translates into capitals, with renderings as a router has them; `moved` changes whole translations."""

    def __init__(self, moved: Callable[[str], str] = str) -> None:
        self._moved = moved
        self.glossaries: list[Mapping[str, str] | None] = []

    async def translate(
        self, clause: Clause, *, source: str, target: str, context: Any = (), glossary: Any = None
    ) -> AsyncIterator[TextChunk]:
        self.glossaries.append(glossary)

        async def ask(text: str) -> str:
            return text.upper()

        await asyncio.sleep(0.01)
        terms = terms_of(glossary or {}, source, target)
        said = await checked(clause.text, clause.text.upper(), terms.find(clause.text), terms, ask)
        yield TextChunk(self._moved(said.text), clause.epoch, True, terms=said.terms, rescued=said.rescued)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


def test_each_clause_tells_its_terms_and_what_was_mended(theatre: Any) -> None:
    mt = Locking()
    stage = theatre.run(lambda: theatre.Stage(theatre.say(LONG, 500), mt=mt, glossary=GLOSSARY))
    said = stage.told(Translated)
    terms = terms_of(GLOSSARY, "en", "pt")
    assert len(said) > 2
    assert sum(line.terms for line in said) == len(terms.find(LONG)) == 4
    assert [line.terms for line in said] == [line.rescued for line in said]
    assert all(not terms.missing(terms.find(line.clause.text), line.text) for line in said)
    assert all(glossary == GLOSSARY for glossary in mt.glossaries)


def test_a_rendering_that_the_sentence_has_elsewhere_is_heard_with_its_clause(theatre: Any) -> None:
    def first(text: str) -> str:
        """What stands at the end of a sentence is moved to its beginning."""
        words = text.split()
        return " ".join([words[-1], *words[:-1]]) if len(words) > 8 else text

    words = theatre.say("He walked down the old stairs and slowly came to the boiler.", 500)
    stage = theatre.run(lambda: theatre.Stage(words, mt=Locking(first), glossary=GLOSSARY))
    terms = terms_of(GLOSSARY, "en", "pt")
    for line in stage.told(Translated):
        assert not terms.missing(terms.find(line.clause.text), line.text)


def test_speech_is_not_cut_inside_a_term(theatre: Any) -> None:
    words = theatre.say("red green heat pump blue white black brown grey", 500, word_ms=400)
    ear = theatre.replace(theatre.ear, cut=theatre.replace(theatre.cut, anywhere_ms=60_000, min_words=2))
    stage = theatre.run(lambda: theatre.Stage(words, mt=Locking(), ear=ear, glossary=GLOSSARY))
    said = stage.told(Translated)
    assert len(said) > 1
    assert [line.text for line in said if line.terms] == [line.text for line in said if "bomba" in line.text] != []


def test_without_a_glossary_none_is_asked_for(theatre: Any) -> None:
    mt = Locking()
    stage = theatre.run(lambda: theatre.Stage(theatre.say("the heat pump", 500), mt=mt))
    assert set(mt.glossaries) == {None}
    assert [(line.terms, line.rescued) for line in stage.told(Translated)] == [(0, 0)]
