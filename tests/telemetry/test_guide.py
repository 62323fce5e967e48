"""The page on telemetry: it names what is kept, all of it, and says when a network is which."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from vivavoce.config.load import default_settings, read_settings
from vivavoce.ledger.prices import packaged_prices
from vivavoce.store.tables import SIGNALS
from vivavoce.telemetry.drift import EVALUATED_LEAST, LEAST_SLACK_MS
from vivavoce.telemetry.kinds import Nudge
from vivavoce.telemetry.network import NETWORKS, POOR_GAPS, POOR_MS, STEADY_GAPS, STEADY_MS
from vivavoce.telemetry.profiles import LEAST

PAGE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text("utf-8")
GUIDE, TRACES, REST = re.split(r"^## (?:Traces|Metrics)$", PAGE, flags=re.MULTILINE)


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


def test_settings_of_traces_and_metrics_are_taken(tmp_path: Path) -> None:
    text = "".join(re.findall(r"```toml\n\[telemetry\]\n(.*?)```", TRACES + REST, re.DOTALL))
    path = tmp_path / "vivavoce.toml"
    path.write_text(f"[telemetry]\n{text}", "utf-8")
    settings = read_settings(path).telemetry
    assert (settings.otlp, settings.metrics_port) == ("http://localhost:4318", 9464)
    assert f"`drift_tolerance` ({default_settings().telemetry.drift_tolerance:.0%})".replace("%", " %") in REST
    assert f"from {EVALUATED_LEAST} on" in REST
    assert f"and {LEAST_SLACK_MS:.0f} ms" in REST


def test_it_names_every_metric() -> None:
    pytest.importorskip("prometheus_client", reason="the group telemetry is not installed")
    from vivavoce.telemetry.metrics import Metrics

    metrics = Metrics(
        profile=default_settings().contract.resolve(), prices=packaged_prices(), now_ms=lambda: 0, version=""
    )
    named = set(re.findall(r"(?:vivavoce|…)_(\w+)", REST))
    for family in metrics.registry.collect():
        name = family.name.removeprefix("vivavoce_")
        if family.name != name and family.type in ("counter", "histogram", "gauge"):
            assert name in named or f"{name}_total" in named, family.name
