"""Figures of the contract as JSON: from spans on the way out, into `Measured` on the way back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from vivavoce.contract.profile import Profile, Stage
from vivavoce.contract.reading import first_fault
from vivavoce.contract.spans import Span
from vivavoce.contract.stats import bootstrap_interval, percentiles
from vivavoce.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Measured:
    """What a stage took in milliseconds; `p95_interval` is where its p95 lies at 95 % confidence."""

    p50: float
    p95: float
    n: int | None = None
    p95_interval: tuple[float, float] | None = None


def latency_figures(values: Sequence[float]) -> dict[str, Any]:
    """`{n, p50, p95, p99, p95_interval}` of milliseconds, rounded to hundredths. Raises ValueError without values."""
    of = percentiles(values)
    interval = bootstrap_interval(values)
    return {
        "n": of.n,
        "p50": round(of.p50, 2),
        "p95": round(of.p95, 2),
        "p99": round(of.p99, 2),
        "p95_interval": [round(interval.low, 2), round(interval.high, 2)],
    }


def contract_figures(spans: Iterable[Span], profile: Profile) -> dict[str, Any]:
    """`{stages: {name: {…, cap}}, heard_ms: {…}}` of what was measured; a stage without spans is left out."""
    values: dict[Stage, list[float]] = {}
    for span in spans:
        values.setdefault(span.stage, []).append(span.duration_ms)
    heard = values.pop(Stage.HEARD, None)
    stages = {
        str(stage): {**latency_figures(values[stage]), "cap": profile.stages[stage].cap_ms}
        for stage in Stage
        if stage in values
    }
    return {"stages": stages, **({"heard_ms": latency_figures(heard)} if heard else {})}


def measured_stages(figures: Mapping[str, Any]) -> dict[Stage, Measured]:
    """The contract's stages in figures of any command that has them; other names and unmeasured rows are passed over.

    Raises ConfigError when nothing is left, or when a row is not `{p50, p95, …}`.
    """
    stages = figures.get("stages")
    rows = {**(stages if isinstance(stages, Mapping) else {}), Stage.HEARD: figures.get("heard_ms")}
    named = {stage: row for stage in Stage if (row := rows.get(stage)) is not None and not _unmeasured(row)}
    if not named:
        raise ConfigError("the figures hold neither stages nor heard_ms", hint="name a report of translate or bench")
    try:
        return TypeAdapter(dict[Stage, Measured]).validate_python(named)
    except ValidationError as error:
        raise ConfigError(f"the figures cannot be read: {first_fault(error)}") from error


def _unmeasured(row: object) -> bool:
    """Whether it is a row of the page that was printed before anything was measured."""
    return isinstance(row, Mapping) and "p50" in row and row["p50"] is None
