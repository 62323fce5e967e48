"""The figures that were published, each beside the model's own, and why some do not follow from the cells."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any

from vivavoce.ledger.amounts import Amount, decimal, dollars
from vivavoce.ledger.cost_model import CostModel, Use, UseCost
from vivavoce.ledger.prices import NANO_PER_DOLLAR, packaged_prices
from vivavoce.ledger.what_if import Known, WhatIf, apply, parse_what_ifs

CENT_NANO = NANO_PER_DOLLAR // 100


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it was written: its last digit tells how finely it was meant."""

    text: str

    @property
    def value(self) -> Fraction:
        return Fraction(self.text)

    @property
    def digits(self) -> int:
        return len(self.text.partition(".")[2])

    def is_rounded_from(self, exact: Fraction) -> bool:
        return abs(exact - self.value) <= Fraction(1, 2 * 10**self.digits)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the published sensitivities. `percent` is a change of cost with its sign turned."""

    name: str
    usd: Figure
    percent: Figure | None
    about: bool
    what_ifs: tuple[WhatIf, ...]
    fits: tuple[WhatIf, ...]
    fits_name: str
    implied: str


@dataclass(frozen=True, slots=True)
class Published:
    """All of `published.toml`; `at_ms` is when those prices were in force."""

    profile: str
    at_ms: float
    source: str
    speech_hour_usd: Mapping[str, Figure]
    speech_hour_percent: Mapping[str, Figure]
    active_hour_usd: Mapping[str, Figure]
    month_usd: Figure
    plan: str
    margin_percent: Figure
    crossover_minutes: Figure
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A row of what-ifs, reckoned. `published` is None where nothing was published for these prices.

    `saved` and `published_saved` are changes of cost with their signs turned, as shares.
    """

    name: str
    what_ifs: tuple[WhatIf, ...]
    cost: UseCost
    saved: Fraction | None
    published: Row | None
    why: str = ""

    @property
    def usd(self) -> Amount:
        return self.cost.active_hour.dub

    @property
    def difference(self) -> Amount | None:
        """The model's figure less the published one."""
        if self.published is None or not self.usd.whole:
            return None
        return self.usd + dollars(-self.published.usd.value)

    @property
    def follows(self) -> bool | None:
        """Whether the published cost is the model's within a cent, from inputs that were published, too."""
        if self.difference is None or self.published is None:
            return None
        return abs(self.difference.nano) <= CENT_NANO and not self.published.implied


@cache
def published() -> Published:
    """Those of `published.toml`."""
    table = tomllib.loads((resources.files(__package__) / "published.toml").read_text(encoding="utf-8"))
    hour, user = table["speech_hour"], table["heavy_user"]
    return Published(
        profile=table["profile"],
        at_ms=datetime.fromisoformat(table["at"]).replace(tzinfo=UTC).timestamp() * 1000,
        source=table["source"],
        speech_hour_usd=_figures(hour["usd"]),
        speech_hour_percent=_figures(hour["percent"]),
        active_hour_usd=_figures(table["active_hour"]["usd"]),
        month_usd=Figure(user["usd_month"]),
        plan=user["plan"],
        margin_percent=Figure(user["margin_percent"]),
        crossover_minutes=Figure(table["crossover"]["minutes_a_day"]),
        rows=tuple(map(_row, table["sensitivity"])),
    )


def sensitivities(model: CostModel, use: Use, *, compared: bool) -> list[Sensitivity]:
    """Every published row, reckoned from a use; `compared` where it is the one that the figures were published for."""
    return [_sensitivity(model, use, row, compared) for row in published().rows]


def _sensitivity(model: CostModel, use: Use, row: Row, compared: bool) -> Sensitivity:
    base = model.cost(use)
    cost = model.cost(apply(use, row.what_ifs))
    saved = cost.active_hour.dub.lower_than(base.active_hour.dub) if row.what_ifs else None
    found = Sensitivity(row.name, row.what_ifs, cost, saved, row if compared else None)
    if not compared:
        return found
    why = "; ".join(_why_cost(model, use, row, found) + _why_change(row, found, base, use))
    return Sensitivity(row.name, row.what_ifs, cost, saved, row, why)


def _why_cost(model: CostModel, use: Use, row: Row, found: Sensitivity) -> list[str]:
    """Why the published cost is not the model's."""
    text = row.usd.text
    if not found.usd.whole:
        return ["a price is not known"]
    if row.implied:
        implied = decimal(_implied_usd(row.usd.value, found.cost, row.implied, use), 3)
        return [f"it has no input cell: ${text} implies ${implied} an hour of speech, which is reckoned with here"]
    if row.usd.is_rounded_from(found.usd.usd):
        return []
    here = f"the cells give ${decimal(found.usd.usd, 4)}"
    if row.fits:
        other = model.cost(apply(use, row.fits)).active_hour.dub
        return [f"${text} is that of {row.fits_name}, ${decimal(other.usd, 4)}; {here}"]
    return [f"{here}, which rounds to ${decimal(found.usd.usd, row.usd.digits)}"]


def _why_change(row: Row, found: Sensitivity, base: UseCost, use: Use) -> list[str]:
    """Why the published change is not that of the model's costs."""
    if row.percent is None or found.saved is None or row.about:
        return []
    change = row.percent
    if change.is_rounded_from(100 * found.saved):
        return []
    written = f"{decimal(change.value, 0, sign=True)} %"
    first = published().rows[0].usd
    of_rounded = 100 * (1 - row.usd.value / first.value)
    if change.is_rounded_from(of_rounded):
        return [f"{written} is from ${first.text} to ${row.usd.text} as rounded"]
    reasons = [f"from ${first.text} to ${row.usd.text} is {decimal(of_rounded, 0, sign=True)} %"]
    if row.implied:
        then = base.active_hour.dub.usd * (1 - change.value / 100)
        reasons += [f"{written} would imply ${decimal(_implied_usd(then, found.cost, row.implied, use), 3)}"]
    return reasons


def _implied_usd(usd: Fraction, cost: UseCost, leg: str, use: Use) -> Fraction:
    """What an hour of speech must cost on one leg so that an active hour with a dub costs `usd`."""
    others = sum((each.usd for name, each in cost.speech_hour.legs.items() if name != leg), Fraction(0))
    return usd / use.duty - others


def _figures(table: Mapping[str, str]) -> dict[str, Figure]:
    return {name: Figure(text) for name, text in table.items()}


def _row(entry: Mapping[str, Any]) -> Row:
    percent = entry.get("percent")
    return Row(
        name=entry["name"],
        usd=Figure(entry["usd"]),
        percent=None if percent is None else Figure(percent),
        about=entry.get("about", False),
        what_ifs=_what_ifs(entry["what_if"]),
        fits=_what_ifs(entry.get("fits", [])),
        fits_name=entry.get("fits_name", ""),
        implied=entry.get("implied", ""),
    )


def _what_ifs(texts: Sequence[str]) -> tuple[WhatIf, ...]:
    return tuple(parse_what_ifs(texts, Known(packaged_prices().engines, {})))
