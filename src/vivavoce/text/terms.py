"""The terms of a glossary in a text, and their renderings in its translation, whatever their inflection.

A term is found as it is written and in the plural, a rendering in any form that `lemmas` and `plurals` know; where no
rules know a language's plurals, whatever has the stems of its words is a form of it. A term with capitals is found with
these. Of terms that overlap the longest is found.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vivavoce.text.lemmas import forms_of
from vivavoce.text.nouns import articles, begins, is_noun
from vivavoce.text.patterns import Index, Pattern, Token, pattern_of, standing
from vivavoce.text.patterns import places as places  # of this module for who asks where a rendering is
from vivavoce.text.patterns import tokens as tokens
from vivavoce.text.plurals import has_plurals, looks_plural, plural, plurals

_SHORTEST_INFLECTED: Final = 3
_MOST_MADE: Final = 64


@dataclass(frozen=True, slots=True)
class Locked:
    """A term where a text has it, from `start` to `end`, as it is `written` there.

    `rendering` is the glossary's, in the plural where the text has the plural, `many`, and the rendering's is known.
    `sure` says that it may be put into a translation: that the text has the term and no other word that looks like it,
    and that the rendering has its number. `name` terms, with capitals or of several words, are like no other word.
    """

    start: int
    end: int
    written: str
    term: str
    rendering: str
    many: bool = False
    sure: bool = True
    name: bool = False


@dataclass(frozen=True, slots=True)
class _Term:
    """What a pattern stands for: a term of the glossary, `inflected` its plural; `many` also an entry in the plural."""

    term: str
    inflected: bool
    many: bool
    words: int

    @property
    def capitals(self) -> bool:
        return any(c.isupper() for c in self.term)


_made: dict[tuple[tuple[tuple[str, str], ...], str, str], Terms] = {}


class Terms:
    """A glossary made ready for one pair of languages. Making it blocks, with `inflected` for seconds."""

    def __init__(self, glossary: Mapping[str, str], *, source: str, target: str, inflected: bool = True) -> None:
        """`glossary` has renderings by term; entries without a word or sign on either side are left out."""
        self.source, self.target, self._inflected = source, target, inflected
        self._entries = {
            term: rendering.strip() for term, rendering in glossary.items() if tokens(term) and tokens(rendering)
        }
        self._renderings: dict[str, tuple[Pattern, ...]] = {}
        forms = self._forms(self._entries.values())
        self._plural: dict[str, str] = {}
        exact: list[tuple[Pattern, _Term]] = []
        inflected_so: list[tuple[Pattern, _Term]] = []
        for term, rendering in self._entries.items():
            self._renderings[rendering] = self._told(rendering, forms)
            in_plural = plural(rendering, target, forms.get(rendering.split()[0].casefold(), ()))
            if in_plural is not None:
                self._plural[term] = in_plural
            words = sum(not token.sign for token in tokens(term))
            several = looks_plural(term, source) and looks_plural(rendering, target)
            exact.append((pattern_of(term), _Term(term, False, several, words)))
            plural_of_it = _Term(term, True, True, words)
            inflected_so += [(pattern_of(form), plural_of_it) for form in self._plurals_of(term)]
        self._index = Index([*exact, *inflected_so])

    def __bool__(self) -> bool:
        return bool(self._entries)

    def find(self, text: str) -> list[Locked]:
        """The terms that a text has, in order."""
        if not self._entries:
            return []
        found: list[Locked] = []
        words = tokens(text)
        # A recogniser that writes no capitals has none in names either.
        cased = not text.islower()
        for at, until, here in self._index.find(words, cased=cased):
            # Where all is in capitals, "US" may be "us".
            if here.capitals and text.isupper() and until - at < sum(not word.sign for word in words):
                continue
            start, end = words[at].start, words[until - 1].end
            rendering = self._entries[here.term]
            if here.inflected:
                rendering = self._plural.get(here.term, rendering)
            name = here.words > 1 or here.capitals
            sure = self._is_sure(here, words, at, cased=cased and not text.isupper())
            found.append(Locked(start, end, text[start:end], here.term, rendering, here.many, sure, name))
        return found

    def spans(self, text: str) -> list[tuple[int, int]]:
        """From where to where a text that goes on has terms, and past its end one that may come about there."""
        found = [(each.start, each.end) for each in self.find(text)]
        words = tokens(text)
        if (begun := self._index.begun(words, cased=not text.islower())) is not None:
            found.append((words[begun].start, len(text) + 1))
        return found

    def cut(self, text: str, at: int) -> bool:
        """Whether a text that is cut there is cut inside one of these."""
        return any(start < at < end for start, end in self.spans(text))

    def missing(self, locked: Sequence[Locked], translation: str) -> list[Locked]:
        """Those of a text's terms whose rendering its translation lacks.

        Each occurrence needs one; they are given to sure ones first.
        """
        if not locked:
            return []
        wanted = {self._entries[each.term] for each in locked}
        patterns = [(pattern, rendering) for rendering in sorted(wanted) for pattern in self._renderings[rendering]]
        there = Counter(standing(tokens(translation), patterns))
        missing = []
        for each in sorted(locked, key=lambda each: not each.sure):
            rendering = self._entries[each.term]
            if there[rendering]:
                there[rendering] -= 1
            else:
                missing.append(each)
        return sorted(missing, key=lambda each: each.start)

    def _is_sure(self, here: _Term, words: Sequence[Token], at: int, *, cased: bool) -> bool:
        if here.inflected and here.term not in self._plural:
            return False
        if here.words > 1:
            return True
        if not here.capitals:
            return is_noun(words, at, self.source, many=here.many)
        # A sentence begins with a capital whatever its first word is.
        return cased and not (here.term.istitle() and begins(words, at))

    def _forms(self, renderings: Iterable[str]) -> Mapping[str, frozenset[str]]:
        words = {token.key for phrase in renderings for token in tokens(phrase) if _inflects(token)}
        return forms_of(words, self.target) if self._inflected and words else {}

    def _plurals_of(self, term: str) -> Iterator[str]:
        """What a term is found by besides itself."""
        if self._inflected and not any(c.isupper() for c in term):
            yield from sorted({form for form in plurals(term, self.source) if form.casefold() != term.casefold()})

    def _told(self, rendering: str, forms: Mapping[str, frozenset[str]]) -> tuple[Pattern, ...]:
        """What shows that a rendering is there: it, without its article, which may have become one with what is before
        it, its plurals, and any forms of its words."""
        stems = not has_plurals(self.target)
        patterns = [pattern_of(rendering, forms, stems=stems)]
        if self._inflected and not any(c.isupper() for c in rendering):
            patterns += [pattern_of(form, forms) for form in plurals(rendering, self.target)]
        bare = [pattern[1 + (pattern[1].forms == {"'"}) :] for pattern in patterns if len(pattern) > 1]
        if patterns[0][0].forms & articles(self.target) and bare and all(bare):
            return tuple(bare)
        return tuple(patterns)


def terms_of(glossary: Mapping[str, str], source: str, target: str) -> Terms:
    """As `Terms`, remembered. What is new blocks: see `ready_terms`."""
    key = tuple(glossary.items()), source, target
    if (found := _made.get(key)) is None:
        found = Terms(glossary, source=source, target=target)
        if len(_made) >= _MOST_MADE:
            _made.clear()
        _made[key] = found
    return found


async def ready_terms(glossary: Mapping[str, str], source: str, target: str) -> Terms:
    """As `terms_of`, what is new in a thread."""
    found = _made.get((tuple(glossary.items()), source, target))
    return found if found is not None else await asyncio.to_thread(terms_of, glossary, source, target)


def _inflects(token: Token) -> bool:
    return len(token.written) >= _SHORTEST_INFLECTED and token.written.isalpha() and token.written.islower()
