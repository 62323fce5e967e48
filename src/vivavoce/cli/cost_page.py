"""The page of `vivavoce cost`: tables of 80 columns, and below them why a published figure is not the model's."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vivavoce.ledger.amounts import Amount, decimal, percent
from vivavoce.ledger.plans import Carried, margin
from vivavoce.ledger.prices import NANO_PER_DOLLAR, rounded
from vivavoce.ledger.published import published

if TYPE_CHECKING:
    from vivavoce.ledger.cost_model import LegUse, Use, UseCost
    from vivavoce.ledger.cost_report import Change, CostReport
    from vivavoce.ledger.crossover import Crossover
    from vivavoce.ledger.prices import Fee
    from vivavoce.ledger.published import Figure, Sensitivity

NONE = "—"


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


def titled(title: str, content: RenderableType) -> Group:
    return Group(Text(), Text(title, style="bold"), content)


def page(report: CostReport) -> Group:
    """With what-ifs, what they change; without, everything."""
    parts: list[RenderableType] = [_head(report), *_unknown(report)]
    notes: list[str] = []
    if report.changed is not None:
        parts += _what_ifs(report, report.changed)
    else:
        parts += [_speech_hour(report), _active_hour(report, notes), _sensitivities(report, notes)]
        parts += [_margins(report)] if report.plans else []
        parts += [_crossovers(report, notes)]
    parts += [_carried(report)] if report.plans and report.carried else []
    parts += [Text(), *(Text(f"[{number}] {note}") for number, note in enumerate(notes, 1))] if notes else []
    return Group(*parts)


def _head(report: CostReport) -> Text:
    use = report.use
    return Text(
        f"profile {report.profile}; an active hour is an hour of speech × duty {share(use.duty, 0)}; "
        f"a heavy user has {decimal(use.hours, 0)} of them a month. All in dollars."
    )


def _unknown(report: CostReport) -> Iterator[Text]:
    use = report.use if report.changed is None else report.changed.use
    for leg, each in use.legs.items():
        for engine, _ in each.mix if each.rates is None else ():
            if report.model.price(engine) is None:
                value = "IN,OUT/M" if leg == "mt" else "DOLLARS/min"
                yield Text(f"No price of {engine} is known: --what-if {leg}.price={value} sets one.")


def _speech_hour(report: CostReport) -> Group:
    hour, said = report.cost.speech_hour, report.published
    made = table("", "", "publ.", "here", "share", "publ.")
    made.columns[1].justify = "left"
    for leg, use in report.use.legs.items():
        usd, percents = (said.speech_hour_usd[leg], said.speech_hour_percent[leg]) if said else (None, None)
        part = hour.legs[leg]
        cells = (_figure(usd), money(part), share(part.share_of(hour.dub)), _figure(percents, " %"))
        made.add_row(f"{leg} {_engine(report, use)}", _reckoned(report, use), *cells)
    for name, amount in (("dub", hour.dub), ("subtitles", hour.subtitles)):
        usd = said.speech_hour_usd[name] if said else None
        percents = said.speech_hour_percent.get(name) if said else None
        made.add_row(
            name,
            "stt + mt + tts" if name == "dub" else "stt + mt",
            _figure(usd),
            money(amount),
            share(amount.share_of(hour.dub)),
            _figure(percents, " %", none=""),
        )
    return titled("An hour of speech", made)


def _active_hour(report: CostReport, notes: list[str]) -> Group:
    cost, said = report.cost, report.published
    made = table("", "publ.", "here", "")
    hours = said.active_hour_usd if said else {}
    lines = [
        ("active hour with a dub", hours.get("dub"), cost.active_hour.dub),
        ("active hour with subtitles", hours.get("subtitles"), cost.active_hour.subtitles),
        (f"heavy user's month, {_hours(report.use)}", said.month_usd if said else None, cost.month),
    ]
    for name, usd, amount in lines:
        made.add_row(name, _figure(usd), money(amount), "")
    if said is not None:
        plan = report.model.prices.plans.get(said.plan)
        left = None if plan is None else margin(plan, cost.month)
        if plan is not None and left is not None and not said.margin_percent.is_rounded_from(100 * left):
            of_rounded = 1 - said.month_usd.value * NANO_PER_DOLLAR / plan.nano
            notes.append(
                f"margin: {said.margin_percent.text.replace('-', '−')} % is what ${said.month_usd.text}, as rounded, "
                f"leaves of ${_fee(plan)} ({percent(of_rounded)})."
            )
            mark = f"[{len(notes)}]"
        else:
            mark = ""
        if plan is not None:
            figure = _figure(said.margin_percent, " %")
            made.add_row(f"gross margin of ${_fee(plan)} a month with that user", figure, share(left), mark)
    return titled("An active hour, and a month", made)


def _sensitivities(report: CostReport, notes: list[str]) -> Group:
    made = table("", "publ.", "here", "differs", "saved, publ.", "saved", "follows", "")
    for row in report.sensitivities:
        said = row.published
        mark = ""
        if row.why:
            notes.append(f"{row.name}: {row.why}.")
            mark = f"[{len(notes)}]"
        difference = "" if row.difference is None else decimal(row.difference.usd, 4, sign=True)
        written = "" if said is None or said.percent is None else _percent(said.percent, about=said.about)
        saved = share(row.saved, sign=True) if row.what_ifs else ""
        usd = _figure(said.usd if said else None)
        made.add_row(row.name, usd, money(row.usd), difference, written, saved, _follows(row), mark)
    return titled("A dub for an active hour, if … (saved: the change of cost, its sign turned)", made)


def _margins(report: CostReport) -> Group:
    hours = decimal(report.use.hours, 0)
    headings = [heading for plan in report.plans for heading in (f"margin of ${_fee(plan)}", "points")]
    made = table("", "month", *headings)
    for row in report.sensitivities:
        made.add_row(row.name, money(row.cost.month, 2), *_of_plans(report, row.cost, bool(row.what_ifs)))
    subtitled = report.cost.active_hour.subtitles.times(report.use.hours)
    cells = [cell for plan in report.plans for cell in (_margin(plan, subtitled), "")]
    made.add_row("subtitles alone", money(subtitled, 2), *cells)
    return titled(f"Gross margin with a user of {hours} active hours a month, if …", made)


def _of_plans(report: CostReport, cost: UseCost, changed: bool) -> Iterator[str]:
    for plan in report.plans:
        points = report.margin_points(plan, cost)
        yield _margin(plan, cost.month)
        yield decimal(100 * points, 1, sign=True) if changed and points is not None else ""


def _crossovers(report: CostReport, notes: list[str]) -> Group:
    title = "A recogniser of one's own: rent a day ÷ (hosted − own price of a minute)"
    made = table("hosted", "a minute", "own", "rent a day", "from min a day", "publ.", "")
    said, marks = published().crossover_minutes.value, ""
    for each in report.crossovers:
        is_published = each.hosted_name == report.given.crossover["hosted"]
        if is_published:
            before = len(notes)
            notes += _crossover_notes(each, said)
            marks = "".join(f"[{number + 1}]" for number in range(before, len(notes)))
        made.add_row(
            each.hosted_name,
            _nano(each.hosted),
            _nano(each.own),
            decimal(each.rent / NANO_PER_DOLLAR, 2),
            "never" if each.minutes is None else thousands(each.minutes),
            thousands(said) if is_published else "",
            marks if is_published else "",
        )
    return titled(title, made)


def _crossover_notes(each: Crossover, said: Fraction) -> Iterator[str]:
    if each.minutes is None:
        return
    if rounded(each.minutes) != said:
        saved = each.saved_nano(said) / NANO_PER_DOLLAR
        yield (
            f"crossover: {thousands(said)} minutes save ${decimal(saved, 2)}, the rent of "
            f"{decimal(each.machines_saved(said), 1)} machines and not of one."
        )
    if each.own == each.rent_shared and each.minutes_without_own is not None:
        yield (
            f"crossover: our own price of a minute is that rent shared by {decimal(each.streams, 0)} streams; "
            f"counted once, it is from {thousands(each.minutes_without_own)} minutes a day."
        )


def _carried(report: CostReport) -> Group:
    use, cost = _shown(report)
    changed = "" if report.changed is None else ", as changed"
    title = f"Minutes of dubbed speech that a plan carries a month{changed}"
    made = table("plan", "margin", "active hours", "dub minutes", f"with subtitles for the rest of {_hours(use)}")
    for each in report.carried:
        hours, mixed = each.dub_hours, each.mixed_dub_hours
        subtitled = money(cost.active_hour.subtitles.times(use.hours), 2)
        last = f"none: those alone cost {subtitled}" if mixed is None else thousands(Carried.minutes(mixed, use))
        made.add_row(
            f"${_fee(each.plan)}",
            share(each.margin, 0),
            NONE if hours is None else decimal(hours, 1),
            NONE if hours is None else thousands(Carried.minutes(hours, use)),
            NONE if hours is None else last,
        )
    return titled(title, made)


def _shown(report: CostReport) -> tuple[Use, UseCost]:
    return (report.use, report.cost) if report.changed is None else (report.changed.use, report.changed.cost)


def _hours(use: Use) -> str:
    return f"{decimal(use.hours, 0 if use.hours.denominator == 1 else 1)} hours"


def _what_ifs(report: CostReport, changed: Change) -> Iterator[RenderableType]:
    before, after = report.cost, changed.cost
    made = table("", "before", "after", "change", "of cost")
    hours = " → ".join(dict.fromkeys((_hours(report.use), _hours(changed.use))))
    lines = [
        (f"{leg}, hour of speech", before.speech_hour.legs[leg], part) for leg, part in after.speech_hour.legs.items()
    ]
    lines += [
        ("dub, hour of speech", before.speech_hour.dub, after.speech_hour.dub),
        ("dub, active hour", before.active_hour.dub, after.active_hour.dub),
        ("subtitles, active hour", before.active_hour.subtitles, after.active_hour.subtitles),
        (f"month of {hours}", before.month, after.month),
    ]
    for name, was, becomes in lines:
        made.add_row(name, money(was), money(becomes), *_difference(was, becomes))
    for plan in report.plans:
        points = report.margin_points(plan, after)
        made.add_row(
            f"gross margin of ${_fee(plan)}",
            _margin(plan, before.month),
            _margin(plan, after.month),
            NONE if points is None else f"{decimal(100 * points, 1, sign=True)} points",
            "",
        )
    yield titled(f"What if {changed.text}", made)
    served = [f"{leg} {_mix(use)}" for leg, use in changed.use.legs.items() if use.mix != report.use.legs[leg].mix]
    if served:
        yield Text(f"served by: {'; '.join(served)}")
    if len(report.changes) > 1:
        yield _each(report)


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


def _engine(report: CostReport, use: LegUse) -> str:
    price = report.model.price(use.mix[0][0])
    return use.mix[0][0] if price is None else price.identity


def _mix(use: LegUse) -> str:
    return ", ".join(engine if part == 1 else f"{engine} {share(part, 0)}" for engine, part in use.mix)


def _reckoned(report: CostReport, use: LegUse) -> str:
    """Quantity × price, as it can be reckoned again by hand."""
    price = report.model.price(use.mix[0][0])
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


def _follows(row: Sensitivity) -> str:
    return "" if row.follows is None else "yes" if row.follows else "no"


def _figure(figure: Figure | None, unit: str = "", *, none: str = NONE) -> str:
    return none if figure is None else figure.text.replace("-", "−") + unit


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


def thousands(value: Fraction) -> str:
    return f"{rounded(value):,}"
