"""What a plan leaves when its user has cost so much, and how many dub minutes it can carry."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from vivavoce.cost.model import Use, UseCost
from vivavoce.ledger.amounts import Amount
from vivavoce.ledger.prices import Fee


@dataclass(frozen=True, slots=True)
class Carried:
    """How much use a plan pays for at a gross margin.

    `dub_hours` are active hours, all with a dub, after which there is nothing. `mixed_dub_hours` are those with a dub
    where the rest of the month's hours has subtitles: None where subtitles alone cost more than there is. Either is
    None where a cost is not known, and where it is nothing: then the plan is `unlimited`.
    """

    plan: Fee
    margin: Fraction
    dub_hours: Fraction | None
    mixed_dub_hours: Fraction | None
    unlimited: bool = False

    @staticmethod
    def minutes(hours: Fraction, use: Use) -> Fraction:
        """Active hours as minutes of dubbed speech, which is what is metered."""
        return hours * use.duty * 60


def margin(plan: Fee, month: Amount) -> Fraction | None:
    """Gross margin as a share of what the plan brings in; None where the month's cost is not known."""
    return None if not month.whole or not plan.nano else 1 - month.nano / plan.nano


def carried(plan: Fee, wanted: Fraction, use: Use, cost: UseCost) -> Carried:
    left = plan.nano * (1 - wanted)
    dub, subtitles = cost.active_hour.dub, cost.active_hour.subtitles
    if not dub.whole or not dub.nano:
        return Carried(plan, wanted, None, None, unlimited=dub.whole)
    over = left - subtitles.nano * use.hours
    voice = dub.nano - subtitles.nano
    mixed = None
    if over >= 0:
        mixed = use.hours if voice * use.hours <= over else over / voice
    return Carried(plan, wanted, left / dub.nano, mixed)
