"""A short run over SQLite, and what the bench makes of it."""

from __future__ import annotations

import asyncio
from io import StringIO

from rich.console import Console
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.contract.envelope import enclose
from vivavoce.evals.bench_ledger import LedgerBench, LedgerPlan
from vivavoce.evals.ledger_table import ledger_page


def test_a_short_run_has_every_figure_of_its_parts() -> None:
    told: list[tuple[str, float, float]] = []
    plan = LedgerPlan(stores=["sqlite"], parts=["speed", "programs"], programs=1, rows=1000, seconds=0.5)
    bench = LedgerBench(plan, report=lambda *what: told.append(what))
    asyncio.run(bench.run())
    figures = bench.figures()
    of = figures["sqlite"]
    assert bench.n == 1
    assert (of["programs"]["lost"], of["programs"]["doubled"]) == (0, 0)
    assert of["programs"]["acknowledged"] > 0
    assert of["rows_per_s"] > of["row_by_row_per_s"] > 0
    assert of["put_us"]["n"] == 75
    assert of["held_us"]["n"] > 5
    assert all(of["wait_us"][name]["n"] > 0 for name in ("without", "with", "full", "executemany"))
    enclose("vivavoce bench ledger", figures, config_hash="", n=bench.n).to_text()
    console = Console(file=StringIO(), width=120)
    console.print(ledger_page(figures))
    assert "programs killed" in console.file.getvalue()  # type: ignore[attr-defined]
    assert {what for what, _, _ in told} == {"sqlite, speed", "sqlite, programs"}
    assert all(done_s <= planned_s for _, done_s, planned_s in told)


def test_a_server_that_is_anothers_is_not_killed() -> None:
    plan = LedgerPlan(stores=["postgres"], parts=["servers", "away"], postgres="postgresql://nowhere.invalid/x")
    assert LedgerBench(plan)._planned_s == 0


def test_wrong_options_are_refused_with_what_there_is() -> None:
    found = CliRunner().invoke(app, ["bench", "ledger", "--stores", "oracle"])
    assert found.exit_code == 2
    assert "postgres, sqlite" in found.output
