"""A session's locked terms reach the translator, and are in each clause that has them."""

from __future__ import annotations

import asyncio
import re
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


def capitals(text: str) -> str:
    """Capitals, with a Portuguese word before nouns."""
    return re.sub(r"\b(THE( OLD)?|LE)\b", "DE", text.upper())


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
            return capitals(text)

        await asyncio.sleep(0.01)
        terms = terms_of(glossary or {}, source, target)
        said = await checked(clause.text, capitals(clause.text), terms.find(clause.text), terms, ask)
        counts = {"terms": said.terms, "rescued": said.rescued, "missed": said.missed}
        yield TextChunk(self._moved(said.text), clause.epoch, True, **counts)

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


def test_a_term_that_the_translator_misses_is_told_and_stays_in_its_sentence(theatre: Any) -> None:
    """The sentence's translation is gone on with where a term is missed in it: the clause alone has it no better."""
    mt = Locking()
    words = theatre.say("When the rain stopped, the man went home, and he heats boilers for a living every day.", 500)
    stage = theatre.run(lambda: theatre.Stage(words, mt=mt, glossary=GLOSSARY))
    said = stage.told(Translated)
    assert len(said) > 1
    assert [line.missed for line in said] == [line.terms for line in said]
    assert sum(line.missed for line in said) == 1
    assert [line.rescued for line in said] == [0] * len(said)


@pytest.mark.parametrize("anywhere_ms", [0, 2000, 60_000])
@pytest.mark.parametrize("before", range(7))
def test_speech_is_not_cut_inside_a_term(theatre: Any, anywhere_ms: float, before: int) -> None:
    """With proof or without, wherever the term stands when its last word is still to come."""
    words = theatre.say(f"{'red ' * before}heat pump blue white black brown grey pink", 500, word_ms=400)
    ear = theatre.replace(theatre.ear, cut=theatre.replace(theatre.cut, anywhere_ms=anywhere_ms, min_words=1))
    stage = theatre.run(lambda: theatre.Stage(words, mt=Locking(), ear=ear, glossary=GLOSSARY))
    said = stage.told(Translated)
    assert len(said) > 1
    assert [line.terms for line in said] == ["bomba" in line.text.casefold() for line in said]
    assert sum(line.terms for line in said) == 1


def test_where_all_is_one_term_speech_is_cut_all_the_same_in_the_end(theatre: Any) -> None:
    term = " ".join(f"part{letter}" for letter in "abcdefghijklmnopqrstuvwxyzabcdefghijklmn")
    words = theatre.say(term, 500, word_ms=400)
    terms_of({term: "parte"}, "en", "pt")
    stage = theatre.run(lambda: theatre.Stage(words, mt=Locking(), glossary={term: "parte"}))
    said = stage.told(Translated)
    assert 6000 < said[0].at_ms < 9000
    assert " ".join(line.clause.text for line in said) == term


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("the heat pump runs", False),
        ("and the heat", False),
        ("and the heat bump", False),  # not settled: the word may still be "pump"
        ("and the heat of it", True),
        ("and the heat, then", True),
        ("he looked at the boiler", True),
    ],
)
def test_a_term_whose_last_words_are_to_come_is_not_cut_off(text: str, may: bool) -> None:
    terms = terms_of(GLOSSARY, "en", "pt")
    at = text.index("heat") + len("heat") if "heat" in text else len(text)
    assert terms.cut(text, at) is not may


def test_each_language_has_its_own_terms(theatre: Any) -> None:
    """From auto, "pain" in English is not French bread."""
    both = {"en": {"pain": "dolor"}, "fr": {"pain": "pan"}}
    for language, glossary in both.items():
        terms_of(glossary, language, "pt")
    for language, article, rendering in (("en", "the", "dolor"), ("fr", "le", "pan"), ("it", "il", "PAIN")):
        words = theatre.say(f"{article} pain of it", 500)
        stt, mt = theatre.Stt(words, language=language), Locking()
        stage = theatre.run(lambda stt=stt, mt=mt: theatre.Stage(stt.words, "auto", stt, mt, glossaries=both))
        assert stage.told(Translated)[0].text.endswith(f" {rendering} OF IT")
        assert all(told == both.get(language) for told in mt.glossaries)


def test_without_a_glossary_none_is_asked_for(theatre: Any) -> None:
    mt = Locking()
    stage = theatre.run(lambda: theatre.Stage(theatre.say("the heat pump", 500), mt=mt))
    assert set(mt.glossaries) == {None}
    assert [(line.terms, line.rescued) for line in stage.told(Translated)] == [(0, 0)]
