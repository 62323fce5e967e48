"""Everything that `vivavoce cost` tells of one set of prices, reckoned once and shown in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from vivavoce.ledger.amounts import Amount
from vivavoce.ledger.assumptions import Assumptions, assumptions
from vivavoce.ledger.cost_model import CostModel, HourCost, Use, UseCost, standard_use
from vivavoce.ledger.crossover import Crossover, crossovers
from vivavoce.ledger.plans import Carried, carried, margin
from vivavoce.ledger.prices import Fee, Prices
from vivavoce.ledger.published import Published, Sensitivity, published, sensitivities
from vivavoce.ledger.what_if import WhatIf, apply


@dataclass(frozen=True, slots=True)
class Change:
    """What-ifs, and what they make of the base."""

    text: str
    use: Use
    cost: UseCost


@dataclass(frozen=True, slots=True)
class CostReport:
    """`published` is None where nothing was published for this profile. `changes` are of each what-if by itself, and
    `changed` of all together."""

    profile: str
    model: CostModel
    given: Assumptions
    use: Use
    cost: UseCost
    published: Published | None
    sensitivities: list[Sensitivity]
    crossovers: list[Crossover]
    plans: list[Fee]
    carried: list[Carried]
    changes: list[Change]
    changed: Change | None

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
            "published": None if self.published is None else _published(self.published),
            "sensitivities": [self._sensitivity(row) for row in self.sensitivities],
            "crossovers": [_crossover(each) for each in self.crossovers],
            "plans": [
                {"name": plan.name, "nano": plan.nano, "margin": _number(margin(plan, self.cost.month))}
                for plan in self.plans
            ],
            "carried": [_carried(each, self.use) for each in self.carried],
            "what_if": None if self.changed is None else self._change(self.changed),
            "what_ifs": [self._change(each) for each in self.changes],
        }

    def _sensitivity(self, row: Sensitivity) -> dict[str, Any]:
        said = row.published
        return {
            "name": row.name,
            "what_if": [each.text for each in row.what_ifs],
            "dub_active_hour": row.usd.to_json(),
            "saved": _number(row.saved),
            "published_usd": None if said is None else said.usd.text,
            "published_percent": None if said is None or said.percent is None else said.percent.text,
            "difference": None if row.difference is None else row.difference.to_json(),
            "follows": row.follows,
            "why": row.why,
            "margins": self._margins(row.cost),
        }

    def _change(self, change: Change) -> dict[str, Any]:
        saved = change.cost.active_hour.dub.lower_than(self.cost.active_hour.dub)
        return {
            "what_if": change.text,
            "use": _use(change.use),
            "after": _cost(change.cost),
            "saved": _number(saved),
            "margins": self._margins(change.cost),
        }

    def _margins(self, cost: UseCost) -> dict[str, dict[str, float | None]]:
        return {
            plan.name: {
                "margin": _number(margin(plan, cost.month)),
                "points": _number(self.margin_points(plan, cost)),
            }
            for plan in self.plans
        }


def cost_report(
    prices: Prices,
    *,
    profile: str,
    at_ms: float | None = None,
    what_ifs: Sequence[WhatIf] = (),
    plans: Sequence[Fee] = (),
    margins: Sequence[Fraction] = (Fraction(0),),
) -> CostReport:
    """Raises ConfigError for an unknown profile. Without `plans` they are those of the prices."""
    given, said = assumptions(), published()
    model = CostModel(prices, at_ms=at_ms)
    use = standard_use(given, profile)
    compared = profile == said.profile
    fees = list(plans or prices.plans.values())
    changed = _changed(model, use, what_ifs)
    shown = use if changed is None else changed.use
    cost = model.cost(use)
    return CostReport(
        profile=profile,
        model=model,
        given=given,
        use=use,
        cost=cost,
        published=said if compared else None,
        sensitivities=sensitivities(model, use, compared=compared),
        crossovers=crossovers(model, given, use.stt.mix[0][0]),
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
    return {name: {**amount.to_json(), "share": _number(amount.share_of(hour.dub))} for name, amount in lines.items()}


def _published(said: Published) -> dict[str, Any]:
    return {
        "source": said.source,
        "speech_hour_usd": {name: figure.text for name, figure in said.speech_hour_usd.items()},
        "speech_hour_percent": {name: figure.text for name, figure in said.speech_hour_percent.items()},
        "active_hour_usd": {name: figure.text for name, figure in said.active_hour_usd.items()},
        "month_usd": said.month_usd.text,
        "margin_percent": said.margin_percent.text,
        "crossover_minutes": said.crossover_minutes.text,
    }


def _crossover(each: Crossover) -> dict[str, Any]:
    return {
        "hosted": each.hosted_name,
        "hosted_nano_minute": float(each.hosted),
        "own_nano_minute": float(each.own),
        "rent_nano_day": float(each.rent),
        "minutes_a_day": _number(each.minutes),
        "minutes_a_day_without_own": _number(each.minutes_without_own),
    }


def _carried(each: Carried, use: Use) -> dict[str, Any]:
    return {
        "plan": each.plan.name,
        "margin": float(each.margin),
        "dub_hours": _number(each.dub_hours),
        "dub_minutes": _minutes(each.dub_hours, use),
        "dub_minutes_then_subtitles": _minutes(each.mixed_dub_hours, use),
    }


def _minutes(hours: Fraction | None, use: Use) -> float | None:
    return None if hours is None else float(Carried.minutes(hours, use))


def _number(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
