"""The benchmark of the media plane as a page: a column for every round, the bar beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vivavoce.evals.table import value_at

ROWS = (
    ("frame sent after it was due, p99, ms", "< 20 (aim 3)", "late_ms.p99", "{:.2f}"),
    ("the same, p99.9", "", "late_ms.p999", "{:.2f}"),
    ("the same, at most", "", "late_ms.max", "{:.2f}"),
    ("frame arrived after its place on the grid, p99, ms", "< 20", "arrival_late_ms.p99", "{:.2f}"),
    ("sent ahead, at most, ms", "≤ 100", "ahead_ms.max", "{:.0f}"),
    ("frames lost", "0", "frames_lost", "{:.0f}"),
    ("frames in a second", "", "frames_in_per_s", "{:.0f}"),
    ("frames out a second", "", "frames_out_per_s", "{:.0f}"),
    ("CPU per in+out pair, µs", "≤ 12 (aim 8)", "cpu_us_per_pair", "{:.1f}"),
    ("Silero per window, µs", "≤ 20", "silero_us_per_window", "{:.1f}"),
    ("share of calls × time that it ran", "", "silero_share", "{:.2f}"),
    ("confirmed → clear written, p99, ms", "< 20", "clear_ms.p99", "{:.2f}"),
    ("strict: speech start → clear, p50, ms", "< 120", "strict_ms.p50", "{:.0f}"),
    ("the same, p95", "< 200", "strict_ms.p95", "{:.0f}"),
    ("patient: speech start → softer, p95, ms", "< 100 + lead", "patient_duck_ms.p95", "{:.0f}"),
    ("patient: speech start → clear, p50, ms", "", "patient_ms.p50", "{:.0f}"),
    ("asyncio: speech start → clear, p50, ms", "", "barge_in_ms.p50", "{:.0f}"),
    ("false clears on back-channels", "< 0.05", "false_clears", "{:.3f}"),
    ("interruptions that got no clear", "", "missed_clears", "{:.3f}"),
    ("event to door, p99, ms", "", "event_age_ms.p99", "{:.1f}"),
    ("memory per call, MiB", "≤ 0.15", "rss_mib_per_call", "{:.3f}"),
    ("interpreter's CPU, of a core", "≤ 0.06", "door_cpu", "{:.3f}"),
    ("callers' own lateness, p99, ms", "< 5, else void", "loadgen_late_ms.p99", "{:.2f}"),
)


def media_page(figures: Mapping[str, Any]) -> RenderableType:
    rounds = {name: of for name, of in figures.items() if isinstance(of, Mapping)}
    table = Table("figure", "bar", *rounds, title=f"bench media, {figures['calls']} calls", box=SIMPLE)
    for column in table.columns[2:]:
        column.justify = "right"
    for what, bar, path, show in ROWS:
        values = [value_at(of, path) for of in rounds.values()]
        if any(value is not None for value in values):
            table.add_row(what, bar, *("" if value is None else show.format(value) for value in values))
    granted = {str(cls) for of in rounds.values() for cls in of.get("scheduling", [])}
    return Group(table, Text(f"scheduling granted: {', '.join(sorted(granted)) or 'none asked for'}"))


def capacity_page(figures: Mapping[str, Any]) -> RenderableType:
    """A row for every server."""
    table = Table(
        "server", "calls a core", "sound late p99, ms", "clear p50 / p95, ms", "cores", "times the first", box=SIMPLE
    )
    table.title = f"calls on one core with sound less than {figures['late_ms']:.0f} ms late at p99"
    for column in table.columns[1:]:
        column.justify = "right"
    first: int | None = None
    for name, found in figures["servers"].items():
        calls, at = found["calls_a_core"], found["at_most"]
        first = first or calls
        if at is None:
            table.add_row(name, "none", "", "", "", "")
            continue
        clear = at["barge_in_ms"]
        both = f"{clear['p50']:.0f} / {clear['p95']:.0f}" if clear["n"] else ""
        late = f"{at['audio_late_ms']['p99']:.1f}"
        shown = f"≥ {calls}" if found["or_more"] else str(calls)
        table.add_row(name, shown, late, both, f"{at['cores']:.2f}", f"{calls / first:.1f}" if first else "")
    return table
