"""Failures on demand: what an emulator is told to do wrong, when, and how often.

A fault is written `KIND[:ARGUMENT][@MOMENT][xTIMES]`: `stall@2s`, `close:1011`, `refuse:429x3`, `abort@?`. The moment
is counted from the first thing that a client asks or sends on its connection; `?` is drawn from the seed, nothing
means at once. With `xN` only the first N connections have it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vivavoce.errors import ConfigError

GENERAL = {
    "refuse": "answers the handshake or the request with that status (429)",
    "abort": "breaks the connection off without a word",
    "close": "closes the WebSocket with that code (1011)",
    "stall": "says nothing any more, and goes on reading",
    "freeze": "neither says nor reads anything",
    "slow": "says everything so many ms late (800)",
    "garbage": "says what is not its protocol",
}
"""Faults of every emulator."""
_RANDOM_S = (0.3, 4.0)
_WRITTEN = re.compile(r"(?P<kind>[a-z0-9][a-z0-9-]*?)(:(?P<argument>[^@]*?))?(@(?P<at>\?|[\d.]+)s?)?(x(?P<times>\d+))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """`at_s` None is a random moment; `times` None every connection."""

    kind: str
    argument: str = ""
    at_s: float | None = 0.0
    times: int | None = None

    @classmethod
    def parse(cls, text: str, *, known: Iterable[str]) -> Fault:
        """Raises ConfigError for what is no fault, or none of the `known` kinds."""
        match = _WRITTEN.fullmatch(text.strip())
        if match is None or match["kind"] not in set(known):
            raise ConfigError(f"fault {text!r} is not known", hint=f"KIND[:ARGUMENT][@2s][x1] of {', '.join(known)}")
        at, times = match["at"], match["times"]
        try:
            at_s = None if at == "?" else float(at or 0.0)
        except ValueError:
            raise ConfigError(f"fault {text!r}: {at} is no moment", hint="write it like @2.5s or @?") from None
        return cls(match["kind"], match["argument"] or "", at_s, int(times) if times else None)

    def number(self, default: float) -> float:
        """The argument as a number. Raises ConfigError where it is none."""
        try:
            return float(self.argument) if self.argument else default
        except ValueError:
            raise ConfigError(f"fault {self.kind}: {self.argument!r} is not a number") from None


class Faults:
    """What goes wrong on the connections of one emulator: what was planned, and what is injected while it runs."""

    def __init__(self, planned: Sequence[Fault] = (), *, seed: int = 0) -> None:
        self._planned = list(planned)
        self._left = [fault.times for fault in planned]
        self._random = random.Random(seed)
        self.injected: list[Fault] = []

    def next_connection(self) -> list[tuple[float, Fault]]:
        """What a new connection will have, each with its moment in s; an injected one at once."""
        found: list[tuple[float, Fault]] = [(0.0, fault) for fault in self.injected]
        for number, fault in enumerate(self._planned):
            left = self._left[number]
            if left == 0:
                continue
            self._left[number] = None if left is None else left - 1
            found.append((self._random.uniform(*_RANDOM_S) if fault.at_s is None else fault.at_s, fault))
        return sorted(found, key=lambda each: each[0])
