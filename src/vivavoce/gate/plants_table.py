"""The bench of the gate as a page: each plant beside what blocked it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def plants_page(figures: Mapping[str, Any]) -> RenderableType:
    """The figures of `GateBench`."""
    table = Table(box=SIMPLE, pad_edge=False)
    for name in ("planted", "blocked by", "placed on", "", "blocked as well"):
        table.add_column(name)
    for row in figures["plants"]:
        said = "yes" if row["holds"] else "NO" if row["done"] else "not run"
        blocked = ", ".join(map(_moved(row), row["blocked_by"])) or "–"
        style = "green" if row["holds"] else "red" if row["done"] else "yellow"
        also = ", ".join(row["also_blocked"]) or "–"
        table.add_row(f"{row['plant']}: {row['what']}", blocked, row["placed"] or "–", Text(said, style=style), also)
    sound = [
        Text(f"without a plant, again, {label}: {_sound(each)}", style="dim")
        for label, each in figures["sound"].items()
    ]
    return Group(table, *sound)


def _moved(row: Mapping[str, Any]) -> Any:
    def told(name: str) -> str:
        moved = row["moved"].get(name)
        return name if not moved else f"{name} {_number(moved['baseline'])} → {_number(moved['value'])}"

    return told


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _sound(verdict: Mapping[str, Any]) -> str:
    more = [
        f"{what} {', '.join(verdict[key])}" for key, what in (("blocked", "by"), ("undecided", "for")) if verdict[key]
    ]
    return " ".join(
        [verdict["outcome"], *more, *([f"void: {verdict['void_reason']}"] if verdict["void_reason"] else [])]
    )
