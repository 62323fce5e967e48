"""The gate's report: one HTML file that needs nothing else, the verdict on top and the worst clips first."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from vivavoce.cli.eval_report_clips import ClipFigures, by_pair_and_register, clip_articles, clip_figures
from vivavoce.cli.report import page_part, write_page
from vivavoce.cli.report_charts import legend, rule
from vivavoce.gate.bars import Harness
from vivavoce.gate.finding import Finding, amount
from vivavoce.gate.page import TITLES, change_text, facts, interval_text, threshold_text
from vivavoce.gate.run import Run
from vivavoce.gate.verdict import Verdict

_HEADINGS: Final = ("metric", "status", "value", "95 %", "n", "bar", "baseline", "change", "blocks at", "")


def write_eval_report(path: str | Path, verdict: Verdict, run: Run) -> None:
    """Write the report, whole or not at all. Raises OutputError when it cannot be written."""
    write_page(path, render(verdict, run))


def render(verdict: Verdict, run: Run) -> str:
    """The report as HTML."""
    figures = [clip_figures(clip, verdict.findings) for clip in run.clips]
    where, *what = facts(run)
    return Template(page_part("eval_report.html")).substitute(
        style=page_part("report.css"),
        title=escape(f"Evaluation gate: {verdict.outcome}"),
        plan=escape(where),
        outcome=verdict.outcome,
        heading=verdict.outcome.capitalize(),
        summary=escape(verdict.summary),
        notes=_notes(verdict),
        facts="".join(f"<div><dd>{escape(line)}</dd></div>" for line in what),
        harnesses="".join(_harness(harness, verdict) for harness in TITLES),
        grids=_grids(figures),
        legend=legend(),
        clips=clip_articles(run, figures) or "<p>No clip was replayed.</p>",
        version=escape(run.versions.get("vivavoce", "")),
    )


def _notes(verdict: Verdict) -> str:
    blocking = [
        f"<b>{escape(each.name)}</b> {amount(each.metric.value, each.metric.unit)}: {escape(each.reason)} "
        f"({escape(each.leg)})"
        for each in verdict.findings
        if each.status == "blocked"
    ]
    items = "".join(f"<li>{text}</li>" for text in [*blocking, *map(escape, verdict.notes)])
    return f"<ul>{items}</ul>" if items else ""


def _harness(harness: Harness, verdict: Verdict) -> str:
    findings = [each for each in verdict.findings if each.harness == harness]
    if not findings:
        return ""
    title = f"{TITLES[harness]}: {verdict.harnesses.get(harness, 'not judged')}"
    heads = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
    return (
        f"<h2>{escape(title)}</h2><p>A full bar is the change that blocks.</p>"
        f'<div class="card"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(map(_row, findings))}</tbody></table></div>"
    )


def _row(finding: Finding) -> str:
    metric, kind = finding.metric, finding.status.replace(" ", "-")
    few = f"<small>of {finding.least}</small>" if metric.n < finding.least else ""
    why = f"<small>{escape(finding.reason)}</small>" if finding.status not in ("pass", "told") else ""
    leg = f"<small>{finding.leg}</small>" if finding.status == "blocked" else ""
    cells = (
        f'<span class="status {kind}">{finding.status}</span>{leg}',
        f"<b>{escape(amount(metric.value, metric.unit))}</b>",
        interval_text(finding),
        f"{metric.n}{few}",
        escape(finding.bar),
        escape(amount(finding.baseline, metric.unit)),
        change_text(finding),
        threshold_text(finding),
        _strain(finding),
    )
    return (
        f'<tr class="{kind}" title="{escape(finding.reason)}"><th scope="row">{escape(finding.name)}{why}</th>'
        f"{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    )


def _strain(finding: Finding) -> str:
    """What the change has used of what is allowed."""
    if finding.worse is None or not finding.threshold:
        return ""
    kind = "bad" if finding.strain >= 1 else "near" if finding.strain >= 0.5 else "good"
    width = f"{80 * min(1.0, finding.strain):.1f}%"
    return (
        '<svg width="64" height="14" aria-hidden="true"><rect class="track" y="4" width="80%" height="6" rx="3"/>'
        f'<rect class="fill {kind}" y="4" width="{width}" height="6" rx="3"/>{rule("80%", 1, 13, "tick")}</svg>'
    )


def _grids(figures: Sequence[ClipFigures]) -> str:
    return "".join(by_pair_and_register(figures)) or "<p>No clip was replayed.</p>"
