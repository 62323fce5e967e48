"""The picture of `vivavoce cost --plot`: an active hour by leg, and when a recogniser of one's own pays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from math import log10
from typing import TYPE_CHECKING

from vivavoce.cli import svg
from vivavoce.cli.cost_page import money, row_name, share
from vivavoce.cost.published import compared_crossover
from vivavoce.ledger.amounts import decimal, percent, thousands
from vivavoce.ledger.prices import NANO_PER_DOLLAR

if TYPE_CHECKING:
    from vivavoce.cost.crossover import Crossover
    from vivavoce.cost.model import UseCost
    from vivavoce.cost.report import CostReport
    from vivavoce.ledger.amounts import Amount

WIDTH = 960
LEFT, RIGHT = 210, 640  # of the bars
COLUMNS = (705, 780, 855, 930)  # right edges of the figures beside them
MARKS = ("mark", "mark now")
TOP, ROW, BAR = 96, 34, 18
CURVE_HEIGHT, CURVE_LEFT, CURVE_RIGHT = 240, 70, 660
DECADES_X, DECADES_Y = (2, 5), (-1, 3)  # 100 to 100,000 minutes and 0.1 to 1,000 dollars a day
LINE_PX = 16
STYLE = """
svg { --stt: #2a78d6; --mt: #c77700; --tts: #1b9e72; --own: #8a3ffc; }
@media (prefers-color-scheme: dark) { svg { --stt: #4c93ea; --mt: #e09a2b; --tts: #2cb98a; --own: #b58cff; } }
.figure { text-anchor: end; font-variant-numeric: tabular-nums; }
.stt { fill: var(--stt); } .mt { fill: var(--mt); } .tts { fill: var(--tts); } .dot { fill: var(--ink); }
.grid { stroke: var(--grid); } .mark { stroke: var(--ink); stroke-width: 2; }
.now { stroke-dasharray: 3 3; }
.curve { fill: none; stroke-width: 2; } .hosted { stroke: var(--stt); } .hosted.other { stroke-dasharray: 6 4; }
.own { stroke: var(--own); } .published { stroke: var(--dim); stroke-dasharray: 2 4; }
"""


def drawing(report: CostReport, beside: CostReport | None = None) -> str:
    """A whole SVG file that is readable on light and on dark paper.

    `beside` is the model's own where `report` was measured.
    """
    rows = list(_rows(report, beside))
    marks = _marks(report, beside)
    first, said = compared_crossover()
    crossovers = [first, *(each for each in report.crossovers if each != first)]
    curve_top = TOP + ROW * len(rows) + (110 if report.changed is None else 130)
    height = curve_top + CURVE_HEIGHT + 60
    parts = [*_bars(report, rows, marks), *_curve(crossovers, curve_top, said.said.value)]
    about = f"What an active hour costs by leg, prices of profile {report.profile}"
    return svg.frame(parts, width=WIDTH, height=height, about=about, style=STYLE)


@dataclass(frozen=True, slots=True)
class Bar:
    """`marks` are figures to be set beside it, in dollars and as they are written, by their heading."""

    name: str
    cost: UseCost
    saved: Fraction | None
    marks: Mapping[str, tuple[Fraction, str]]


def _marks(report: CostReport, beside: CostReport | None) -> dict[str, str]:
    """What is set beside the bars: headings, and what they mean."""
    if beside is not None:
        return {"model": "as the model assumes"}
    if report.published is None:
        return {}
    return {"published": "as it was published"} | ({report.day: f"at prices of {report.day}"} if report.moved else {})


def _rows(report: CostReport, beside: CostReport | None) -> Iterator[Bar]:
    then = report.published
    for number, row in enumerate(report.sensitivities):
        marks: dict[str, tuple[Fraction, str]] = {}
        if beside is not None:
            marks["model"] = _mark(beside.sensitivities[number].usd)
        if then is not None:
            now, row = row, then.sensitivities[number]
            if row.published is not None:
                marks["published"] = row.published.usd.value, row.published.usd.text
            if report.moved:
                marks[report.day] = _mark(now.usd)
        yield Bar(row_name(row, beside), row.cost, row.saved, marks)
    if (changed := report.changed) is not None:
        saved = changed.cost.active_hour.dub.lower_than(report.cost.active_hour.dub)
        model = None if beside is None else beside.changed
        yield Bar(
            f"as changed, {report.day}" if report.moved else "as changed",
            changed.cost,
            saved,
            {} if model is None else {"model": _mark(model.cost.active_hour.dub)},
        )


def _mark(amount: Amount) -> tuple[Fraction, str]:
    return amount.usd, money(amount)


def _bars(report: CostReport, rows: Sequence[Bar], marks: Mapping[str, str]) -> Iterator[str]:
    beside = [usd for row in rows for usd, _ in row.marks.values()]
    most = max([Fraction(1, 10), *(row.cost.active_hour.dub.usd for row in rows), *beside])
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 50, 100, 1000, 10**6) if most / Fraction(step) <= 8)
    scale = (RIGHT - LEFT) / float(most * Fraction(21, 20))
    bottom = TOP + ROW * len(rows)
    then = report.published
    at = f", prices of {then.day}" if then is not None and report.moved else ""
    whose, here = ("from real usage", "measured") if "model" in marks else (f"profile {report.profile}{at}", "here")
    yield svg.text(20, 28, f"A dub for an active hour, in dollars ({whose})", "title")
    yield from _legend(marks)
    for number in range(int(float(most) * 1.05 / step) + 1):
        x = LEFT + number * step * scale
        yield _line(x, TOP - 8, x, bottom, "grid")
        yield svg.text(x, bottom + 18, f"{number * step:.1f}" if step < 1 else f"{number * step:.0f}", "dim middle")
    for heading, x in zip((here, "saved", *marks), COLUMNS, strict=False):
        yield svg.text(x, TOP - 14, heading, "dim figure")
    for number, row in enumerate(rows):
        y = TOP + ROW * number
        yield svg.text(LEFT - 12, y + 14, row.name, "end")
        yield from _stack(row.cost, y, scale)
        texts = [money(row.cost.active_hour.dub), "" if row.saved is None else percent(row.saved, sign=True)]
        for kind, heading in zip(MARKS, marks, strict=False):
            usd, text = row.marks.get(heading, (None, ""))
            texts.append(text)
            if usd is not None:
                x = LEFT + float(usd) * scale
                yield _line(x, y - 4, x, y + BAR + 4, kind)
        for text, x in zip(texts, COLUMNS, strict=False):
            yield svg.text(x, y + 14, text, "figure")
    if report.changed is not None:
        yield svg.text(20, bottom + 44, f"as changed: {report.changed.text}", "dim")


def _stack(cost: UseCost, y: float, scale: float) -> Iterator[str]:
    """The parts of a bar, each at least a pixel where it is something; a gap of a pixel between them."""
    x = float(LEFT)
    for leg, amount in cost.active_hour.legs.items():
        width = float(amount.usd) * scale
        if width > 0:
            title = f"{leg} {money(amount)}, {share(amount.share_of(cost.active_hour.dub))}"
            yield (
                f'<rect class="{leg}" x="{x:.1f}" y="{y}" width="{max(1.0, width - 1):.1f}" height="{BAR}">'
                f"<title>{escape(title)}</title></rect>"
            )
        x += width


def _legend(marks: Mapping[str, str]) -> Iterator[str]:
    names = {"stt": "stt, recognition", "mt": "mt, translation", "tts": "tts, voice"}
    for number, (leg, name) in enumerate(names.items()):
        x = 20 + 150 * number
        yield f'<rect class="{leg}" x="{x}" y="46" width="12" height="12"/>' + svg.text(x + 20, 57, name)
    for number, (kind, name) in enumerate(zip(MARKS, marks.values(), strict=False)):
        x = 476 + 170 * number
        yield _line(x, 44, x, 60, kind) + svg.text(x + 10, 57, name)


def _x(minutes: float) -> float:
    low, high = DECADES_X
    return CURVE_LEFT + (log10(minutes) - low) / (high - low) * (CURVE_RIGHT - CURVE_LEFT)


def _y(top: float, usd: float) -> float:
    low, high = DECADES_Y
    return top + CURVE_HEIGHT * (1 - (min(max(log10(usd), low), high) - low) / (high - low))


def _curve(crossovers: Sequence[Crossover], top: float, said: Fraction) -> Iterator[str]:
    """Dollars a day over minutes a day, both by their logarithm."""
    first, bottom = crossovers[0], top + CURVE_HEIGHT
    rent = decimal(first.rent / NANO_PER_DOLLAR, 2)
    yield svg.text(20, top - 40, "A hosted recogniser, or one's own on a rented machine: dollars a day", "title")
    for decade in range(DECADES_X[0], DECADES_X[1] + 1):
        x = _x(10**decade)
        yield _line(x, top, x, bottom, "grid") + svg.text(x, bottom + 18, f"{10**decade:,}", "dim middle")
    for decade in range(DECADES_Y[0], DECADES_Y[1] + 1):
        y = _y(top, 10**decade)
        yield _line(CURVE_LEFT, y, CURVE_RIGHT, y, "grid")
        yield svg.text(CURVE_LEFT - 8, y + 4, f"{10**decade:,}" if decade >= 0 else "0.1", "dim end")
    yield svg.text((CURVE_LEFT + CURVE_RIGHT) / 2, bottom + 38, "minutes recognised a day", "dim middle")
    x = _x(float(said))
    yield _line(x, top, x, bottom, "published") + svg.text(x + 6, top + 12, f"{thousands(said)} published", "dim")
    ends: list[tuple[float, str]] = []
    for number, each in enumerate(crossovers):
        points = [(m, each.hosted_day(m)) for m in (Fraction(100), Fraction(100_000))]
        yield _path(points, top, "hosted other" if number else "hosted")
        ends.append((_y(top, _usd(points[-1][1])), f"hosted at {decimal(each.hosted / NANO_PER_DOLLAR, 4)} a minute"))
    yield _path(list(_own(first)), top, "own")
    ends.append((_y(top, _usd(first.own_day(Fraction(100_000)))), f"own: {rent} a machine and day"))
    full = first.streams * 1440
    if full < 100_000:
        yield svg.text(_x(float(full)) - 8, _y(top, _usd(first.own_day(full + 1))), "a second machine", "dim end")
    yield from _labels(ends)
    yield from _crossings(crossovers, top)


def _own(each: Crossover) -> Iterator[tuple[Fraction, Fraction]]:
    """Steps up wherever another machine is needed."""
    full = int(each.streams * 1440)
    for minutes in sorted({100, 300, 1000, 3000, 10_000, 30_000, 100_000, *range(full, 100_000, full)}):
        yield Fraction(minutes), each.own_day(Fraction(minutes))
        if minutes % full == 0:
            yield Fraction(minutes), each.own_day(Fraction(minutes + 1))


def _crossings(crossovers: Sequence[Crossover], top: float) -> Iterator[str]:
    met = sorted((each.minutes, each) for each in crossovers if each.minutes and 100 <= each.minutes <= 100_000)
    for number, (minutes, each) in enumerate(met):
        x, y = _x(float(minutes)), _y(top, _usd(each.own_day(minutes)))
        yield f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        text = f"{thousands(minutes)} minutes"
        # Left of a hosted line there is room above ours, right of it below, and none left of the axis.
        left = number < len(met) - 1 and x > CURVE_LEFT + 100
        yield svg.text(x - 6, y - 10, text, "end") if left else svg.text(x + 8, y + 20, text)


def _labels(ends: list[tuple[float, str]]) -> Iterator[str]:
    """Names at the right ends of curves, none over another."""
    below = float("-inf")
    for y, text in sorted(ends):
        below = max(y + 4, below + LINE_PX)
        yield svg.text(CURVE_RIGHT + 10, below, text)


def _path(points: Sequence[tuple[Fraction, Fraction]], top: float, kind: str) -> str:
    places = " ".join(f"{_x(float(minutes)):.1f},{_y(top, _usd(nano)):.1f}" for minutes, nano in points)
    return f'<polyline class="curve {kind}" points="{places}"/>'


def _usd(nano: Fraction) -> float:
    return float(nano / NANO_PER_DOLLAR)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
