from __future__ import annotations

import asyncio
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.errors import ConfigError, MediaError, ModelMissing
from vivavoce.evals.bench_capacity import CapacityBench, CapacityPlan, Found, Other, Step
from vivavoce.evals.media_table import capacity_page
from vivavoce.models import ModelStore


def step(calls: int, *, late_ms: float = 1.0, clear_ms: float = 300.0, valid: bool = True, **more: Any) -> Step:
    callers = {
        "alive": calls,
        "counts": {"interruptions": 100, "turns": 100},
        "audio_late_ms": {"n": 9, "p99": late_ms},
        "grid_late_ms": {"n": 9, "p99": 3.0},
        "barge_in_ms": {"n": 9, "p50": 200.0, "p95": clear_ms},
        "generator": {"valid": valid, "tick_late_ms": {"n": 9, "p99": 0.2}},
    }
    return Step(calls, callers | more, 0.5)


def tried(carried: int, first: int = 10, most: int = 2000) -> list[int]:
    """The numbers that are tried of a server that carries so many."""
    found, numbers = Found("one"), []
    while (calls := found.next_calls(first, most)) is not None:
        numbers.append(calls)
        found.steps.append(step(calls, late_ms=1.0 if calls <= carried else 50.0))
        assert len(numbers) < 30
    assert found.best is None or found.best.calls <= carried
    return numbers


def test_the_search_closes_in_on_what_is_carried() -> None:
    assert tried(41) == [10, 15, 22, 33, 50, 41, 45]
    assert tried(0) == [10, 5, 2, 1]
    assert tried(9999, most=30) == [10, 15, 22, 30]
    assert tried(3) == [10, 5, 2, 3, 4]


def test_a_server_carries_what_it_serves_in_time() -> None:
    assert step(5).holds
    assert not step(5, late_ms=20.0).holds
    assert not step(5, clear_ms=1000.0).holds
    assert not step(5, alive=4).holds
    assert not step(5, valid=False).holds
    assert not step(5, barge_in_ms={"n": 0}).holds
    assert not step(5, grid_late_ms={"n": 9, "p99": 300.0}).holds
    assert not step(5, counts={"interruptions": 100, "missed_clears": 5}).holds
    assert not step(5, counts={"turns": 100, "no_reply": 5}).holds


def test_callers_that_cannot_are_no_fault_of_a_servers() -> None:
    assert Found("one", [step(10), step(15, valid=False)]).is_bound_by_callers
    assert Found("one", [step(10)]).is_bound_by_callers
    assert not Found("one", [step(10), step(20, valid=False), step(15, late_ms=50.0)]).is_bound_by_callers


def test_the_page_compares_with_the_first() -> None:
    def found(calls: int) -> dict[str, Any]:
        at = {"audio_late_ms": {"p99": 2.0}, "barge_in_ms": {"n": 3, "p50": 70.0, "p95": 150.0}, "cores": 0.5}
        return {"calls_a_core": calls, "or_more": calls > 100, "at_most": at if calls else None}

    console = Console(width=120, file=StringIO())
    servers = {"theirs": found(40), "none": found(0), "ours": found(900)}
    console.print(capacity_page({"late_ms": 20.0, "servers": servers}))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "22.5" in text
    assert "≥ 900" in text
    assert "70 / 150" in text


@pytest.mark.parametrize("server", ["pipecat", "pipecat=serve --port 1", "=serve {port}"])
def test_a_server_has_a_name_and_a_port(server: str) -> None:
    found = CliRunner().invoke(app, ["bench", "capacity", "--server", server])
    assert found.exit_code == 2
    assert "NAME=COMMAND" in found.output


@pytest.mark.parametrize(
    ("words", "told"),
    [(["/no/such/program", "{port}"], ConfigError), ([sys.executable, "-c", "0", "{port}"], MediaError)],
)
def test_a_server_that_does_not_start_is_named(words: list[str], told: type[Exception]) -> None:
    try:
        for model, file in (("demo-en", "two_cities.wav"), ("silero-vad", "silero_vad.onnx")):
            ModelStore().path(model, file)
        bench = CapacityBench(CapacityPlan(others=[Other(name="theirs", words=words, path="/")]))
    except (ConfigError, ModelMissing) as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    with pytest.raises(told, match=Path(words[0]).name if told is ConfigError else "theirs does not listen"):
        asyncio.run(bench.run())
    assert bench.figures()["servers"] == {}
