"""Amounts of money of which a part may be unknown: sums stay exact, and what is unknown is never nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from vivavoce.ledger.prices import NANO_PER_DOLLAR, rounded


@dataclass(frozen=True, slots=True)
class Amount:
    """`nano` nano-dollars, exactly; with `whole` False there is more to it, and nobody knows how much."""

    nano: Fraction
    whole: bool = True

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.nano + other.nano, self.whole and other.whole)

    def times(self, factor: Fraction | int) -> Amount:
        """Of nothing at all nothing is unknown."""
        return Amount(self.nano * factor, self.whole or factor == 0)

    def share_of(self, total: Amount) -> Fraction | None:
        """None where either is unknown in part, or the total is nothing."""
        return self.nano / total.nano if self.whole and total.whole and total.nano else None

    def lower_than(self, other: Amount) -> Fraction | None:
        """How much lower, as a share of the other: a change of cost with its sign turned."""
        share = self.share_of(other)
        return None if share is None else 1 - share

    @property
    def usd(self) -> Fraction:
        return self.nano / NANO_PER_DOLLAR

    def to_json(self) -> dict[str, int | bool]:
        return {"nano": rounded(self.nano), "whole": self.whole}


NOTHING = Amount(Fraction(0))
UNKNOWN = Amount(Fraction(0), whole=False)


def total(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, NOTHING)


def dollars(usd: Fraction | int | str) -> Amount:
    return Amount(Fraction(usd) * NANO_PER_DOLLAR)


def number(value: Fraction | None) -> float | None:
    """As JSON has it."""
    return None if value is None else float(value)


def thousands(value: Fraction | int) -> str:
    """A whole number in groups of three digits."""
    return f"{rounded(Fraction(value)):,}"


def decimal(value: Fraction, digits: int, *, sign: bool = False) -> str:
    """A number with so many digits behind the point, halves away from nought; `sign` writes a plus, too."""
    whole = rounded(abs(value) * 10**digits)
    text = f"{whole // 10**digits}" + (f".{whole % 10**digits:0{digits}d}" if digits else "")
    return f"{'−' if value < 0 and whole else '+' if sign and whole else ''}{text}"


def percent(share: Fraction, digits: int = 1, *, sign: bool = False) -> str:
    return f"{decimal(100 * share, digits, sign=sign)} %"
