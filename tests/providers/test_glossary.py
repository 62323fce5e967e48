from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from vivavoce.providers.glossary import locked_terms, translate_locked


async def shout(text: str) -> str:
    """An engine that keeps invented names and capitalises all else."""
    return " ".join(word if word[:1].isupper() else word.upper() for word in text.split())


async def scramble(text: str) -> str:
    """An engine that keeps nothing."""
    return text.upper()[::-1]


def locked(text: str, glossary: dict[str, str], engine: Callable[[str], Awaitable[str]] = shout) -> str:
    return asyncio.run(translate_locked(text, glossary, engine))


@pytest.mark.parametrize(
    ("text", "glossary", "expected"),
    [
        ("open the door", {}, "OPEN THE DOOR"),
        ("open the door", {"window": "janela"}, "OPEN THE DOOR"),
        ("open the door.", {"door": "porta"}, "OPEN THE porta."),
        ("the DOOR, the door", {"Door": "porta"}, "THE porta, THE porta"),
        ("outdoor doors", {"door": "porta"}, "OUTDOOR DOORS"),
        ("the front door", {"door": "porta", "front door": "entrada"}, "THE entrada"),
        ("c++ and c", {"c++": "C mais mais"}, "C mais mais AND C"),
        ("open it", {" ": "x"}, "OPEN IT"),
    ],
)
def test_terms_are_rendered_as_the_glossary_says(text: str, glossary: dict[str, str], expected: str) -> None:
    assert locked(text, glossary) == expected


def test_an_engine_that_changes_names_cannot_lose_a_term() -> None:
    assert locked("abc door, door def", {"door": "porta"}, scramble) == "CBA porta, porta FED"


def test_more_terms_than_names_are_all_rendered() -> None:
    assert locked("door " * 20, {"door": "porta"}) == " ".join(["porta"] * 20)


def test_terms_of_a_text_are_told_as_they_are_written_there() -> None:
    glossary = {"heat pump": "bomba de calor", "boiler": "caldeira"}
    assert locked_terms("The Heat Pump, no heat pumps", glossary) == {"Heat Pump": "bomba de calor"}
    assert locked_terms("nothing", glossary) == locked_terms("the boiler", {}) == {}
