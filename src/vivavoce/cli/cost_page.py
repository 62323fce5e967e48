"""The page of `vivavoce cost`: tables of 80 columns, and below them why a published figure is not the model's."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import repeat
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vivavoce.cost.plans import Carried, margin
from vivavoce.cost.published import compared_crossover
from vivavoce.ledger.amounts import Amount, decimal, percent, thousands
from vivavoce.ledger.prices import NANO_PER_DOLLAR

if TYPE_CHECKING:
    from vivavoce.cost.crossover import Crossover
    from vivavoce.cost.model import CostModel, LegUse, Use, UseCost
    from vivavoce.cost.published import Compared, Comparison, Figure, Sensitivity
    from vivavoce.cost.report import Change, CostReport
    from vivavoce.ledger.prices import Fee

NONE = "—"
_IF = "A dub for an active hour, if … (saved: the change of cost, its sign turned)"


def money(amount: Amount, digits: int = 4) -> str:
    if not amount.whole:
        return f"≥ {decimal(amount.usd, digits)}" if amount.nano else "unknown"
    return decimal(amount.usd, digits)


def share(value: Fraction | None, digits: int = 1, *, sign: bool = False) -> str:
    return NONE if value is None else percent(value, digits, sign=sign)


def table(first: str, *others: str) -> Table:
    """The first column is text, all others are figures."""
    made = Table(box=None, header_style="dim", pad_edge=False)
    made.add_column(first, no_wrap=True)
    for heading in others:
        made.add_column(heading, justify="right", no_wrap=True)
    return made


def row_name(row: Sensitivity, beside: CostReport | None) -> str:
    """As it was published, or the change alone: the published names say from what, and what was measured differs."""
    return row.name if beside is None else ", ".join(each.text for each in row.what_ifs) or row.name


def titled(title: str, content: RenderableType) -> Group:
    return Group(Text(), Text(title, style="bold"), content)


def page(report: CostReport, beside: CostReport | None = None) -> Group:
    """With what-ifs, what they change; without, everything. `beside` is the model's own where `report` was measured."""
    parts: list[RenderableType] = [_head(report, beside), *_unknown(report)]
    notes: list[str] = []
    if report.changed is not None:
        parts += _what_ifs(report, report.changed, beside)
    else:
        parts += _everything(report, beside, notes)
    parts += [_carried(report, beside)] if report.plans and report.carried else []
    parts += [Text(), *(Text(f"[{number}] {note}.") for number, note in enumerate(notes, 1))] if notes else []
    return Group(*parts)


def _everything(report: CostReport, beside: CostReport | None, notes: list[str]) -> Iterator[RenderableType]:
    then = report.published
    if then is None:
        yield _speech_hour("An hour of speech", report.model, report.use, report.cost, None)
        if beside is not None:
            title = f"The same, as the model assumes, profile {beside.profile}"
            yield _speech_hour(title, beside.model, beside.use, beside.cost, None)
    else:
        at = f", at the prices of {then.day}" if report.moved else ""
        yield _speech_hour(f"An hour of speech{at}", then.model, then.use, then.cost, then)
        if report.moved:
            yield _speech_hour(f"The same, {report.day}", report.model, report.use, report.cost, None)
    yield _active_hour(report, beside, notes)
    yield _sensitivities(report, beside) if then is None else _compared_sensitivities(report, then, notes)
    if report.plans:
        yield _margins(report, beside)
    yield _crossovers(report, notes)


def _head(report: CostReport, beside: CostReport | None) -> Text:
    use, then = report.use, report.published
    moved = ""
    if then is not None and report.moved and report.changed is None:
        moved = f" What was published stands beside the prices of its day, {then.day} (here); others hold {report.day}."
    profile = f"profile {report.profile}; " if beside is None else ""
    return Text(
        f"{profile}an active hour is an hour of speech × duty {share(use.duty, 0)}; "
        f"a heavy user has {decimal(use.hours, 0)} of them a month. All in dollars.{moved}"
    )


def _unknown(report: CostReport) -> Iterator[Text]:
    use = report.use if report.changed is None else report.changed.use
    for leg, each in use.legs.items():
        if each.rates is None and not each.mix:
            yield Text(f"Nobody is known to have served {leg}: --what-if {leg}.engine=ENGINE sets one.")
        for engine, _ in each.mix if each.rates is None else ():
            if report.model.price(engine) is None:
                value = "IN,OUT/M" if leg == "mt" else "DOLLARS/min"
                yield Text(f"No price of {engine} is known: --what-if {leg}.price={value} sets one.")


def _speech_hour(title: str, model: CostModel, use: Use, cost: UseCost, said: Comparison | None) -> Group:
    hour = cost.speech_hour
    dollars = said.cells["speech_hour_usd"] if said else {}
    percents = said.cells["speech_hour_percent"] if said else {}
    made = table(
        "", "", *(["publ."] if said else []), "here" if said else "cost", "share", *(["publ."] if said else [])
    )
    made.columns[1].justify = "left"
    legs = [(f"{leg} {_engines(model, each)}", _reckoned(model, each), leg) for leg, each in use.legs.items()]
    sums = [("dub", "stt + mt + tts", "dub"), ("subtitles", "stt + mt", "subtitles")]
    parts = {**hour.legs, "dub": hour.dub, "subtitles": hour.subtitles}
    for name, reckoned, key in legs + sums:
        cells = [money(parts[key]), share(parts[key].share_of(hour.dub))]
        if said:
            cells = [_said(dollars.get(key)), *cells, _said(percents.get(key), " %")]
        made.add_row(name, reckoned, *cells)
    return titled(title, made)


def _active_hour(report: CostReport, beside: CostReport | None, notes: list[str]) -> Group:
    then = report.published
    views = [report] if beside is None else [report, beside]
    headings = ["here"] if beside is None else ["measured", "model"]
    costs = [view.cost for view in views]
    if then is not None:
        headings = ["publ.", "here", *([report.day] if report.moved else [])]
        costs = [then.cost, *([report.cost] if report.moved else [])]
    made = table("", *headings, "")
    said = then.cells["active_hour_usd"] if then else {}
    lines: list[tuple[str, Compared | None, list[Amount]]] = [
        ("active hour with a dub", said.get("dub"), [cost.active_hour.dub for cost in costs]),
        ("active hour with subtitles", said.get("subtitles"), [cost.active_hour.subtitles for cost in costs]),
        (f"heavy user's month, {_hours(report.use)}", then.month if then else None, [cost.month for cost in costs]),
    ]
    for name, figure, amounts in lines:
        made.add_row(name, *([_said(figure)] if then else []), *map(money, amounts), "")
    if then is not None:
        now = report.model.prices.plans.get(then.plan.name, then.plan)
        fee = _fee(then.plan) if now.nano == then.plan.nano else f"{_fee(then.plan)} (${_fee(now)})"
        cells = [share(then.margin.here / 100), *([_margin(now, report.cost.month)] if report.moved else [])]
        mark = _note(notes, "margin", then.margin.why)
        made.add_row(f"gross margin of ${fee} a month with that user", _said(then.margin, " %"), *cells, mark)
    return titled("An active hour, and a month", made)


def _compared_sensitivities(report: CostReport, then: Comparison, notes: list[str]) -> Group:
    made = table("", "publ.", "here", "differs", "saved", "publ.", "follows", *([report.day] if report.moved else []))
    for row, now in zip(then.sensitivities, report.sensitivities, strict=True):
        said, difference = row.published, row.difference
        follows = f"{_yes(row.follows)} {_note(notes, row.name, row.why)}".rstrip()
        made.add_row(
            row.name,
            _figure(said.usd if said else None),
            money(row.usd),
            "" if difference is None else decimal(difference.usd, 4, sign=True),
            share(row.saved, sign=True) if row.what_ifs else "",
            "" if said is None or said.percent is None else _percent(said.percent, about=said.about),
            follows,
            *([money(now.usd)] if report.moved else []),
        )
    made.columns[6].justify = "left"
    return titled(_IF, made)


def _sensitivities(report: CostReport, beside: CostReport | None) -> Group:
    views = [report] if beside is None else [report, beside]
    names = ["cost"] if beside is None else ["measured", "model"]
    made = table("", *(heading for name in names for heading in (name, "saved")))
    for rows in zip(*(view.sensitivities for view in views), strict=True):
        cells = [(money(row.usd), share(row.saved, sign=True) if row.what_ifs else "") for row in rows]
        made.add_row(row_name(rows[0], beside), *(cell for pair in cells for cell in pair))
    return titled(_IF, made)


def _margins(report: CostReport, beside: CostReport | None) -> Group:
    hours = decimal(report.use.hours, 0)
    third = [] if beside is None else ["model"]
    headings = [each for plan in report.plans for each in (f"margin of ${_fee(plan)}", "points", *third)]
    made = table("", "month", *headings)
    for number, row in enumerate(report.sensitivities):
        model = None if beside is None else beside.sensitivities[number]
        cells = _of_plans(report, row.cost, bool(row.what_ifs), None if model is None else model.cost)
        made.add_row(row_name(row, beside), money(row.cost.month, 2), *cells)
    subtitled, model_subtitled = (
        None if view is None else view.cost.active_hour.subtitles.times(view.use.hours) for view in (report, beside)
    )
    if subtitled is not None:
        models = [] if model_subtitled is None else [model_subtitled]
        last = [
            cell
            for plan in report.plans
            for cell in (_margin(plan, subtitled), "", *(_margin(plan, m) for m in models))
        ]
        made.add_row("subtitles alone", money(subtitled, 2), *last)
    return titled(f"Gross margin with a user of {hours} active hours a month, if …", made)


def _of_plans(report: CostReport, cost: UseCost, changed: bool, model: UseCost | None) -> Iterator[str]:
    for plan in report.plans:
        points = report.margin_points(plan, cost)
        yield _margin(plan, cost.month)
        yield decimal(100 * points, 1, sign=True) if changed and points is not None else ""
        if model is not None:
            yield _margin(plan, model.month)


def _crossovers(report: CostReport, notes: list[str]) -> Group:
    title = "A recogniser of one's own: rent a day ÷ (hosted − own price of a minute)"
    made = table("hosted", "a minute", "own", "rent", "min a day", "publ.", "differs", "follows")
    first, said = compared_crossover()
    follows = f"{_yes(said.follows)} {_note(notes, 'crossover', said.why)}".rstrip()
    compared = (thousands(said.said.value), _signed(said.difference), follows)
    made.add_row(*_crossover(first), *compared)
    for each in report.crossovers:
        if each != first:
            made.add_row(*_crossover(each), "", "", "")
    return titled(title, made)


def _crossover(each: Crossover) -> tuple[str, ...]:
    return (
        each.hosted_name,
        _nano(each.hosted),
        _nano(each.own),
        decimal(each.rent / NANO_PER_DOLLAR, 2),
        "never" if each.minutes is None else thousands(each.minutes),
    )


def _carried(report: CostReport, beside: CostReport | None) -> Group:
    use, cost = _shown(report)
    changed = "" if report.changed is None else ", as changed"
    title = f"Minutes of dubbed speech that a plan carries a month{changed}"
    subtitled = money(cost.active_hour.subtitles.times(use.hours), 2)
    third = [] if beside is None else ["model"]
    rest = f"with subtitles for the rest of {_hours(use)}" if beside is None else "subtitles for the rest"
    made = table("plan", "margin", "active hours", "dub minutes", *third, rest)
    for number, each in enumerate(report.carried):
        hours, mixed = each.dub_hours, each.mixed_dub_hours
        last = f"none: those alone cost {subtitled}" if mixed is None else thousands(Carried.minutes(mixed, use))
        without = "no limit" if each.unlimited else NONE
        made.add_row(
            f"${_fee(each.plan)}",
            share(each.margin, 0),
            without if hours is None else decimal(hours, 1),
            _minutes(each, use),
            *([] if beside is None else [_minutes(beside.carried[number], _shown(beside)[0])]),
            without if hours is None else last,
        )
    return titled(title, made)


def _minutes(each: Carried, use: Use) -> str:
    if each.dub_hours is None:
        return "no limit" if each.unlimited else NONE
    return thousands(Carried.minutes(each.dub_hours, use))


def _shown(report: CostReport) -> tuple[Use, UseCost]:
    return (report.use, report.cost) if report.changed is None else (report.changed.use, report.changed.cost)


def _hours(use: Use) -> str:
    return f"{decimal(use.hours, 0 if use.hours.denominator == 1 else 1)} hours"


def _what_ifs(report: CostReport, changed: Change, beside: CostReport | None) -> Iterator[RenderableType]:
    before, after = report.cost, changed.cost
    made = table("", "before", "after", "change", "of cost", *([] if beside is None else ["model"]))
    hours = " → ".join(dict.fromkeys((_hours(report.use), _hours(changed.use))))
    model = None if beside is None else _shown(beside)[1]
    models = repeat(None) if model is None else _amounts(model, hours).values()
    lines = zip(_amounts(before, hours).items(), _amounts(after, hours).values(), models, strict=False)
    for (name, was), becomes, assumed in lines:
        last = [] if assumed is None else [money(assumed)]
        made.add_row(name, money(was), money(becomes), *_difference(was, becomes), *last)
    for plan in report.plans:
        points = report.margin_points(plan, after)
        made.add_row(
            f"gross margin of ${_fee(plan)}",
            _margin(plan, before.month),
            _margin(plan, after.month),
            NONE if points is None else f"{decimal(100 * points, 1, sign=True)} points",
            "",
            *([] if model is None else [_margin(plan, model.month)]),
        )
    yield titled(f"What if {changed.text}", made)
    served = [f"{leg} {_mix(use)}" for leg, use in changed.use.legs.items() if use.mix != report.use.legs[leg].mix]
    if served:
        yield Text(f"served by: {'; '.join(served)}")
    if len(report.changes) > 1:
        yield _each(report)


def _amounts(cost: UseCost, hours: str) -> dict[str, Amount]:
    legs = {f"{leg}, hour of speech": part for leg, part in cost.speech_hour.legs.items()}
    return legs | {
        "dub, hour of speech": cost.speech_hour.dub,
        "dub, active hour": cost.active_hour.dub,
        "subtitles, active hour": cost.active_hour.subtitles,
        f"month of {hours}": cost.month,
    }


def _each(report: CostReport) -> Group:
    made = table("", "before", "after", "change", "month")
    before = report.cost.active_hour.dub
    for each in report.changes:
        after = each.cost.active_hour.dub
        difference, _ = _difference(before, after)
        made.add_row(each.text, money(before), money(after), difference, money(each.cost.month, 2))
    return titled("Each by itself: a dub for an active hour, and a month", made)


def _difference(before: Amount, after: Amount) -> tuple[str, str]:
    if not (before.whole and after.whole):
        return NONE, NONE
    saved = after.lower_than(before)
    return decimal(after.usd - before.usd, 4, sign=True), NONE if saved is None else share(-saved, sign=True)


def _engines(model: CostModel, use: LegUse) -> str:
    """The price of one engine, or how many share the leg."""
    if len(use.mix) != 1:
        return f"{len(use.mix)} prices" if use.mix else NONE
    price = model.price(use.mix[0][0])
    return use.mix[0][0] if price is None or not price.date else price.identity


def _mix(use: LegUse) -> str:
    return ", ".join(engine if part == 1 else f"{engine} {share(part, 0)}" for engine, part in use.mix)


def _reckoned(model: CostModel, use: LegUse) -> str:
    """Quantity × price, as it can be reckoned again by hand; of several engines, who they are."""
    if len(use.mix) != 1:
        return "\n".join(f"{share(part, 0)} {engine}" for engine, part in use.mix) or "nobody known"
    price = model.price(use.mix[0][0])
    if price is None:
        return "price unknown"
    parts = []
    for charge in price.charges:
        quantity, per = use.quantities.get(charge.unit), charge.rate / NANO_PER_DOLLAR
        if quantity is None:
            parts.append(f"? {charge.unit}")
        elif charge.unit == "seconds":
            parts.append(f"{decimal(quantity / 60, 0)} min×{decimal(60 * per, 4)}")
        else:
            parts.append(f"{decimal(quantity / 1000, 0)}k×{decimal(per * 10**6, 2)}/M")
    return " + ".join(parts) or "on this machine"


def _note(notes: list[str], name: str, why: str) -> str:
    """The mark of a note that is to stand below; "" where there is nothing to say."""
    if not why:
        return ""
    notes.append(f"{name}: {why}")
    return f"[{len(notes)}]"


def _yes(follows: bool | None) -> str:
    return "" if follows is None else "yes" if follows else "no"


def _said(each: Compared | None, unit: str = "") -> str:
    return "" if each is None else _figure(each.said, unit)


def _signed(value: Fraction) -> str:
    return f"{'−' if value < 0 else '+'}{thousands(abs(value))}"


def _figure(figure: Figure | None, unit: str = "") -> str:
    return NONE if figure is None else figure.text.replace("-", "−") + unit


def _percent(figure: Figure, *, about: bool) -> str:
    return f"{'about ' if about else ''}{decimal(figure.value, 0, sign=True)}{'' if about else ' %'}"


def _margin(plan: Fee, month: Amount) -> str:
    """Where a part of the cost is unknown, what it is at most."""
    most = share(margin(plan, Amount(month.nano)))
    return most if month.whole else f"≤ {most}"


def _fee(plan: Fee) -> str:
    usd = Fraction(plan.nano, NANO_PER_DOLLAR)
    return decimal(usd, 0 if usd.denominator == 1 else 2)


def _nano(nano: Fraction) -> str:
    return decimal(nano / NANO_PER_DOLLAR, 4)
