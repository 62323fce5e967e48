"""Where the lines of a subtitle break: at phrases where possible, at few places, in lines of like length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from vivavoce.text.phrases import CLAUSE_ENDS, SENTENCE_ENDS, phrases, spoken_form

_EACH_CUE, _EACH_LINE, _UNEVEN = 60.0, 20.0, 8.0
_AT_SENTENCE, _AT_CLAUSE, _AT_PHRASE, _ANYWHERE, _DANGLING = 0.0, 2.0, 4.0, 9.0, 40.0

Block = tuple[str, ...]
"""The lines of one subtitle."""


def lay_out(text: str, *, language: str, line_characters: int = 42, lines: int = 2) -> list[Block]:
    """Break `text` into subtitles of at most `lines` lines of at most `line_characters` characters.

    Of all ways the cheapest is taken: as few subtitles and lines as the text needs, breaks after sentences and clauses
    before breaks within them, none after an article, a preposition or a negation. A longer word than a line is broken.
    """
    words = [piece for word in text.split() for piece in _pieces(word, line_characters)]
    after = [_cost(last, following, language) for last, following in pairwise(words)]
    # best[i][k]: cost, and the state before, of setting words[:i] with k lines in the subtitle that is last.
    best: list[dict[int, tuple[float, int, int]]] = [{0: (0.0, 0, 0)}, *({} for _ in words)]
    for begin in range(len(words)):
        for used, (cost, _, _) in best[begin].items():
            at_break = after[begin - 1] if begin else 0.0
            for end in range(begin + 1, len(words) + 1):
                length = sum(map(len, words[begin:end])) + end - begin - 1
                if length > line_characters:
                    break
                line = cost + _EACH_LINE + _UNEVEN * (1.0 - length / line_characters) ** 2
                # A break between subtitles parts what is read far more than one between lines.
                ways = [(1, line + _EACH_CUE + 4.0 * at_break)]
                if 0 < used < lines:
                    ways.append((used + 1, line + at_break))
                for count, total in ways:
                    if count not in best[end] or total < best[end][count][0]:
                        best[end][count] = (total, begin, used)
    return _blocks(words, best)


def _blocks(words: Sequence[str], best: Sequence[dict[int, tuple[float, int, int]]]) -> list[Block]:
    blocks: list[Block] = []
    end = len(words)
    count = min(best[end], key=lambda k: best[end][k][0])
    block: list[str] = []
    while end:
        _, begin, before = best[end][count]
        block.append(" ".join(words[begin:end]))
        if count == 1:
            blocks.append(tuple(reversed(block)))
            block = []
        end, count = begin, before
    return blocks[::-1]


def _cost(last: str, following: str, language: str) -> float:
    """What a break between these two words costs the reader."""
    table = phrases(language)
    if last.endswith(SENTENCE_ENDS):
        return _AT_SENTENCE
    if last.endswith(CLAUSE_ENDS):
        return _AT_CLAUSE
    if spoken_form(last) in table.holds | table.negations:
        return _DANGLING
    if spoken_form(last) in table.numbers or (last[:1].isupper() and following[:1].isupper()):
        return _DANGLING
    return _AT_PHRASE if spoken_form(following) in table.openers else _ANYWHERE


def _pieces(word: str, length: int) -> list[str]:
    return [word[at : at + length] for at in range(0, len(word), length)]
