"""The page on telemetry: it names what is kept, all of it, and says when a network is which."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from vivavoce.config.load import default_settings, read_settings
from vivavoce.store.tables import SIGNALS
from vivavoce.telemetry.kinds import Nudge
from vivavoce.telemetry.network import NETWORKS, POOR_GAPS, POOR_MS, STEADY_GAPS, STEADY_MS
from vivavoce.telemetry.profiles import LEAST

GUIDE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text("utf-8")


def test_it_names_every_column_and_kind() -> None:
    cells = re.findall(r"^\| (`[^|]+) \|", GUIDE, re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted([*(column.name for column in SIGNALS.columns), *NETWORKS])
    assert all(f"`{kind}`" in GUIDE for kind in get_args(Nudge))


def test_its_figures_are_those_in_force() -> None:
    days = default_settings().store.lifetime_days
    assert days.profiles == days.nudges
    assert f"kept for {days.profiles} days" in GUIDE
    assert f"| up to {STEADY_MS:.0f} ms, half a packet | up to {STEADY_GAPS * 100:g} % of packets |" in GUIDE
    assert f"| up to {POOR_MS:.0f} ms | up to {POOR_GAPS * 100:g} % |" in GUIDE
    assert f"sessions on ({LEAST})" in GUIDE


def test_its_settings_are_taken(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    path = tmp_path / "vivavoce.toml"
    path.write_text(example, "utf-8")
    assert not read_settings(path).telemetry.profiles
