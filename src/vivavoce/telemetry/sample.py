"""Quantiles of any number of values in bounded memory."""

from __future__ import annotations

import random
from typing import Final

from vivavoce.contract.stats import quantile

MOST: Final = 1000


class Sample:
    """Keeps all values up to `most`, and from then on a uniform sample of them.

    Source: Vitter, "Random Sampling with a Reservoir" (1985), algorithm R. The same values give the same sample.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._values: list[float] = []
        self._random = random.Random(0)
        self.seen = 0

    def add(self, value: float) -> None:
        self.seen += 1
        if len(self._values) < self._most:
            self._values.append(value)
        elif (place := self._random.randrange(self.seen)) < self._most:
            self._values[place] = value

    def quantile(self, q: float) -> float | None:
        """None without values."""
        return quantile(sorted(self._values), q) if self._values else None
