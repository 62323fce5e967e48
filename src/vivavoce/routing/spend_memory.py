"""A guard that counts in memory what one session spends."""

from __future__ import annotations

from collections.abc import Mapping

from vivavoce.ledger.prices import Prices, packaged_prices
from vivavoce.routing.spend import Interval, Verdict

SECONDS_PER_CHARACTER = 0.06
"""Speech of a text that is still to be spoken, where an engine charges by its length: a usual pace."""
CHARACTERS_PER_TOKEN = 4.0
"""Of a text that is still to be translated, and of its translation: a usual count."""


class SpendMemory:
    """Implements `SpendGuard`: degrade once what was let go has reached a cap, of its leg or of all together.

    Caps are in nano-dollars; a leg without one, and 0 in total, is not capped. An engine that costs nothing may always
    go on; one whose price nobody knows counts as nothing.
    """

    def __init__(
        self, *, total_nano: int = 0, leg_nano: Mapping[str, int] | None = None, prices: Prices | None = None
    ) -> None:
        self._total_nano, self._leg_nano = total_nano, dict(leg_nano or {})
        self._prices = prices or packaged_prices()
        self._spent: dict[str, int] = {}
        self.spent_nano = 0

    def ask(self, interval: Interval) -> Verdict:
        cost_nano = self._prices.cost(interval.engine, _quantities(interval)).nano
        if not cost_nano:
            return Verdict.GO
        spent = self._spent.get(interval.leg, 0)
        cap = self._leg_nano.get(interval.leg)
        if (cap is not None and spent >= cap) or 0 < self._total_nano <= self.spent_nano:
            return Verdict.DEGRADE
        self._spent[interval.leg] = spent + cost_nano
        self.spent_nano += cost_nano
        return Verdict.GO


def _quantities(interval: Interval) -> dict[str, float]:
    quantities = {interval.unit: interval.quantity}
    if interval.unit == "characters":
        quantities["seconds"] = interval.quantity * SECONDS_PER_CHARACTER
        quantities["tokens_in"] = quantities["tokens_out"] = interval.quantity / CHARACTERS_PER_TOKEN
    return quantities
