from __future__ import annotations

from typing import Any

from rich.console import Console

from vivavoce.evals.table import BARS, bench_page, missed_bars, value_at


def _latency(p50: float, p95: float) -> dict[str, Any]:
    return {"n": 40, "p50": p50, "p95": p95, "p99": p95, "p95_interval": [p95 - 10, p95 + 10]}


FIGURES: dict[str, Any] = {
    "pair": "en-pt",
    "n": 60,
    "void": 2,
    "unspoken": 1,
    "missed": 0,
    "heard_ms": _latency(560, 699.9),
    "heard_long_ms": _latency(600, 900.0),
    "stages": {"stt": {**_latency(150, 205), "cap": 210}, "queue": {**_latency(0, 20), "cap": None}},
    "wer": 3.2,
    "wer_offline": 2.9,
    "lag_growth_ms_per_min": -50.0,
    "continuous": {"lag_ms": _latency(2500, 5100), "lag_growth_interval": [-70.0, -30.0]},
    "silence": {"texts": 1, "what": [{"sound": "melody, loud", "text": "Thank you."}]},
    "pairs": {"en-es": {"voice": "kokoro", "n": 8, "heard_ms": _latency(500, 600), "wer": 2.0}},
}


def _page(figures: dict[str, Any]) -> str:
    console = Console(width=140, record=True, file=None)
    with console.capture() as captured:
        console.print(bench_page(figures))
    return captured.get()


def test_a_bar_is_missed_when_its_figure_does_not_reach_it() -> None:
    assert {bar.path for bar in missed_bars(FIGURES)} == {"heard_long_ms.p95", "continuous.lag_ms.p95", "silence.texts"}


def test_what_was_not_measured_neither_passes_nor_misses() -> None:
    assert missed_bars({}) == []
    assert value_at({"wer": None}, "wer") is None
    assert _page({}).count("not measured") == len(BARS)


def test_the_page_shows_measured_bar_interval_and_what_was_heard_in_silence() -> None:
    page = _page(FIGURES)
    for text in ("700 (690 to 710)", "-50.0 (-70 to -30)", "2 void, 1 unspoken, 0 missed", "melody, loud: Thank you."):
        assert text in page
    assert "en-es" in page
