"""Locked terms in what an engine answered: checked, and mended where it did not render one as told.

As little as can be of the engine's own words is changed. First the rendering is put where the engine's own word for the
term stands; then the clause is translated again with an invented name in the term's place, which engines leave as it
is; then in parts, around the terms. What none of this mends is a miss.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from vivavoce.text.agreement import agreeing
from vivavoce.text.phrases import SENTENCE_ENDS
from vivavoce.text.terms import Locked, Terms, bare, places, with_article

Ask = Callable[[str], Awaitable[str]]
"""A text's translation by the engine that answered, without a glossary."""

# In 40 sentences of each of seven routes every one of these came through in at least 98 of 100 cases.
_NAMES: Final = ("Vextal", "Kelbrin", "Plaxor", "Drovik", "Zorbex", "Wexlun", "Tormiq", "Quilmar")
_NAME: Final = re.compile(rf"(?<!\w)(?:{'|'.join(_NAMES)})(?!\w)")
_SHORTEST_WORD: Final = 3


@dataclass(frozen=True, slots=True)
class Checked:
    """A translation: of the clause's `terms` the check mended `rescued`, and could not mend `missed`."""

    text: str
    terms: int = 0
    rescued: int = 0
    missed: int = 0


def told_of(locked: Iterable[Locked]) -> dict[str, str] | None:
    """What an engine is told of a clause's terms: renderings by the terms as they are written there."""
    return {each.written: each.rendering for each in locked} or None


async def checked(text: str, answer: str, locked: Sequence[Locked], terms: Terms, ask: Ask) -> Checked:
    """An engine's answer to a text with the text's `locked` terms rendered. Raises what `ask` raises."""
    best, missing = answer, terms.missing(locked, answer)
    wanting = len(missing)
    async with aclosing(_mended(text, answer, locked, missing, terms, ask)) as tries:
        while missing:
            try:
                found = await anext(tries)
            except StopAsyncIteration:
                break
            lacking = terms.missing(locked, found)
            if len(lacking) < len(missing):
                best, missing = found, lacking
    return Checked(best, len(locked), wanting - len(missing), len(missing))


async def _mended(
    text: str, answer: str, locked: Sequence[Locked], missing: Sequence[Locked], terms: Terms, ask: Ask
) -> AsyncGenerator[str, None]:
    """One try after the other, the one that changes least first."""
    source, target = terms.source, terms.target
    yield await _in_place(text, answer, missing, source, target, ask)
    for spans in (missing, locked):  # all of them where others were lost around the names
        if (named := await _by_names(text, spans, target, ask)) is not None:
            yield named
    yield await _by_parts(text, locked, target, ask)


async def _in_place(text: str, answer: str, missing: Sequence[Locked], source: str, target: str, ask: Ask) -> str:
    """Renderings for the engine's own words, where it has these as often as the text has the term.

    Its own words are what it says for the term alone or, where these are not there, for the term with its article.
    """
    found: list[tuple[int, int, str]] = []
    for written, count in Counter(each.written for each in missing).items():
        first = next(each for each in missing if each.written == written)
        named = text[with_article(text, first.start, source) : first.end]
        for phrase in dict.fromkeys((written, named)):
            own = bare(await ask(phrase), target)
            at = places(own, answer) if len(own) >= _SHORTEST_WORD else []
            if len(at) == count:
                found += [(start, end, first.rendering) for start, end in at]
                break
    return _with(answer, _apart(found), target)


async def _by_names(text: str, spans: Sequence[Locked], target: str, ask: Ask) -> str | None:
    """None when the translation does not hold every name once."""
    if len(spans) > len(_NAMES):
        return None
    renderings = dict(zip(_NAMES, (each.rendering for each in spans), strict=False))
    named = _replaced(text, ((each.start, each.end, name) for each, name in zip(spans, _NAMES, strict=False)))
    translated = await ask(named)
    found = list(_NAME.finditer(translated))
    if sorted(match[0] for match in found) != sorted(renderings):
        return None
    return _with(translated, [(match.start(), match.end(), renderings[match[0]]) for match in found], target)


async def _by_parts(text: str, locked: Sequence[Locked], target: str, ask: Ask) -> str:
    """What stands between the terms, each part translated by itself."""
    said = ""
    at = 0
    for each in locked:
        before = await _part(text[at : each.start], ask)
        said = _joined(said, agreeing(f"{before} ", each.rendering, target).rstrip() if before else "")
        glue = "" if said.endswith(("'", "’")) else " "
        said, at = f"{said}{glue if said else ''}{each.rendering}", each.end
    return _joined(said, await _part(text[at:], ask))


def _joined(said: str, part: str) -> str:
    return said + part if part.startswith((".", ",", ";", ":", "!", "?")) else f"{said} {part}".strip()


async def _part(text: str, ask: Ask) -> str:
    plain = text.strip()
    return (await ask(plain)).strip() if any(c.isalnum() for c in plain) else plain


def _with(text: str, renderings: Sequence[tuple[int, int, str]], language: str) -> str:
    """A text with renderings in place of stretches of it, from start to end, as they are written there."""
    said = ""
    at = 0
    for start, end, rendering in renderings:
        before = text[at:start]  # a rendering before it stays as it is
        begins = not (said + before).strip() or (said + before).rstrip().endswith(SENTENCE_ENDS)
        capital = begins and text[start : start + 1].isupper() and rendering.islower()
        said += agreeing(before, rendering, language) + (rendering[0].upper() + rendering[1:] if capital else rendering)
        at = end
    return said + text[at:]


def _replaced(text: str, names: Iterable[tuple[int, int, str]]) -> str:
    said = ""
    at = 0
    for start, end, name in names:
        said, at = said + text[at:start] + name, end
    return said + text[at:]


def _apart(found: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """In order, without what overlaps something before it."""
    kept: list[tuple[int, int, str]] = []
    for each in sorted(found):
        if not kept or each[0] >= kept[-1][1]:
            kept.append(each)
    return kept
