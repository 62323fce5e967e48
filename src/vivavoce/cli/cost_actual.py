"""The page of `vivavoce cost --actual`: what was spent, by leg, engine and price, and what the model had assumed."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from vivavoce.cli.cost_page import NONE, money, page, share, table, titled
from vivavoce.cost.actual import HOUR_MS, merged
from vivavoce.cost.assumptions import LEGS
from vivavoce.ledger.amounts import Amount, decimal, thousands, total
from vivavoce.ledger.sums import day_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vivavoce.cost.actual import Actual
    from vivavoce.cost.report import CostReport
    from vivavoce.ledger.prices import Prices
    from vivavoce.ledger.sums import Sum


def actual_page(
    actual: Actual, measured: CostReport | None, model: CostReport, since: str, user: str, prices: Prices | None
) -> RenderableType:
    """With `prices`, what the same costs at those beside it. `measured` is None where the usage lacks something."""
    of = f" of {user}" if user else ""
    if not actual.rows:
        return Text(f"no usage{of} within {since}: sessions write it into the store")
    head = (
        f"usage{of} within {since}: {thousands(actual.sessions)} sessions of {_hours(actual.wall_ms)} hours, "
        f"{thousands(actual.rows)} rows. All in dollars, at the price that each row was reckoned with."
    )
    parts: list[RenderableType] = [Text(head), _spent(actual, prices, model), _days(actual)]
    unpriced: dict[str, int] = {}
    for line in actual.lines:
        unpriced[line.engine] = unpriced.get(line.engine, 0) + line.unpriced
    missing = [f"{engine} {many:,}" for engine, many in unpriced.items() if many]
    if missing:
        parts += [Text(), Text(f"rows without a known cost, which are in no sum: {', '.join(missing)}")]
    parts += [_measured(actual, model), Text()]
    if measured is None:
        return Group(*parts, Text(f"no cost of an hour can be told from it: {actual.lacks}"))
    if actual.too_little:
        parts += [Text(f"too little to go by: {actual.too_little}; all below is an extrapolation.")]
    priced = f"prices of {model.day}" if prices else "the prices that rows were reckoned with"
    parts += [Text(f"The cost model with what was measured, at {priced}; hours a month are assumed.")]
    return Group(*parts, page(measured, model))


def _spent(actual: Actual, prices: Prices | None, model: CostReport) -> Group:
    made = table("", "quantity", "rows", "cost", *([model.day] if prices else []))
    for (leg, engine, price), lines in actual.by(lambda line: (line.leg, line.engine, line.price or "")).items():
        rows, cost, quantities = merged(lines)
        name = f"{leg} {price if '@' in price else engine}"
        made.add_row(name, _quantities(quantities), f"{rows:,}", _spend(cost), *_today(lines, prices, model))
    made.add_row("all", "", f"{actual.rows:,}", _spend(actual.cost), *_today(actual.lines, prices, model))
    today = f"; {model.day}: the same at the prices then in force" if prices else ""
    return titled(f"Spent, by leg, engine and price{today}", made)


def _measured(actual: Actual, model: CostReport) -> Group:
    use, hour = model.use, model.cost
    made = table("", "measured", "assumed")
    tokens = use.mt.quantities
    made.add_row("spent, an hour of sound recognised", _money(actual.speech_hour), money(hour.speech_hour.dub))
    made.add_row("spent, an hour of sessions", _money(actual.wall_hour), money(hour.active_hour.dub))
    made.add_row("duty: sound recognised ÷ sessions", share(actual.duty), share(use.duty))
    made.add_row("dub: sound spoken ÷ sound recognised", share(actual.dub), share(use.dub))
    for name, title in (("tokens_in", "tokens in, an hour of speech"), ("tokens_out", "tokens out, an hour of speech")):
        measured = actual.tokens(name)
        made.add_row(title, NONE if measured is None else thousands(measured), thousands(tokens[name]))
    return titled(f"Beside what the model assumes, profile {model.profile}", made)


def _days(actual: Actual) -> Group:
    legs = [*LEGS, *sorted({line.leg for line in actual.lines} - set(LEGS))]
    made = table("day (UTC)", *legs, "all")
    for (day,), lines in actual.by(lambda line: (day_name(line.of),)).items():
        of = [total(line.cost for line in lines if line.leg == leg) for leg in legs]
        made.add_row(day, *map(_spend, of), _spend(total(of)))
    return titled("Spent, by day", made)


def _today(lines: Sequence[Sum], prices: Prices | None, model: CostReport) -> list[str]:
    if prices is None:
        return []
    return [_spend(total(line.repriced(prices, at_ms=model.model.at_ms) for line in lines))]


def _quantities(quantities: dict[str, int]) -> str:
    many = {name: quantity for name, quantity in quantities.items() if quantity}
    parts = [f"{_hours(many.pop('sound_ms'))} h"] if "sound_ms" in many else []
    return ", ".join(parts + [f"{_short(each)} {name.removeprefix('tokens_')}" for name, each in many.items()])


def _short(many: int) -> str:
    for letter, size, least in (("M", 10**6, 10**6), ("k", 1000, 10_000)):
        if many >= least:
            return f"{decimal(Fraction(many, size), 1)} {letter}"
    return f"{many:,}"


def _spend(amount: Amount) -> str:
    return money(amount, 4 if amount.usd < 10 else 2)


def _money(amount: Amount | None) -> str:
    return NONE if amount is None else money(amount)


def _hours(ms: int) -> str:
    return decimal(Fraction(ms, HOUR_MS), 3)
