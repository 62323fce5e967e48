"""How far to trust the signs of what nobody said: raised by sound translations, and found where one is planted."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from vivavoce.evals.clips import Clip
from vivavoce.evals.hallucination import Sign, signs
from vivavoce.evals.numbers import LANGUAGES
from vivavoce.gate.alone import LONGEST_WORDS
from vivavoce.gate.run import Run
from vivavoce.providers.sentences import sentences

_SEED: Final = 3
_ADDED_CHARACTERS: Final = range(12, 91)
_ADDED_TO_NUMBER: Final = (1, 3, 5, 7, 20, 100)


@dataclass(frozen=True, slots=True)
class Rendering:
    """A text beside a translation of it that is taken for sound."""

    source: str
    target: str
    text: str
    translation: str


Plant = Callable[[Rendering, Sequence[str], random.Random], str | None]
"""A translation with something planted; None where it has no place for that. Gets other sentences of its language."""


def of_engines(run: Run) -> list[Rendering]:
    """What translation alone made of each sentence."""
    found = []
    for clip in run.mt:
        source, _, target = clip.pair.partition("-")
        found += [Rendering(source, target, each.text, each.translation) for each in clip.sentences if each.translation]
    return found


def of_people(clips: Iterable[Clip]) -> list[Rendering]:
    """Each transcript with its reference, and the other way round."""
    found: dict[Rendering, None] = {}
    for clip in clips:
        if clip.transcript and clip.reference:
            there = Rendering(clip.language, clip.target, clip.transcript, clip.reference)
            back = Rendering(clip.target, clip.language, clip.reference, clip.transcript)
            found |= {there: None, back: None}
    return list(found)


def signs_figures(sound: Mapping[str, Sequence[Rendering]]) -> dict[str, Any]:
    """Shares in percent, each with its n and by sign: of `sound` renderings by who made them, and of what is planted.

    Planted is in all renderings that have no sign without it.
    """
    every = [rendering for each in sound.values() for rendering in each]
    clean = [rendering for rendering in every if not _signs(rendering)]
    said: dict[str, dict[str, None]] = {}
    for rendering in every:
        for language, text in ((rendering.source, rendering.text), (rendering.target, rendering.translation)):
            for sentence in sentences(text, longest_words=LONGEST_WORDS):
                if len(sentence) in _ADDED_CHARACTERS:
                    said.setdefault(language, {})[sentence] = None
    return {
        "sound": {maker: _flagged(own) for maker, own in sound.items()},
        "planted": {name: _flagged(_planted(clean, plant, said)) for name, plant in PLANTS.items()},
    }


def _planted(renderings: Sequence[Rendering], plant: Plant, said: Mapping[str, Iterable[str]]) -> list[Rendering]:
    drawn, found = random.Random(_SEED), []
    for each in renderings:
        others = [one for one in said.get(each.target, ()) if one not in each.translation]
        if (text := plant(each, others, drawn)) is not None:
            found.append(replace(each, translation=text))
    return found


def _flagged(renderings: Sequence[Rendering]) -> dict[str, Any]:
    found = [_signs(each) for each in renderings]
    by_sign = Counter(sign for each in found for sign in each)
    count, n = sum(bool(each) for each in found), len(found)
    return {
        "n": n,
        "flagged": count,
        "share": round(100 * count / n, 2) if n else None,
        "by_sign": {str(sign): by_sign[sign] for sign in Sign if by_sign[sign]},
    }


def _signs(rendering: Rendering) -> tuple[Sign, ...]:
    return signs(rendering.text, rendering.translation, source=rendering.source, target=rendering.target)


def _sentence(rendering: Rendering, others: Sequence[str], drawn: random.Random) -> str | None:
    return f"{rendering.translation.rstrip('.!?…')}. {drawn.choice(others)}" if others else None


def _inside(rendering: Rendering, others: Sequence[str], drawn: random.Random) -> str | None:
    return f"{rendering.translation.rstrip('.!?…')}, {drawn.choice(others).lower()}" if others else None


def _phrase(rendering: Rendering, others: Sequence[str], drawn: random.Random) -> str | None:
    words, n = rendering.translation.split(), drawn.randint(2, 6)
    return " ".join(words + words[-n:]) if len(words) > n + 1 else None


def _number(rendering: Rendering, others: Sequence[str], drawn: random.Random) -> str | None:
    text = _in_digits(rendering.translation, rendering.target)
    numbers = list(re.finditer(r"(?<!\d)\d{1,9}(?!\d)", text))
    if not numbers or _signs(replace(rendering, translation=text)):
        return None
    number = drawn.choice(numbers)
    other = str(int(number[0]) + drawn.choice(_ADDED_TO_NUMBER))
    return text[: number.start()] + other + text[number.end() :]


def _in_digits(text: str, language: str) -> str:
    """The text with what it says of numbers from three on in digits; as it is where nothing reads such words."""
    from text_to_num import alpha2digit

    return str(alpha2digit(text, language)) if language in LANGUAGES - {"ca"} else text


PLANTS: Final[Mapping[str, Plant]] = {
    "a sentence more": _sentence,
    "a sentence more, behind a comma": _inside,
    "its last words again": _phrase,
    "another number": _number,
}
