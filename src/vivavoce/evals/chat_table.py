"""The first text of a chat as a page: a row for every client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import RenderableType
from rich.table import Table


def chat_page(figures: Mapping[str, Any]) -> RenderableType:
    found: Mapping[str, Mapping[str, Mapping[str, float]]] = figures["first_token_ms"]
    levels = list(dict.fromkeys(level for row in found.values() for level in row))
    heads = [f"{level} at once: p50 / p95 / p99" for level in levels]
    table = Table("client", *heads, title="first chat token, ms", box=SIMPLE)
    for name, row in found.items():
        table.add_row(name, *(_cell(row.get(level)) for level in levels))
    for name, reason in figures["missing"].items():
        table.add_row(name, f"missing: {reason}")
    return table


def _cell(took_ms: Mapping[str, float] | None) -> str:
    return f"{took_ms['p50']:.1f} / {took_ms['p95']:.1f} / {took_ms['p99']:.1f}" if took_ms else ""
