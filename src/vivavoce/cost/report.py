"""Everything that `vivavoce cost` tells of one set of prices, reckoned once and shown in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from vivavoce.cost.assumptions import Assumptions, assumptions
from vivavoce.cost.crossover import Crossover, crossovers
from vivavoce.cost.model import CostModel, HourCost, Use, UseCost, standard_use
from vivavoce.cost.plans import Carried, carried, margin
from vivavoce.cost.published import (
    Compared,
    Comparison,
    Sensitivity,
    compared_crossover,
    comparison,
    published,
    sensitivities,
)
from vivavoce.cost.what_if import WhatIf, apply
from vivavoce.ledger.amounts import Amount, number
from vivavoce.ledger.prices import Fee, Prices


@dataclass(frozen=True, slots=True)
class Change:
    """What-ifs, and what they make of the base."""

    text: str
    use: Use
    cost: UseCost


@dataclass(frozen=True, slots=True)
class CostReport:
    """What one use costs at the prices of one moment.

    `published` is None where nothing was published for this use; its own figures are at the prices in force then.
    `changes` are of each what-if by itself, and `changed` of all together.
    """

    profile: str
    model: CostModel
    given: Assumptions
    use: Use
    cost: UseCost
    published: Comparison | None
    sensitivities: list[Sensitivity]
    crossovers: list[Crossover]
    plans: list[Fee]
    carried: list[Carried]
    changes: list[Change]
    changed: Change | None

    @property
    def moved(self) -> bool:
        """Whether what was published is now reckoned from other prices."""
        then = self.published
        if then is None:
            return False
        before, now = ([row.cost for row in rows] for rows in (then.sensitivities, self.sensitivities))
        return before != now or then.margin.here != self._percent_of(then.plan.name)

    @property
    def day(self) -> str:
        """Whose prices are in force."""
        at_ms = self.model.at_ms
        return "today" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"

    def _percent_of(self, plan: str) -> Fraction | None:
        fee = self.model.prices.plans.get(plan)
        left = None if fee is None else margin(fee, self.cost.month)
        return None if left is None else 100 * left

    def margin_points(self, plan: Fee, cost: UseCost) -> Fraction | None:
        """How the margin differs from that of the base, as a share of what the plan brings in."""
        before, after = margin(plan, self.cost.month), margin(plan, cost.month)
        return None if before is None or after is None else after - before

    def to_json(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "prices": {leg: _identities(self.model, use.mix) for leg, use in self.use.legs.items()},
            "sources": {**self.given.sources, **_sources(self.model, self.use)},
            "use": _use(self.use),
            "base": _cost(self.cost),
            "published": None if self.published is None else self._published(self.published),
            "sensitivities": [self._sensitivity(row) for row in self.sensitivities],
            "crossovers": [_crossover(each) for each in self.crossovers],
            "published_crossover": _published_crossover(),
            "plans": [
                {"name": plan.name, "nano": plan.nano, "margin": number(margin(plan, self.cost.month))}
                for plan in self.plans
            ],
            "carried": [_carried(each, self.use) for each in self.carried],
            "what_if": None if self.changed is None else self._change(self.changed),
            "what_ifs": [self._change(each) for each in self.changes],
        }

    def _sensitivity(self, row: Sensitivity) -> dict[str, Any]:
        return {
            "name": row.name,
            "what_if": [each.text for each in row.what_ifs],
            "dub_active_hour": row.usd.to_json(),
            "saved": number(row.saved),
            "margins": self._margins(row.cost),
        }

    def _published(self, then: Comparison) -> dict[str, Any]:
        """Each figure as it was written, and beside it the model's at the prices of that day."""
        cells = {
            table: {name: _compared(each) for name, each in of_table.items()} for table, of_table in then.cells.items()
        }
        return {
            "source": then.said.source,
            "at": then.day,
            "prices": {leg: _identities(then.model, use.mix) for leg, use in then.use.legs.items()},
            "differs_now": self.moved,
            **cells,
            "month_usd": _compared(then.month),
            "margin_percent": {"plan": then.plan.name, **_compared(then.margin)},
            "sensitivities": [_compared_row(row) for row in then.sensitivities],
        }

    def _change(self, change: Change) -> dict[str, Any]:
        saved = change.cost.active_hour.dub.lower_than(self.cost.active_hour.dub)
        return {
            "what_if": change.text,
            "use": _use(change.use),
            "after": _cost(change.cost),
            "saved": number(saved),
            "margins": self._margins(change.cost),
        }

    def _margins(self, cost: UseCost) -> dict[str, dict[str, float | None]]:
        return {
            plan.name: {
                "margin": number(margin(plan, cost.month)),
                "points": number(self.margin_points(plan, cost)),
            }
            for plan in self.plans
        }


def cost_report(
    prices: Prices,
    *,
    profile: str,
    use: Use | None = None,
    at_ms: float | None = None,
    what_ifs: Sequence[WhatIf] = (),
    plans: Sequence[Fee] = (),
    margins: Sequence[Fraction] = (Fraction(0),),
) -> CostReport:
    """Of the profile's heavy user, or of another use. Raises ConfigError for an unknown profile.

    Without `plans` they are those of the prices.
    """
    given = assumptions()
    model = CostModel(prices, at_ms=at_ms)
    standard = standard_use(given, profile)
    compared = use is None and profile == published().profile
    use = standard if use is None else use
    fees = list(plans or prices.plans.values())
    changed = _changed(model, use, what_ifs)
    shown = use if changed is None else changed.use
    return CostReport(
        profile=profile,
        model=model,
        given=given,
        use=use,
        cost=model.cost(use),
        published=comparison() if compared else None,
        sensitivities=sensitivities(model, use, compared=False),
        crossovers=crossovers(model, given, standard.stt.mix[0][0]),
        plans=fees,
        carried=[carried(fee, wanted, shown, model.cost(shown)) for fee in fees for wanted in margins],
        changes=[each for what_if in what_ifs if (each := _changed(model, use, [what_if]))],
        changed=changed,
    )


def _changed(model: CostModel, use: Use, what_ifs: Sequence[WhatIf]) -> Change | None:
    if not what_ifs:
        return None
    after = apply(use, what_ifs)
    return Change(", ".join(each.text for each in what_ifs), after, model.cost(after))


def _identities(model: CostModel, mix: Sequence[tuple[str, Fraction]]) -> list[str | None]:
    prices = [model.price(engine) for engine, _ in mix]
    return [None if price is None else price.identity for price in prices]


def _sources(model: CostModel, use: Use) -> dict[str, str]:
    """Of the prices, by identity."""
    prices = [model.price(engine) for leg in use.legs.values() for engine, _ in leg.mix]
    return {price.identity: price.source for price in prices if price is not None}


def _use(use: Use) -> dict[str, Any]:
    legs = {
        leg: {
            "mix": {engine: float(share) for engine, share in each.mix},
            "quantities": {unit: float(quantity) for unit, quantity in each.quantities.items()},
        }
        for leg, each in use.legs.items()
    }
    return {"legs": legs, "duty": float(use.duty), "hours": float(use.hours), "dub": float(use.dub)}


def _cost(cost: UseCost) -> dict[str, Any]:
    return {
        "speech_hour": _hour(cost.speech_hour),
        "active_hour": _hour(cost.active_hour),
        "month": cost.month.to_json(),
    }


def _hour(hour: HourCost) -> dict[str, Any]:
    lines: dict[str, Amount] = {**hour.legs, "dub": hour.dub, "subtitles": hour.subtitles}
    return {name: {**amount.to_json(), "share": number(amount.share_of(hour.dub))} for name, amount in lines.items()}


def _compared(each: Compared) -> dict[str, Any]:
    return {
        "published": each.said.text,
        "here": float(each.here),
        "difference": float(each.difference),
        "follows": each.follows,
        "why": each.why,
    }


def _compared_row(row: Sensitivity) -> dict[str, Any]:
    said = row.published
    return {
        "name": row.name,
        "published_usd": None if said is None else said.usd.text,
        "published_percent": None if said is None or said.percent is None else said.percent.text,
        "dub_active_hour": row.usd.to_json(),
        "saved": number(row.saved),
        "difference": None if row.difference is None else row.difference.to_json(),
        "follows": row.follows,
        "why": row.why,
    }


def _published_crossover() -> dict[str, Any]:
    each, said = compared_crossover()
    return {**_crossover(each), **_compared(said)}


def _crossover(each: Crossover) -> dict[str, Any]:
    return {
        "hosted": each.hosted_name,
        "hosted_nano_minute": float(each.hosted),
        "own_nano_minute": float(each.own),
        "rent_nano_day": float(each.rent),
        "minutes_a_day": number(each.minutes),
        "minutes_a_day_without_own": number(each.minutes_without_own),
    }


def _carried(each: Carried, use: Use) -> dict[str, Any]:
    return {
        "plan": each.plan.name,
        "margin": float(each.margin),
        "unlimited": each.unlimited,
        "dub_hours": number(each.dub_hours),
        "dub_minutes": _minutes(each.dub_hours, use),
        "dub_minutes_then_subtitles": _minutes(each.mixed_dub_hours, use),
    }


def _minutes(hours: Fraction | None, use: Use) -> float | None:
    return None if hours is None else float(Carried.minutes(hours, use))
