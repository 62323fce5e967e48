"""What may be spent, asked by a leg before each interval of paid work; and who a session's work is charged to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from vivavoce.ledger.usage import Meter


class Verdict(StrEnum):
    """`DEGRADE`: go on with what is cheaper (subtitles instead of a dub); never a refusal."""

    GO = "go"
    DEGRADE = "degrade"


@dataclass(frozen=True, slots=True)
class Interval:
    """Work that a leg is about to have done: seconds of sound, or characters of text."""

    leg: str
    engine: str
    quantity: float
    unit: str


class SpendGuard(Protocol):
    @property
    def reason(self) -> str:
        """The cap that the last answer of DEGRADE was for, and when it ends, in words for whoever listens."""
        ...

    def ask(self, interval: Interval) -> Verdict:
        """Whether to have this done. What was answered with GO counts as spent."""
        ...

    def done(self, interval: Interval) -> None:
        """What was let go was done, or will not be: it is no longer under way."""
        ...


class Account(SpendGuard, Meter, Protocol):
    """Grants a session's work and counts what was done."""
