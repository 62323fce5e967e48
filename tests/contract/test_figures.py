from typing import Any

import pytest

from vivavoce.contract.figures import Measured, contract_figures, measured_stages
from vivavoce.contract.profile import PROFILES, Stage
from vivavoce.contract.spans import Span
from vivavoce.errors import ConfigError


def spans_of(stage: Stage, *durations_ms: float) -> list[Span]:
    return [Span(stage, 0, round(ms * 1e6)) for ms in durations_ms]


def test_spans_become_figures_and_figures_become_measurements() -> None:
    spans = spans_of(Stage.STT, 140, 150, 160) + spans_of(Stage.HEARD, 500, 600)
    figures = contract_figures(spans, PROFILES["embedded"])
    assert figures["stages"]["stt"]["cap"] == 210
    assert figures["heard_ms"]["p50"] == 550
    assert list(figures["stages"]) == ["stt"]
    measured = measured_stages(figures)
    assert measured[Stage.STT].p50 == 150
    assert measured[Stage.STT].n == 3
    low, high = measured[Stage.HEARD].p95_interval or (0, 0)
    assert 500 <= low <= measured[Stage.HEARD].p95 <= high <= 600


def test_no_spans_no_figures() -> None:
    assert contract_figures([], PROFILES["embedded"]) == {"stages": {}}


def test_least_form_of_the_figures_is_read() -> None:
    figures = {"stages": {"mt": {"p50": 9, "p95": 12, "cap": 30}, "first_partial": {"p50": 1, "p95": 2}}, "wer": 0.1}
    assert measured_stages(figures) == {Stage.MT: Measured(9, 12)}


@pytest.mark.parametrize(
    "figures",
    [{}, {"stages": {}}, {"stages": []}, {"stages": {"mt": {"p50": None, "p95": None}}}, {"stages": {"other": {}}}],
)
def test_figures_without_the_contract_are_refused(figures: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="neither stages nor heard_ms"):
        measured_stages(figures)


@pytest.mark.parametrize("row", [{"p50": 1}, {"p50": "fast", "p95": 2}, 3])
def test_rows_that_cannot_be_read_are_named(row: object) -> None:
    with pytest.raises(ConfigError, match="figures cannot be read: heard"):
        measured_stages({"heard_ms": row})
