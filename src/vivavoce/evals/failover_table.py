"""The benchmark of failing over as a page: a row a figure, its bar beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vivavoce.evals.table import value_at

ROWS = (
    ("sessions that survive", "all", "survived", "{:.0f}"),
    ("of them, a switch was needed", "", "felt", "{:.0f}"),
    ("scripted: words lost", "0", "scripted.words_lost", "{:.0f}"),
    ("scripted: words doubled", "0", "scripted.words_doubled", "{:.0f}"),
    ("models: words lost or doubled around the switch, p95", "≤ 1", "models.excess_words.p95", "{:.1f}"),
    ("the same, at most", "", "models.excess_words.max", "{:.0f}"),
    ("extra silence in the dub, p50, ms", "", "extra_gap_ms.p50", "{:.0f}"),
    ("the same, p95", "< 700", "extra_gap_ms.p95", "{:.0f}"),
    ("dead → somebody else serves, p50, ms", "", "switch_dead_ms.p50", "{:.0f}"),
    ("the same, p95", "< 400", "switch_dead_ms.p95", "{:.0f}"),
    ("stalled → somebody else serves, p50, ms", "", "switch_stall_ms.p50", "{:.0f}"),
    ("the same, p95", "< 800", "switch_stall_ms.p95", "{:.0f}"),
    ("without a fault: a word could be committed → is, p50, ms", "", "commit_without_fault_ms.p50", "{:.0f}"),
    ("the same, p95", "", "commit_without_fault_ms.p95", "{:.0f}"),
    ("router, start of a stream, p99, µs", "< 1000", "start_us.p99", "{:.0f}"),
    ("router, a chunk of sound, p99, µs", "< 20", "chunk_us.p99", "{:.1f}"),
    ("shadow at 100 %: the primary's median moves by, ms", "< 10", "shadow_shift_ms", "{:.1f}"),
)


def failover_page(figures: Mapping[str, Any]) -> RenderableType:
    table = Table("figure", "bar", "measured", title=f"bench failover, {figures['runs']} faults", box=SIMPLE)
    table.columns[2].justify = "right"
    for what, bar, path, show in ROWS:
        value = value_at(figures, path)
        if value is not None:
            table.add_row(what, bar, show.format(value))
    legs = Table("fault → somebody else serves", "n", "p50 / p95, ms", "later than without, p50 / p95, ms", box=SIMPLE)
    for name, of in figures.get("by_leg", {}).items():
        shown = [f"{of[what]['p50']:.0f} / {of[what]['p95']:.0f}" for what in ("from_fault_ms", "late_ms")]
        legs.add_row(name, str(of["from_fault_ms"]["n"]), *shown)
    failed = [Text(f"did not survive: {each}") for each in figures.get("failed", [])]
    return Group(table, legs, *failed)
