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

from vivavoce.cost.assumptions import assumptions
from vivavoce.cost.crossover import Crossover, crossovers
from vivavoce.cost.model import CostModel, Use, UseCost, standard_use
from vivavoce.cost.plans import margin
from vivavoce.cost.what_if import Known, WhatIf, apply, parse_what_ifs
from vivavoce.ledger.amounts import Amount, decimal, dollars, percent
from vivavoce.ledger.prices import NANO_PER_DOLLAR, Fee, packaged_prices

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


@dataclass(frozen=True, slots=True)
class Compared:
    """A published figure, and in the same unit what the model makes of it.

    It `follows` where it is the model's as rounded, or within a cent of it, or comes from published figures as rounded.
    """

    said: Figure
    here: Fraction
    follows: bool
    why: str = ""

    @property
    def difference(self) -> Fraction:
        """The model's figure less the published one."""
        return self.here - self.said.value


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was published beside what the model makes of the packaged prices that were in force then.

    `cells` are those of the tables of an hour of speech and of an active hour, by the table's name in `Published`.
    """

    said: Published
    model: CostModel
    use: Use
    cost: UseCost
    sensitivities: list[Sensitivity]
    cells: Mapping[str, Mapping[str, Compared]]
    month: Compared
    plan: Fee
    margin: Compared

    @property
    def day(self) -> str:
        return f"{datetime.fromtimestamp(self.said.at_ms / 1000, UTC):%Y-%m-%d}"


@cache
def comparison() -> Comparison:
    """All but the crossover, which belongs to no profile."""
    said = published()
    model, use = _model(said), standard_use(assumptions(), said.profile)
    cost, plan = model.cost(use), model.prices.plans[said.plan]
    hour, active = cost.speech_hour, cost.active_hour
    usd = {**hour.legs, "dub": hour.dub, "subtitles": hour.subtitles}
    return Comparison(
        said=said,
        model=model,
        use=use,
        cost=cost,
        sensitivities=sensitivities(model, use, compared=True),
        cells={
            "speech_hour_usd": {name: _usd(figure, usd[name]) for name, figure in said.speech_hour_usd.items()},
            "speech_hour_percent": {
                name: _compared(figure, 100 * usd[name].nano / hour.dub.nano)
                for name, figure in said.speech_hour_percent.items()
            },
            "active_hour_usd": {
                name: _usd(figure, {"dub": active.dub, "subtitles": active.subtitles}[name])
                for name, figure in said.active_hour_usd.items()
            },
        },
        month=_usd(said.month_usd, cost.month),
        plan=plan,
        margin=_margin(said, plan, cost.month),
    )


@cache
def compared_crossover() -> tuple[Crossover, Compared]:
    """With the published hosted price. Raises LookupError where the packaged prices lack what it takes."""
    said = published()
    each, *_ = crossovers(_model(said), assumptions(), None)
    reasons = "; ".join(each.why_not(said.crossover_minutes.value))
    return each, _compared(said.crossover_minutes, each.minutes or Fraction(0), reasons)


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


def _model(said: Published) -> CostModel:
    return CostModel(packaged_prices(), at_ms=said.at_ms)


def _compared(said: Figure, here: Fraction, why: str = "") -> Compared:
    return Compared(said, here, said.is_rounded_from(here), why)


def _usd(said: Figure, here: Amount) -> Compared:
    near = abs(here.usd - said.value) <= Fraction(CENT_NANO, NANO_PER_DOLLAR)
    return Compared(said, here.usd, near or said.is_rounded_from(here.usd))


def _margin(said: Published, plan: Fee, month: Amount) -> Compared:
    here = 100 * (margin(plan, month) or Fraction(0))
    if said.margin_percent.is_rounded_from(here):
        return Compared(said.margin_percent, here, follows=True)
    of_rounded = 1 - said.month_usd.value * NANO_PER_DOLLAR / plan.nano
    usd = decimal(Fraction(plan.nano, NANO_PER_DOLLAR), 0)
    why = (
        f"{decimal(said.margin_percent.value, 0)} % is what ${said.month_usd.text}, as rounded, leaves of ${usd} "
        f"({percent(of_rounded)})"
    )
    follows = said.margin_percent.is_rounded_from(100 * of_rounded)
    return Compared(said.margin_percent, here, follows, why if follows else f"the cells give {decimal(here, 1)} %")


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
