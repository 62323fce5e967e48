"""From how many minutes a day on a rented machine is cheaper than a hosted recogniser.

minutes a day = the machine's rent for a day ÷ (hosted price − own price of a minute)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from vivavoce.cost.assumptions import Assumptions
from vivavoce.cost.model import CostModel
from vivavoce.ledger.amounts import decimal, thousands
from vivavoce.ledger.prices import NANO_PER_DOLLAR, rounded

HOURS_A_DAY = 24
MINUTES_A_DAY = 1440


@dataclass(frozen=True, slots=True)
class Crossover:
    """Prices are nano-dollars for a minute, `rent` for a day; `streams` is what a machine serves at a time."""

    hosted_name: str
    hosted: Fraction
    own: Fraction
    rent: Fraction
    streams: Fraction

    @property
    def minutes(self) -> Fraction | None:
        """None where the hosted price is not above our own: then no number of minutes is enough."""
        return self.rent / (self.hosted - self.own) if self.hosted > self.own else None

    @property
    def rent_shared(self) -> Fraction:
        """The rent of a full machine for each minute that it recognises."""
        return self.rent / (self.streams * MINUTES_A_DAY)

    @property
    def minutes_without_own(self) -> Fraction | None:
        """Where `own` is the rent itself, shared, and so must not be counted beside it."""
        return self.rent / self.hosted if self.hosted else None

    def saved_nano(self, minutes: Fraction) -> Fraction:
        """What that many minutes a day save before any rent is paid."""
        return minutes * (self.hosted - self.own)

    def machines_saved(self, minutes: Fraction) -> Fraction:
        """How many machines' rent that is."""
        return self.saved_nano(minutes) / self.rent

    def why_not(self, minutes: Fraction) -> list[str]:
        """Why a machine does not pay from so many minutes a day, or what else is wrong with them."""
        if self.minutes is None:
            return ["a hosted minute is not dearer than one's own"]
        reasons = []
        if rounded(self.minutes) != minutes:
            saved = decimal(self.saved_nano(minutes) / NANO_PER_DOLLAR, 2)
            machines = decimal(self.machines_saved(minutes), 1)
            reasons.append(
                f"{thousands(minutes)} minutes save ${saved}, the rent of {machines} machines and not of one"
            )
        if self.own == self.rent_shared and self.minutes_without_own is not None:
            reasons.append(
                f"our own price of a minute is that rent shared by {decimal(self.streams, 0)} streams; counted once, "
                f"it is from {thousands(self.minutes_without_own)} minutes a day"
            )
        return reasons

    def hosted_day(self, minutes: Fraction) -> Fraction:
        return minutes * self.hosted

    def own_day(self, minutes: Fraction) -> Fraction:
        """With as many machines as carry the minutes if they are spread over the day."""
        machines = max(1, -(-minutes // (self.streams * MINUTES_A_DAY)))
        return machines * self.rent + minutes * self.own


def crossovers(model: CostModel, given: Assumptions, hosted: str | None) -> list[Crossover]:
    """With the published hosted price first, then with that of the engine `hosted` if it has another one.

    What the prices lack, there is no crossover for.
    """
    names = given.crossover
    machine, own = model.prices.machines.get(names["machine"]), _minute(model, names["self_hosted"])
    found: dict[Fraction, Crossover] = {}
    for name in filter(None, (names["hosted"], hosted)):
        price, minute = model.price(name), _minute(model, name)
        if machine is not None and own is not None and price is not None and minute:
            rent = Fraction(HOURS_A_DAY * machine.nano)
            found.setdefault(minute, Crossover(price.identity, minute, own, rent, Fraction(names["streams"])))
    return list(found.values())


def _minute(model: CostModel, name: str) -> Fraction | None:
    price = model.price(name)
    if price is None or any(charge.unit != "seconds" for charge in price.charges):
        return None
    return 60 * sum((charge.rate for charge in price.charges), Fraction(0))
