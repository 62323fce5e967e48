"""Text as translation engines take it: on one line, in sentences of bounded length."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LONGEST_WORD = 60
_ABBREVIATION = r"(?<!\b(?:Mr|Ms|Dr|Sr|St|Jr))(?<!\b(?:Mrs|Sra|Dra))(?<!\b[A-Z])"
_SENTENCE_END = re.compile(rf"(?:{_ABBREVIATION}\.|[!?…])[\"'”’»)]*\s+(?=[^a-zà-ÿ\s])")


def one_line(text: str) -> str:
    """Line breaks, control characters and runs of spaces become one space; lone surrogates go."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())


def sentences(text: str, *, longest_words: int) -> Iterator[str]:
    """Cut text at sentence ends; longer sentences at the last comma before their limit, or between words."""
    line = one_line(text)
    begin = 0
    for end in [*(match.end() for match in _SENTENCE_END.finditer(line)), len(line)]:
        yield from _pieces(line[begin:end].split(), longest_words)
        begin = end


def _pieces(words: list[str], longest: int) -> Iterator[str]:
    words = [word[i : i + _LONGEST_WORD] for word in words for i in range(0, len(word), _LONGEST_WORD)]
    while len(words) > longest:
        commas = [i for i in range(longest // 2, longest) if words[i][-1] in ",;:"]
        cut = commas[-1] + 1 if commas else longest
        yield " ".join(words[:cut])
        words = words[cut:]
    if words:
        yield " ".join(words)
