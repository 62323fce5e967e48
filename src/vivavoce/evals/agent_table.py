"""The benchmark of the agent as a page: figures and their bars, the trade-off of turn taking, calls at once, peers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table

from vivavoce.evals.bench_agent import (
    EXPECTED,
    INTERRUPTED,
    LIVE,
    MANY_INTERRUPTED,
    PATIENT,
    QUICK,
    ROUND_TRIP,
    USUAL,
    WITHOUT_RECOGNITION,
)
from vivavoce.evals.table import Bar, value_at


def _under(limit: float) -> Any:
    return lambda value: value < limit


AS_EXPECTED, FAR_AS_EXPECTED = f"{USUAL}, {EXPECTED}", f"{ROUND_TRIP}, {EXPECTED}"

BARS: tuple[tuple[str, Bar], ...] = (
    (USUAL, Bar("turn decided → audio, known lines, ms", "p95 < 200 (aim 80)", "decided_to_audio_ms.p95", _under(200))),
    (USUAL, Bar("speech end → audio, known lines, ms", "p50 < 400", "speech_end_to_audio_ms.p50", _under(400))),
    (USUAL, Bar("the same", "p90 < 700", "speech_end_to_audio_ms.p90", _under(700))),
    (USUAL, Bar("the same", "p95 < 1000", "speech_end_to_audio_ms.p95", _under(1000))),
    (USUAL, Bar("false cut-offs, of pauses", "< 0.05", "false_cutoffs", _under(0.05), "{:.3f}")),
    (USUAL, Bar("ends that were missed, of turns", "", "missed_ends", _under(1), "{:.3f}")),
    (AS_EXPECTED, Bar("end → audio where it is expected, ms", "p50 < 400", "speech_end_to_audio_ms.p50", _under(400))),
    (AS_EXPECTED, Bar("the same", "p90 < 700", "speech_end_to_audio_ms.p90", _under(700))),
    (AS_EXPECTED, Bar("the same", "p95 < 1000", "speech_end_to_audio_ms.p95", _under(1000))),
    (AS_EXPECTED, Bar("false cut-offs, of pauses", "< 0.05", "false_cutoffs", _under(0.05), "{:.3f}")),
    (ROUND_TRIP, Bar("the same, 80 ms of round trip more", "p50 < 500", "speech_end_to_audio_ms.p50", _under(500))),
    (FAR_AS_EXPECTED, Bar("the same, the script expects it", "p50 < 500", "speech_end_to_audio_ms.p50", _under(500))),
    (LIVE, Bar("speech end → audio, lines synthesised live, ms", "p95 < 1300", "live_line_ms.p95", _under(1300))),
    (INTERRUPTED, Bar("interruption → clear, strict, 1 call, ms", "p95 < 200", "interrupt_ms.p95", _under(200))),
    (INTERRUPTED, Bar("interruptions that got none", "0", "missed_clears", _under(1e-9), "{:.3f}")),
    (MANY_INTERRUPTED, Bar("interruption → clear, strict, 20 calls, ms", "p95 < 200", "interrupt_ms.p95", _under(200))),
    (MANY_INTERRUPTED, Bar("interruptions that got none", "0", "missed_clears", _under(1e-9), "{:.3f}")),
    (INTERRUPTED, Bar("what was heard: off by, ms", "p95 < 100", "heard_error_ms.p95", _under(100))),
    (MANY_INTERRUPTED, Bar("the same, 20 calls", "p95 < 100", "heard_error_ms.p95", _under(100))),
    (WITHOUT_RECOGNITION, Bar("scripted audio: calls", "≥ 200", "alive", lambda value: value >= 200)),
    (WITHOUT_RECOGNITION, Bar("the same: audio late, p99, ms", "< 20", "audio_late_ms.p99", _under(20), "{:.1f}")),
    (WITHOUT_RECOGNITION, Bar("the same: interruption → clear, p95, ms", "", "interrupt_ms.p95", _under(1e9))),
)  # fmt: skip
"""What must be shown, and in which row it stands."""


def agent_page(figures: Mapping[str, Any], peers: Mapping[str, Any]) -> RenderableType:
    rows = figures["rows"]
    parts: list[RenderableType] = [_bars(rows, figures)]
    if any(name in rows for name in (QUICK, PATIENT)):
        parts.append(_settings(rows))
    if "at_once" in figures:
        parts.append(_at_once(figures["at_once"]))
    if peers:
        parts.append(_peers(peers))
    return Group(*parts)


def _bars(rows: Mapping[str, Any], figures: Mapping[str, Any]) -> Table:
    title = f"bench agent: {figures['calls']} calls, {figures['turns']} turns"
    table = Table("figure", "bar", "measured", "n", "", title=title, box=SIMPLE)
    table.columns[2].justify = table.columns[3].justify = "right"
    for row, bar in BARS:
        found = rows.get(row, {})
        value = value_at(found, bar.path)
        if value is None:
            continue
        parent, _, last = bar.path.rpartition(".")
        interval = found.get(parent, {}).get("p95_interval") if last == "p95" else None
        shown = bar.show.format(value) + (f" ({interval[0]:.0f} to {interval[1]:.0f})" if interval else "")
        count = value_at(found, f"{parent}.n")
        verdict = "[green]pass[/green]" if bar.holds(value) else "[red]miss[/red]"
        table.add_row(bar.what, bar.bar, shown, "" if count is None else f"{count:.0f}", verdict if bar.bar else "")
    return table


def _settings(rows: Mapping[str, Any]) -> Table:
    table = Table(
        "turn taking", "end → audio p50", "p90", "p95", "false cut-offs", "of pauses", "missed ends", box=SIMPLE
    )
    table.title = "three settings, ms"
    for name in (QUICK, USUAL, PATIENT, AS_EXPECTED):
        if (row := rows.get(name)) is not None:
            took = [_shown(row, f"speech_end_to_audio_ms.{p}", "{:.0f}") for p in ("p50", "p90", "p95")]
            cut = _shown(row, "false_cutoffs", "{:.1%}")
            table.add_row(name, *took, cut, str(row["pauses"]), _shown(row, "missed_ends", "{:.1%}"))
    return _right(table)


def _at_once(at_once: Mapping[str, Any]) -> Table:
    table = Table(
        "calls at once",
        "end → audio p50",
        "p95",
        "missed ends",
        "recognised in p95",
        "cores",
        "audio late p99",
        box=SIMPLE,
    )
    table.title = f"with recognition: {at_once['held']} calls within {at_once['times_p95']} times the p95 of one"
    paths = (
        ("speech_end_to_audio_ms.p50", "{:.0f}"), ("speech_end_to_audio_ms.p95", "{:.0f}"), ("missed_ends", "{:.1%}"),
        ("recognition_ms.p95", "{:.0f}"), ("cores", "{:.2f}"), ("audio_late_ms.p99", "{:.1f}"),
    )  # fmt: skip
    for step in at_once["steps"]:
        table.add_row(str(step["at_once"]), *(_shown(step, path, show) for path, show in paths))
    if admitted := at_once.get("admitted"):
        name = f"{admitted['at_once']} let in, {admitted['refused']} not: {admitted['times_p95']} times"
        table.add_row(name, *(_shown(admitted, path, show) for path, show in paths))
    return _right(table)


def _peers(peers: Mapping[str, Any]) -> Table:
    table = Table("server", "interruption p50", "p95", "turn p50", "p95", "CPU a call, % of a core", box=SIMPLE)
    table.title = "the same callers, one session, ms"
    paths = ("interrupt_ms.p50", "interrupt_ms.p95", "turn_ms.p50", "turn_ms.p95")
    for name, row in peers.items():
        took = [_shown(row, path, "{:.0f}") for path in paths]
        table.add_row(name, *took, f"{100 * row['cpu_per_call']:.1f}")
    return _right(table)


def _shown(row: Mapping[str, Any], path: str, show: str) -> str:
    value = value_at(row, path)
    return "–" if value is None else show.format(value)


def _right(table: Table) -> Table:
    for column in table.columns[1:]:
        column.justify = "right"
    return table
