"""The forms that inflection gives a word, by simplemma's dictionaries where that package is installed.

A dictionary holds 0.2 to 0.9 million forms, 20 to 100 MB in memory and up to a second to read. So it is read for the
words that are asked for, turned over for these alone and dropped; what was found is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Final

_MOST_KNOWN: Final = 50_000

_known: dict[tuple[str, str], frozenset[str]] = {}
_reading = Lock()


def forms_of(words: Iterable[str], language: str) -> dict[str, frozenset[str]]:
    """By word, without case: the forms whose lemma it is, itself among them. A word that is no lemma has itself alone.

    `language` is an ISO 639-1 code. Reading a dictionary blocks: call it from a thread.
    """
    wanted = {word.casefold() for word in words}
    with _reading:
        if len(_known) > _MOST_KNOWN:
            _known.clear()
        if new := {word for word in wanted if (language, word) not in _known}:
            for word, forms in _read(new, language).items():
                _known[language, word] = forms
        return {word: _known[language, word] for word in wanted}


def _read(words: set[str], language: str) -> dict[str, frozenset[str]]:
    lemmas = _dictionary(language)
    found = {word.encode(): {word} for word in words if lemmas.get(key := word.encode(), key) == key}
    if found:
        for form, lemma in lemmas.items():
            if lemma in found:
                found[lemma].add(form.decode().casefold())
    return {word: frozenset(found.get(word.encode(), {word})) for word in words}


def _dictionary(language: str) -> Mapping[bytes, bytes]:
    """Lemmas by form, in UTF-8; empty without the package, and for a language that it does not have."""
    try:
        from simplemma.strategies.dictionaries import DefaultDictionaryFactory
    except ImportError:
        return {}
    try:
        read = DefaultDictionaryFactory(cache_max_size=1).get_dictionary(language)
    except ValueError:
        return {}
    # What its mapping is made of: going through that itself takes longer than reading.
    raw = getattr(read, "_dict", None)
    return raw if isinstance(raw, dict) else {form.encode(): lemma.encode() for form, lemma in read.items()}
