"""The terms of a glossary in a text, and their renderings in its translation, whatever their inflection.

A single word is found in the forms that `lemmas` and `plurals` know, a phrase in its plurals too; in a translation each
word of a phrase may be inflected. A term in capitals is found in capitals alone ("IT"), one with capitals is not
inflected. Spaces and hyphens between words are the same; apostrophes end words ("l'appel"). Of terms that overlap the
longest is found.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vivavoce.text.lemmas import forms_of
from vivavoce.text.plurals import plural, plurals

_TOKEN: Final = re.compile(r"[\w\u0300-\u036f]+|[^\w\s]")
_BEFORE: Final = re.compile(r"(?<!\w)(\w+)(?:\s+|['’])$")
_APOSTROPHES: Final = str.maketrans("’‘ʼ‐‑‒–", "'''----")
_STICKY: Final = frozenset("+#&@")
"""What belongs to the word that it touches: "c" is not in "c++"."""
_PUNCTUATION: Final = frozenset(".,;:!?…\"'“”«»()[]¡¿-—")
_SHORTEST_INFLECTED: Final = 3
_ARTICLES: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the a an",
        "pt": "o a os as um uma",
        "gl": "o a os as un unha",
        "es": "el la los las un una",
        "fr": "le la les l un une des",
        "it": "il lo la l i gli le un uno una",
        "ca": "el la els les l un una",
    }.items()
}
_MOST_OF_A_NOUN: Final = 4
"""A lemma with more other forms than these is a verb, whose forms are no plurals."""
_OF_VERBS: Final = ("ed", "ing", "er", "est")


@dataclass(frozen=True, slots=True)
class Locked:
    """A term where a text has it, from `start` to `end`, as it is `written` there.

    `rendering` is the glossary's, in the plural where the text has the plural and the rendering's is known.
    """

    start: int
    end: int
    written: str
    term: str
    rendering: str


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a sign of a text. `key` is what is compared; `touches` says that no space is before it."""

    key: str
    start: int
    end: int
    capitals: bool
    touches: bool


@dataclass(frozen=True, slots=True)
class _Word:
    """A token of a term, and what may stand for it."""

    forms: frozenset[str]
    capitals: bool
    touches: bool

    def is_at(self, token: Token, *, first: bool) -> bool:
        return token.key in self.forms and (token.capitals or not self.capitals) and (first or self._joined(token))

    def _joined(self, token: Token) -> bool:
        sign = not token.key[0].isalnum()
        return not sign or self.touches == token.touches


Pattern = tuple[_Word, ...]

_MOST_MADE: Final = 64
_made: dict[tuple[tuple[tuple[str, str], ...], str, str], Terms] = {}


def tokens(text: str) -> list[Token]:
    """The words and signs of a text, without hyphens inside words."""
    found: list[Token] = []
    matches = list(_TOKEN.finditer(text))
    for at, match in enumerate(matches):
        token, start, end = match[0], match.start(), match.end()
        key = unicodedata.normalize("NFC", token).translate(_APOSTROPHES).casefold()
        touches = at > 0 and matches[at - 1].end() == start
        if key == "-" and touches and at + 1 < len(matches) and matches[at + 1].start() == end:
            continue
        found.append(Token(key, start, end, len(token) > 1 and token.isupper(), touches))
    return found


class Terms:
    """A glossary made ready for one pair of languages. Making it blocks, with `inflected` for seconds."""

    def __init__(self, glossary: Mapping[str, str], *, source: str, target: str, inflected: bool = True) -> None:
        """`glossary` has renderings by term; entries without a word or sign on either side are left out."""
        self.source, self.target, self._inflected = source, target, inflected
        self._entries = {
            term: rendering.strip() for term, rendering in glossary.items() if tokens(term) and tokens(rendering)
        }
        self._renderings: dict[str, tuple[Pattern, ...]] = {}
        sources = self._forms(self._entries, source)
        targets = self._forms(self._entries.values(), target)
        self._singular: dict[str, str] = {}
        self._plural: dict[str, str] = {}
        first: dict[str, list[tuple[Pattern, str, bool]]] = {}
        for term, rendering in self._entries.items():
            self._renderings[rendering] = self._told(rendering, targets)
            if (several := plural(rendering, target, targets.get(rendering.casefold(), ()))) is not None:
                self._plural[term] = several
            for pattern, many in self._asked(term, sources):
                for key in pattern[0].forms:
                    first.setdefault(key, []).append((pattern, term, many))
        # What is written exactly so comes before what is only inflected so, and longer before shorter.
        self._first = {
            key: sorted(found, key=lambda each: (-len(each[0]), each[2], min(map(len, each[0][0].forms))))
            for key, found in first.items()
        }

    def __bool__(self) -> bool:
        return bool(self._entries)

    def find(self, text: str) -> list[Locked]:
        """The terms that a text has, in order."""
        if not self._first:
            return []
        found: list[Locked] = []
        for start, end, (term, many) in _scan(tokens(text), self._first):
            rendering = self._plural.get(term, self._entries[term]) if many else self._entries[term]
            found.append(Locked(start, end, text[start:end], term, rendering))
        return found

    def cut(self, text: str, at: int) -> bool:
        """Whether a text that is cut there is cut inside one of its terms."""
        return any(each.start < at < each.end for each in self.find(text))

    def missing(self, locked: Sequence[Locked], translation: str) -> list[Locked]:
        """Those of a text's terms whose rendering its translation lacks: each occurrence needs one."""
        if not locked:
            return []
        wanted: dict[str, list[tuple[Pattern, str, bool]]] = {}
        renderings = {self._entries[each.term] for each in locked}
        for rendering in renderings:
            for pattern in self._renderings[rendering]:
                for key in pattern[0].forms:
                    wanted.setdefault(key, []).append((pattern, rendering, False))
        for found in wanted.values():
            found.sort(key=lambda each: -len(each[0]))
        there = Counter(rendering for _, _, (rendering, _) in _scan(tokens(translation), wanted))
        missing = []
        for each in locked:
            rendering = self._entries[each.term]
            if there[rendering]:
                there[rendering] -= 1
            else:
                missing.append(each)
        return missing

    def _forms(self, phrases: Iterable[str], language: str) -> Mapping[str, frozenset[str]]:
        words = {token.key for phrase in phrases for token in tokens(phrase) if _inflects(token, phrase)}
        return forms_of(words, language) if self._inflected and words else {}

    def _asked(self, term: str, forms: Mapping[str, frozenset[str]]) -> Iterator[tuple[Pattern, bool]]:
        """What a term is found by, and whether that is its plural."""
        yield _pattern(term, {}), False
        if not self._inflected or any(c.isupper() for c in term):
            return
        several = {form.casefold() for form in plurals(term, self.source)} - {term.casefold()}
        others = {
            form
            for form in forms.get(term.casefold(), ())
            if form.isalpha() and not form.endswith(_OF_VERBS) and form != term.casefold()
        }
        if len(others) <= _MOST_OF_A_NOUN:
            several |= others
        for form in several:
            yield _pattern(form, {}), True

    def _told(self, rendering: str, forms: Mapping[str, frozenset[str]]) -> tuple[Pattern, ...]:
        """What shows that a rendering is there: it, without its article, which may have become one with what is before
        it, its plurals, and any forms of its words."""
        patterns = [_pattern(rendering, forms)]
        if self._inflected and not any(c.isupper() for c in rendering):
            patterns += [_pattern(form, forms) for form in plurals(rendering, self.target)]
        articles = _ARTICLES.get(self.target, frozenset())
        bare = [pattern[1 + (pattern[1].forms == {"'"}) :] for pattern in patterns if len(pattern) > 1]
        if patterns[0][0].forms & articles and bare and all(bare):
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


def bare(phrase: str, language: str) -> str:
    """A phrase without an article before it, and without punctuation around it."""
    found = tokens(phrase)
    while found and found[0].key in _PUNCTUATION:
        found = found[1:]
    while found and found[-1].key in _PUNCTUATION:
        found = found[:-1]
    if len(found) > 1 and found[0].key in _ARTICLES.get(language, ()):
        found = found[1 + (found[1].key == "'") :]
    return phrase[found[0].start : found[-1].end] if found else ""


def with_article(text: str, start: int, language: str) -> int:
    """Where a phrase begins that begins at `start`, with the article before it if it has one."""
    match = _BEFORE.search(text, 0, start)
    if match is not None and match[1].casefold() in _ARTICLES.get(language, ()):
        return match.start()
    return start


def places(phrase: str, text: str) -> list[tuple[int, int]]:
    """Where a text has a phrase, whatever its case: start and end of each."""
    pattern = _pattern(phrase, {})
    first = {key: [(pattern, phrase, False)] for word in pattern[:1] for key in word.forms}
    return [(start, end) for start, end, _ in _scan(tokens(text), first)]


def _inflects(token: Token, phrase: str) -> bool:
    written = phrase[token.start : token.end]
    return len(written) >= _SHORTEST_INFLECTED and written.isalpha() and written.islower()


def _pattern(phrase: str, forms: Mapping[str, Collection[str]]) -> Pattern:
    return tuple(
        _Word(frozenset({token.key, *forms.get(token.key, ())}), token.capitals, token.touches)
        for token in tokens(phrase)
    )


def _scan(
    text: Sequence[Token], first: Mapping[str, Sequence[tuple[Pattern, str, bool]]]
) -> Iterator[tuple[int, int, tuple[str, bool]]]:
    """Where patterns are, none over another: start and end in the text, and what the pattern stands for."""
    at = 0
    while at < len(text):
        for pattern, name, many in first.get(text[at].key, ()):
            until = at + len(pattern)
            if until <= len(text) and _is_at(pattern, text, at) and not _sticks(text, at, until):
                yield text[at].start, text[until - 1].end, (name, many)
                at = until
                break
        else:
            at += 1


def _is_at(pattern: Pattern, text: Sequence[Token], at: int) -> bool:
    return all(word.is_at(text[at + n], first=n == 0) for n, word in enumerate(pattern))


def _sticks(text: Sequence[Token], at: int, until: int) -> bool:
    before = at > 0 and text[at].touches and text[at - 1].key in _STICKY
    return before or (until < len(text) and text[until].touches and text[until].key in _STICKY)
