"""The table of bars in the guide is the one in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.gate.bars import BARS, Bar

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"


def row(bar: Bar) -> str:
    limit = "" if bar.limit is None else f"{bar.reached} {bar.limit:g}"
    parts = [f"{bar.points:g}"] if bar.points is not None else []
    parts += [f"{100 * bar.ratio:g} %"] if bar.ratio is not None else []
    parts += [f"{bar.events} events"] if bar.events else []
    name = f"{bar.name}…" if bar.name.endswith(".") else bar.name
    return f"| `{name}` | {limit} | {' or '.join(parts)} | {bar.least} | {bar.least_short} |"


@pytest.mark.parametrize("bar", [bar for bar in BARS if bar.blocks], ids=lambda bar: bar.name)
def test_the_guide_has_each_bar(bar: Bar) -> None:
    assert row(bar) in PAGE.read_text(encoding="utf-8").splitlines()
