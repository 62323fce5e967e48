"""Phrases as patterns of words, and where a text has them.

Spaces and hyphens between the words of a phrase are the same. In scripts without spaces every character is a word, so
that a phrase is found wherever its characters are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_WITHOUT_SPACES: Final = (
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese."""
_TOKEN: Final = re.compile(rf"{_WITHOUT_SPACES}|(?:(?!{_WITHOUT_SPACES})[\w\u0300-\u036f])+|[^\w\s]")
_APOSTROPHES: Final = str.maketrans("’‘ʼ‐‑‒–", "'''----")
_STICKY: Final = frozenset("+#&@")
"""What belongs to the word that it touches: "c" is not in "c++"."""
_INSIDE: Final = frozenset(".,:/")
"""Between figures or letters without a space, these make one word of both: "3.5", "10:30", "example.com"."""
_ELIDED: Final = frozenset(
    [
        "l",
        "d",
        "j",
        "qu",
        "n",
        "m",
        "t",
        "s",
        "c",
        "jusqu",
        "lorsqu",
        "puisqu",
        "quoiqu",
        "un",
        "dell",
        "nell",
        "all",
        "dall",
        "sull",
        "coll",
        "quell",
        "quest",
    ]
)
"""What loses its vowel before a word and its apostrophe: the word behind it stands for itself."""
_STEM: Final = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a sign of a text. `key` is what is compared, `written` is as it stands there.

    `touches` says that no space is before it, `joined` that a hyphen between words is.
    """

    key: str
    written: str
    start: int
    end: int
    touches: bool
    joined: bool

    @property
    def capitals(self) -> bool:
        return len(self.written) > 1 and self.written.isupper()

    @property
    def sign(self) -> bool:
        return not self.written[0].isalnum()


@dataclass(frozen=True, slots=True)
class Word:
    """A token of a phrase, and what may stand for it: its forms, or what has its stem where there is one."""

    token: Token
    forms: frozenset[str]
    stem: str = ""

    def is_at(self, token: Token, *, first: bool, cased: bool) -> bool:
        """With `cased` a word with capitals stands for itself alone, or for itself in capitals alone."""
        if token.key not in self.forms and not (self.stem and _has(token.key, self.stem)):
            return False
        own = self.token
        if cased and not own.written.islower() and token.written not in (own.written, own.written.upper()):
            return False
        return (token.capitals or not own.capitals) and (first or not token.sign or own.touches == token.touches)


Pattern = tuple[Word, ...]


def tokens(text: str) -> list[Token]:
    """The words and signs of a text, without hyphens inside words."""
    found: list[Token] = []
    matches = list(_TOKEN.finditer(text))
    joined = False
    for at, match in enumerate(matches):
        written, start, end = match[0], match.start(), match.end()
        key = unicodedata.normalize("NFC", written).translate(_APOSTROPHES).casefold()
        touches = at > 0 and matches[at - 1].end() == start
        if key == "-" and touches and at + 1 < len(matches) and matches[at + 1].start() == end:
            joined = True
            continue
        found.append(Token(key, written, start, end, touches, joined))
        joined = False
    return found


def pattern_of(phrase: str, forms: Mapping[str, Collection[str]] | None = None, *, stems: bool = False) -> Pattern:
    """`forms` are other forms of its words, by key; with `stems` whatever has a word's stem stands for that word."""
    known = forms or {}
    return tuple(
        Word(token, frozenset({token.key, *known.get(token.key, ())}), _stem(token.key) if stems else "")
        for token in tokens(phrase)
    )


class Index(Generic[T]):
    """What phrases stand for, by the two words that they begin with: thousands of them may begin with the same word.

    Of those that are at a place the longest is found, then what was put in first.
    """

    def __init__(self, entries: Iterable[tuple[Pattern, T]]) -> None:
        self._by_words: dict[tuple[str, ...], list[tuple[Pattern, T]]] = {}
        self._longer: dict[str, list[Pattern]] = {}
        self._longest = 0
        for pattern, meaning in entries:
            self._longest = max(self._longest, len(pattern))
            for key in pattern[0].forms:
                if len(pattern) > 1:
                    self._longer.setdefault(key, []).append(pattern)
                for then in pattern[1].forms if len(pattern) > 1 else ("",):
                    self._by_words.setdefault((key, then) if then else (key,), []).append((pattern, meaning))
        for found in self._by_words.values():
            found.sort(key=lambda each: -len(each[0]))

    def find(self, text: Sequence[Token], *, cased: bool) -> Iterator[tuple[int, int, T]]:
        """Where phrases stand as words of their own, none over another: first token, one past the last, meaning."""
        at = 0
        while at < len(text):
            keys = tuple(token.key for token in text[at : at + 2])
            for pattern, meaning in (*self._by_words.get(keys, ()), *self._by_words.get(keys[:1], ())):
                until = at + len(pattern)
                if _is_at(pattern, text, at, cased=cased) and _apart(text, at, until):
                    yield at, until, meaning
                    at = until
                    break
            else:
                at += 1

    def begun(self, text: Sequence[Token], *, cased: bool) -> int | None:
        """The first token of a text from which on a phrase may stand whose end is still to come.

        The text's last word may change, unless the phrase begins with it.
        """
        for at in range(max(0, len(text) - self._longest), len(text)):
            left = len(text) - at
            for pattern in self._longer.get(text[at].key, ()):
                if len(pattern) >= left and _is_at(pattern[: max(1, left - 1)], text, at, cased=cased):
                    return at
        return None


def standing(text: Sequence[Token], patterns: Sequence[tuple[Pattern, T]]) -> Iterator[T]:
    """What patterns stand for that a text has, none over another, also as parts of hyphenated words."""
    longest = sorted(patterns, key=lambda each: -len(each[0]))
    at = 0
    while at < len(text):
        for pattern, meaning in longest:
            until = at + len(pattern)
            if _is_at(pattern, text, at, cased=False) and not _sticks(text, at, until):
                yield meaning
                at = until
                break
        else:
            at += 1


def places(phrase: str, text: str) -> list[tuple[int, int]]:
    """Where a text has a phrase as words of their own, whatever its case: start and end of each."""
    words = tokens(text)
    index = Index([(pattern, phrase)] if (pattern := pattern_of(phrase)) else [])
    return [(words[at].start, words[until - 1].end) for at, until, _ in index.find(words, cased=False)]


def _stem(key: str) -> str:
    plain = _plain(key)
    return plain[:-1] if len(plain) > _STEM else plain


def _has(key: str, stem: str) -> bool:
    """A short stem only at a word's beginning, and the word little longer."""
    plain = _plain(key)
    return stem in plain if len(stem) >= _STEM else plain.startswith(stem) and len(plain) <= len(stem) + _STEM - 1


def _plain(key: str) -> str:
    """Without marks, which inflection may put on a vowel or take from it."""
    return "".join(c for c in unicodedata.normalize("NFD", key) if not unicodedata.combining(c))


def _is_at(pattern: Pattern, text: Sequence[Token], at: int, *, cased: bool) -> bool:
    return at + len(pattern) <= len(text) and all(
        word.is_at(text[at + n], first=n == 0, cased=cased) for n, word in enumerate(pattern)
    )


def _apart(text: Sequence[Token], at: int, until: int) -> bool:
    """Whether what stands there is words of its own."""
    inside = _inside(text, at) or (until < len(text) and _inside(text, until))
    return not inside and not _sticks(text, at, until)


def _sticks(text: Sequence[Token], at: int, until: int) -> bool:
    before = at > 0 and text[at].touches and text[at - 1].key in _STICKY
    return before or (until < len(text) and text[until].touches and text[until].key in _STICKY)


def _inside(text: Sequence[Token], at: int) -> bool:
    """Whether a text's token and the one before it are parts of one word, of a number or of an address."""
    token = text[at]
    if token.joined:
        return True
    if at == 0 or not token.touches:
        return False
    before = text[at - 1]
    if before.sign:
        elided = at > 1 and text[at - 2].key in _ELIDED
        return at > 1 and before.touches and _one(text[at - 2], before, token, parted=elided)
    # A sign behind a word: what is behind the sign decides.
    after = text[at + 1] if token.sign and at + 1 < len(text) else None
    return after is not None and after.touches and _one(before, token, after, parted=after.key == "s")


def _one(word: Token, sign: Token, after: Token, *, parted: bool) -> bool:
    """Whether two words with a sign between them are one; `parted` says that an apostrophe there parts them."""
    if word.sign or after.sign:
        return False
    if sign.key == "'":
        return not parted
    return sign.key in _INSIDE and (sign.key != "/" or word.key.isdigit())
