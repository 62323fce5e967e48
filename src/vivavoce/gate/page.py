"""The gate's table, and that of the spread between runs, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vivavoce.gate.bars import Harness
from vivavoce.gate.finding import Finding, amount
from vivavoce.gate.run import Run
from vivavoce.gate.spread import Spread
from vivavoce.gate.verdict import Outcome, Verdict

_COLOURS: Final = {
    "blocked": "bold red", "not enough": "yellow", "held": "yellow", "new": "cyan", "pass": "green", "told": "dim",
    "passed": "bold green", "undecided": "bold yellow",
}  # fmt: skip
WIDTH: Final = 120
"""The table needs so many columns, also where there is no terminal to ask."""

TITLES: Final[dict[Harness, str]] = {
    "latency": "Latency: replayed at real time through the whole path",
    "quality": "Quality: texts against references",
}


def verdict_page(verdict: Verdict, run: Run) -> RenderableType:
    """Every figure beside its bar and its baseline, by harness; then what else has to be known, and the verdict."""
    parts: list[RenderableType] = [Text(line, style="dim") for line in facts(run)]
    for harness, title in TITLES.items():
        if findings := [each for each in verdict.findings if each.harness == harness]:
            parts += [Text(), _table(title, findings, verdict.harnesses.get(harness))]
    parts += [Text(), *(Text(note) for note in verdict.notes)]
    parts += [
        Text.assemble(
            (f"{each.name} ", _COLOURS["blocked"]),
            f"{amount(each.metric.value, each.metric.unit)}: {each.reason} [{each.leg}]",
        )
        for each in verdict.findings
        if each.status == "blocked"
    ]
    parts.append(Text(verdict.summary, style=_COLOURS[verdict.outcome]))
    return Group(*parts)


def spread_page(spread: Spread) -> RenderableType:
    """Each metric's values run by run, and their spread beside the threshold that must be larger."""
    table = Table(title=f"Run to run, plan {spread.plan}", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("metric", no_wrap=True)
    for number in range(1, len(spread.outcomes) + 1):
        table.add_column(f"run {number}", justify="right")
    for heading in ("spread", "of mean", "threshold"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for row in spread.rows:
        verdict = Text("only told", style="dim")
        if row.threshold is not None:
            verdict = Text("smaller", style="green") if row.holds else Text("too wide", style="bold red")
        table.add_row(
            row.name,
            *(amount(value, row.unit) for value in row.values),
            amount(row.spread, row.unit),
            "–" if row.share is None else f"{100 * row.share:.1f} %",
            amount(row.threshold, row.unit),
            verdict,
        )
    return Group(table, Text(spread.summary, style="green" if spread.holds else "bold red"))


def facts(run: Run) -> list[str]:
    """What was run, where, and with what."""
    when = datetime.fromtimestamp(run.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    engines = ", ".join(f"{leg} {engine}" for leg, engine in run.engines.items())
    gib = run.machine.memory_mib / 1024
    return [
        f"run {run.id}, plan {run.plan}, {len(run.clips)} clips, {when}"
        + (f"; prompts {', '.join(run.prompts)}" if run.prompts else ""),
        f"{run.machine.cpu}, {run.machine.cores} cores, {gib:.0f} GiB; fixed arithmetic {run.speed_ms:.1f} ms"
        + (f"; {engines}" if engines else ""),
    ]


def interval_text(finding: Finding) -> str:
    interval = finding.metric.interval
    return "" if interval is None else "–".join(_bare(value, finding) for value in (interval.low, interval.high))


def change_text(finding: Finding) -> str:
    """The value less its baseline, with its sign."""
    value = finding.metric.value
    if finding.baseline is None or value is None:
        return "–"
    return ("+" if value >= finding.baseline else "−") + _bare(abs(value - finding.baseline), finding)


def threshold_text(finding: Finding) -> str:
    """The change that blocks, with its sign."""
    if finding.threshold is None:
        return "–"
    return ("+" if finding.metric.better == "lower" else "−") + _bare(finding.threshold, finding)


def _bare(value: float | None, finding: Finding) -> str:
    """Without its unit, which stands beside the value."""
    return amount(value, finding.metric.unit).partition(" ")[0]


def _table(title: str, findings: Sequence[Finding], outcome: Outcome | None) -> Table:
    said = f"{title}: {outcome or 'not judged'}"
    table = Table(title=said, title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False)
    table.add_column("metric", no_wrap=True)
    for heading in ("value", "95 %", "n", "bar", "baseline", "change", "blocks"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("leg", no_wrap=True)
    for each in findings:
        few = f"/{each.least}" if each.metric.n < each.least else ""
        table.add_row(
            each.name,
            amount(each.metric.value, each.metric.unit).removesuffix(" points"),
            interval_text(each),
            f"{each.metric.n}{few}",
            each.bar.removesuffix(f" {each.metric.unit}"),
            _bare(each.baseline, each),
            change_text(each),
            threshold_text(each),
            Text(each.status, style=_COLOURS[each.status]),
            each.leg if each.status == "blocked" else Text(each.metric.owner, style="dim"),
        )
    return table
