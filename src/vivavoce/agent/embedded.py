"""The policy that needs no language model: parsers for values, sentence embeddings for what is meant.

What is said is compared with the examples of every way out of the state, and with wishes for a person. It is sure where
the nearest example is near enough and no other way's is nearly as near; otherwise it asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vivavoce.agent.check import normalised
from vivavoce.agent.conditions import SlotValue
from vivavoce.agent.dialogue import Allowed, Choice
from vivavoce.agent.script import Script, SlotType
from vivavoce.agent.slots import Hearing, value_of
from vivavoce.agent.words import WORDS

PERSON = -1
_UNLIKE = 0.84
"""Of sentences that have nothing to do with each other."""
_GREEDY = frozenset({SlotType.NAME, SlotType.TEXT})
"""Almost anything could be meant for these: they come after the ways."""


class Encoder(Protocol):
    """Sentences as unit vectors f32[n, dimensions]; the nearer in meaning, the larger their product."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Nearness:
    """Products of vectors: `least` for the nearest example, and `margin` before the next way's."""

    least: float = 0.875
    margin: float = 0.006


@dataclass(frozen=True, slots=True)
class _Nearest:
    way: int
    product: float
    before_next: float


class EmbeddedPolicy:
    """Implements `Policy`."""

    def __init__(
        self, script: Script, encoder: Encoder, *, now: Callable[[], datetime], nearness: Nearness | None = None
    ) -> None:
        self._script, self._encoder, self._now = script, encoder, now
        self._nearness = nearness or Nearness()
        self._words = WORDS[script.language]
        examples = {text for state in script.states.values() for way in state.go for text in way.said}
        texts = sorted(examples | set(self._words.person))
        vectors = encoder.encode(texts) if texts else np.empty((0, 1), np.float32)
        self._vectors: Mapping[str, NDArray[np.float32]] = dict(zip(texts, vectors, strict=True))

    async def choose(self, text: str, allowed: Allowed) -> Choice:
        said = normalised(text)
        if set(said.split()) <= self._words.fillers:
            return Choice(why="nothing that could be understood", likeness=_UNLIKE)
        examples = self._examples(allowed)
        exact = {way for way, texts in examples.items() if said in map(normalised, texts)}
        if len(exact) == 1:
            return self._meant(exact.pop(), "word for word", 1.0)
        if values := self._values(text, allowed, greedy=False):
            whole = allowed.missing is None or allowed.missing in values
            return Choice(values=values, likeness=1.0 if whole else None)
        nearest = self._nearest(text, examples) if examples else None
        if nearest and nearest.product >= self._nearness.least and nearest.before_next >= self._nearness.margin:
            return self._meant(nearest.way, f"near by {nearest.product:.3f}", nearest.product)
        if values := self._values(text, allowed, greedy=True):
            return Choice(values=values)
        if nearest is None:
            return Choice(why="no value was heard", likeness=_UNLIKE)
        why = f"unsure: nearest {nearest.product:.3f}, {nearest.before_next:.3f} before the next"
        return Choice(why=why, likeness=nearest.product)

    def _examples(self, allowed: Allowed) -> dict[int, tuple[str, ...]]:
        examples = {n: way.said for n, way in allowed.ways.items()}
        return examples | ({PERSON: self._words.person} if allowed.person else {})

    def _meant(self, way: int, why: str, likeness: float) -> Choice:
        if way == PERSON:
            return Choice(person=True, why=why, likeness=likeness)
        return Choice(way=way, why=why, likeness=likeness)

    def _values(self, text: str, allowed: Allowed, *, greedy: bool) -> dict[str, SlotValue]:
        hearing = Hearing(self._script.language, self._script.country, self._now())
        found: dict[str, SlotValue] = {}
        for name, slot in allowed.slots.items():
            # A yes, a name or anything at all is meant for what was asked.
            asked_only = slot.type in _GREEDY or slot.type is SlotType.YES_NO
            if (slot.type in _GREEDY) != greedy or (asked_only and name != allowed.missing):
                continue
            value = value_of(slot, text, hearing)
            if value is not None:
                found[name] = value
        return found

    def _nearest(self, text: str, examples: Mapping[int, Iterable[str]]) -> _Nearest:
        vector = self._encoder.encode([text])[0]
        products = sorted(
            ((max(float(self._vectors[one] @ vector) for one in texts), way) for way, texts in examples.items()),
            reverse=True,
        )
        best, way = products[0]
        return _Nearest(way, best, best - products[1][0] if len(products) > 1 else 1.0)
