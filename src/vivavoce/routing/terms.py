"""Locked terms in what an engine answered: checked, and mended where it did not render one as told.

A sentence that is right is never made worse. A rendering is put where the engine's own word for the term stands, and
nothing else of its answer is changed but the article before. Its own word is what it says for the term alone or, where
that is not there, what gives way to an invented name in the term's place. Where neither tells, the term is a miss.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from vivavoce.errors import ConfigError, LegError, ModelError, PairUnavailable
from vivavoce.text.agreement import agreeing
from vivavoce.text.nouns import articles, bare, begins, is_noun, knows_nouns, with_article
from vivavoce.text.patterns import Token, places, tokens
from vivavoce.text.terms import Locked, Terms

Ask = Callable[[str], Awaitable[str]]
"""A text's translation by the engine that answered, without a glossary."""

FAILS: Final = (LegError, ModelError, ConfigError, PairUnavailable, TimeoutError)
"""What ends mending: the answer stays as far as it was mended."""
_MOST_ASKED: Final = 4
"""Translations that mending one clause may take."""
# In 40 sentences of each of seven routes every one of these came through in at least 98 of 100 cases.
_NAMES: Final = ("Vextal", "Kelbrin", "Plaxor", "Drovik", "Zorbex", "Wexlun", "Tormiq", "Quilmar")
_ELIDING: Final = ("Ervexal", "Albrinok", "Orvextal", "Ildrovik", "Arbexon", "Elxundar", "Ormiqual", "Ulmarix")
"""In their places behind an apostrophe, which would be wrong before the others."""
_SHORTEST_WORD: Final = 3
_MOST_WORDS: Final = 3
"""Of the engine's own words for a term, as an invented name shows them."""
_LEAST_ALIKE: Final = 0.4
"""Of two translations, with the term and with a name, to tell from the one what stands where in the other."""

Place = tuple[int, int, Locked]
"""From where to where an answer has the engine's own word for a term."""


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


async def checked(
    text: str, answer: str, locked: Sequence[Locked], terms: Terms, ask: Ask, *, within_s: float | None = None
) -> Checked:
    """An engine's answer to a text with the text's `locked` terms rendered, where that is sure and `within_s` allows.

    What `ask` fails with ends the mending: see `FAILS`.
    """
    missing = terms.missing(locked, answer)
    wanting, best = len(missing), answer
    if any(each.sure for each in missing) and answer.strip() and knows_nouns(terms.target):
        with suppress(*FAILS):
            async with asyncio.timeout(within_s):
                async for found in _mended(_Asked(text, answer, ask), locked, missing, terms):
                    lacking = terms.missing(locked, found)
                    if len(lacking) < len(missing):
                        best, missing = found, lacking
    return Checked(best, len(locked), wanting - len(missing), len(missing))


class _Asked:
    """What an engine says to a clause and to parts of it; nothing is asked for twice."""

    def __init__(self, text: str, answer: str, ask: Ask) -> None:
        self.text, self.answer, self._ask = text, answer, ask
        self._known = {text: answer}
        self.left = _MOST_ASKED

    async def __call__(self, text: str) -> str:
        if (known := self._known.get(text)) is None:
            self.left -= 1
            known = self._known[text] = await self._ask(text)
        return known


async def _mended(
    asked: _Asked, locked: Sequence[Locked], missing: Sequence[Locked], terms: Terms
) -> AsyncIterator[str]:
    """The answer with ever more renderings in it."""
    found: list[Place] = []
    for written in dict.fromkeys(each.written for each in missing if each.sure):
        if own := await _places_of(asked, written, locked, missing, terms):
            found += own
            yield _with(asked, found, terms)
    here = {each.start for _, _, each in found}
    rest = {each.term for each in missing if each.sure and each.start not in here}
    spans = [each for each in locked if each.term in rest and each.sure and not each.many]
    if spans and asked.left:
        named = await _in_context(asked, spans[: len(_NAMES)], terms)
        found += [place for place in named if place[2].start not in here]
        yield _with(asked, found, terms)


async def _places_of(
    asked: _Asked, written: str, locked: Sequence[Locked], missing: Sequence[Locked], terms: Terms
) -> list[Place]:
    """Where the answer has the engine's own word for a term, by what it says for the term alone or with its article.

    None where it has this, outside other renderings, not as often as the text has the term. The last request is left
    for `_in_context`.
    """
    there = [each for each in missing if each.written == written and each.sure]
    first = there[0]
    named = asked.text[with_article(asked.text, first.start, terms.source) : first.end]
    words = tokens(asked.answer)
    held = [place for each in locked if each.term != first.term for place in places(each.rendering, asked.answer)]
    for phrase in dict.fromkeys((written, named)):
        if asked.left <= 1:
            break
        own = bare(await asked(phrase), terms.target)
        at = places(own, asked.answer) if len(own) >= _SHORTEST_WORD else []
        if not (first.name and len(tokens(own)) > 1):
            at = [(start, end) for start, end in at if _fits(words, start, first, terms)]
        at = [(start, end) for start, end in at if not any(a < end and start < b for a, b in held)]
        # A model that says the same to all that it does not know says nothing of the term.
        if len(words) == len(tokens(own)) and len(tokens(named)) < len(tokens(asked.text)):
            break
        if len(at) == len(there):
            return [(start, end, each) for (start, end), each in zip(at, there, strict=True)]
    return []


async def _in_context(asked: _Asked, spans: Sequence[Locked], terms: Terms) -> list[Place]:
    """What of the answer gives way to names in the terms' places, where the rest of the translation stays."""
    names = _names_for(asked.text, spans)
    renderings = {name.casefold(): each for name, each in zip(names, spans, strict=True)}
    named = tokens(await asked(_named(asked.text, spans, names)))
    words = tokens(asked.answer)
    alike = SequenceMatcher(None, [each.key for each in words], [each.key for each in named], autojunk=False)
    counts = Counter(each.key for each in named)
    if alike.ratio() < _LEAST_ALIKE:
        return []
    found: list[Place] = []
    for change, start, end, named_start, named_end in alike.get_opcodes():
        span = renderings.get(named[named_end - 1].key) if change == "replace" else None
        if span is None or counts[named[named_end - 1].key] != 1:
            continue
        own = _own(words[start:end], named[named_start : named_end - 1], articles(terms.target) | {"'"})
        if not 0 < len(own) <= _MOST_WORDS or any(each.sign for each in own):
            continue
        place = own[0].start, own[-1].end, span
        rendered = not terms.missing([span], asked.answer[place[0] : place[1]])
        if not rendered and _fits(words, place[0], span, terms):
            found.append(place)
    return found


def _own(words: Sequence[Token], before: Sequence[Token], marks: Collection[str]) -> Sequence[Token]:
    """What of the `words` stands for a name that has other words `before` it; none where that is not plain.

    Articles, `marks`, are left out, and as many words before these as the name has before its own.
    """
    heads = [next((n for n, each in enumerate(part) if each.key in marks), len(part)) for part in (words, before)]
    head = heads[1]
    if any(each.key not in marks for each in before[head:]) or (head and heads[0] != head) or head == len(before) > 0:
        return ()
    first = head
    while first < len(words) - 1 and words[first].key in marks:
        first += 1
    return words[first:]


def _fits(words: Sequence[Token], start: int, term: Locked, terms: Terms) -> bool:
    """Whether a noun in the number of the term stands at a character of the target's text."""
    at = next(at for at, word in enumerate(words) if word.start == start)
    return is_noun(words, at, terms.target, many=term.many) or begins(words, at)


def _names_for(text: str, spans: Sequence[Locked]) -> list[str]:
    return [
        (_ELIDING if text[: each.start].endswith(("'", "’")) else _NAMES)[number] for number, each in enumerate(spans)
    ]


def _named(text: str, spans: Sequence[Locked], names: Sequence[str]) -> str:
    said = ""
    at = 0
    for each, name in zip(spans, names, strict=True):
        said, at = said + text[at : each.start] + name, each.end
    return said + text[at:]


def _with(asked: _Asked, found: Iterable[Place], terms: Terms) -> str:
    """The answer with renderings in their places, with the capitals that are there, and articles that agree.

    One before which an article would have to be guessed is left out.
    """
    text, said, at = asked.answer, "", 0
    words = tokens(text)
    for start, end, term in _apart(found):
        article = with_article(asked.text, term.start, terms.source) < term.start
        before = agreeing(text[at:start], term.rendering, terms.target, article=article)
        if before is None:
            continue
        first = next(n for n, word in enumerate(words) if word.start == start)
        capital = begins(words, first) and text[start].isupper() and term.rendering.islower()
        rendering = term.rendering[0].upper() + term.rendering[1:] if capital else term.rendering
        said, at = f"{said}{before}{rendering}", end
    return said + text[at:]


def _apart(found: Iterable[Place]) -> list[Place]:
    """In order, without what overlaps something before it."""
    kept: list[Place] = []
    for each in sorted(found, key=lambda place: place[:2]):
        if not kept or each[0] >= kept[-1][1]:
            kept.append(each)
    return kept
