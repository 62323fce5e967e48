"""How well a policy understands what callers say: labelled utterances, and what each bound of nearness makes of them.

A file of utterances is a table of script → state → meaning → texts; a meaning is the state that a way leads to,
`person`, `value` for any slot's value, or `none` where nothing should be done. Half of each list is for choosing
bounds, the other half for judging them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from vivavoce.agent.dialogue import Choice, Dialogue, Moment
from vivavoce.agent.embedded import EmbeddedPolicy, Encoder, Nearness
from vivavoce.agent.script import Script

Verdict = Literal["right", "wrong", "unsure"]
NOW = datetime(2026, 3, 2, 10, 0)


@dataclass(frozen=True, slots=True)
class Labelled:
    """What was said in a script's state, and what it means there; `held_out` is for judging only."""

    script: str
    state: str
    meant: str
    text: str
    held_out: bool

    def verdict(self, choice: Choice, script: Script) -> Verdict:
        """`wrong` is what was done and not meant; `unsure` is to ask again where something was meant."""
        done = "none"
        if choice.person:
            done = "person"
        elif choice.way is not None:
            done = script.states[self.state].go[choice.way].to
        elif choice.values:
            done = "value"
        if done == self.meant:
            return "right"
        return "unsure" if done == "none" else "wrong"


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of verdicts."""

    nearness: Nearness
    right: int
    wrong: int
    unsure: int

    @property
    def n(self) -> int:
        return self.right + self.wrong + self.unsure

    def __str__(self) -> str:
        bounds = f"least {self.nearness.least:.3f} margin {self.nearness.margin:.3f}"
        shares = (f"{name} {100 * count / self.n:.1f} %" for name, count in self._counts().items())
        return f"{bounds}: {', '.join(shares)} of {self.n}"

    def _counts(self) -> dict[str, int]:
        return {"right": self.right, "wrong": self.wrong, "unsure": self.unsure}


def load_labelled(path: Path) -> list[Labelled]:
    table = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return [
        Labelled(script, state, meant, text, held_out=bool(n % 2))
        for script, states in table.items()
        for state, meanings in states.items()
        for meant, texts in meanings.items()
        for n, text in enumerate(texts)
    ]


class Remembered:
    """An encoder that encodes each sentence once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors |= zip(new, self._encoder.encode(new), strict=True)
        return np.stack([self._vectors[text] for text in texts])


def score(
    said: Iterable[Labelled], scripts: Mapping[str, Script], encoder: Encoder, nearness: Nearness | None = None
) -> Score:
    """Let the embedded policy choose for each utterance, as if its state had just been entered."""
    nearness = nearness or Nearness()
    policies = {
        name: EmbeddedPolicy(script, encoder, now=lambda: NOW, nearness=nearness) for name, script in scripts.items()
    }

    async def judged() -> Counter[Verdict]:
        verdicts: Counter[Verdict] = Counter()
        for one in said:
            script = scripts[one.script]
            choice = await policies[one.script].choose(one.text, Dialogue(script).allowed(Moment(one.state)))
            verdicts[one.verdict(choice, script)] += 1
        return verdicts

    verdicts = asyncio.run(judged())
    return Score(nearness, verdicts["right"], verdicts["wrong"], verdicts["unsure"])


def sweep(
    said: Iterable[Labelled],
    scripts: Mapping[str, Script],
    encoder: Encoder,
    *,
    least: Iterable[float],
    margin: Iterable[float],
) -> list[Score]:
    """A score for each pair of bounds."""
    said, margins, encoder = list(said), list(margin), Remembered(encoder)
    return [score(said, scripts, encoder, Nearness(least=low, margin=gap)) for low in least for gap in margins]
