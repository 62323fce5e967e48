"""The committed baseline: what the figures of each plan were when they were last accepted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Final

from pydantic import TypeAdapter, ValidationError

from vivavoce.audio.sinks import check_output, output_error
from vivavoce.contract.envelope import Machine
from vivavoce.contract.reading import first_fault, read_json
from vivavoce.contract.stats import Interval
from vivavoce.errors import ConfigError
from vivavoce.gate.bars import bar_of
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import Run

SCHEMA: Final = 1
BASELINE: Final = Path(__file__).parent.parent / "evals" / "baseline.json"
"""The one that is committed, and part of the package."""

_DEVIATIONS: Final = 3.0
"""A threshold is at least so many standard deviations of the runs, so that the same thing again is not blocked."""
_RANGE: Final = {2: 1.128, 3: 1.693, 4: 2.059, 5: 2.326, 6: 2.534}
"""Most less least of so many runs, in standard deviations: the constant d2 of control charts (Shewhart, 1931)."""
_HINT: Final = "`vivavoce eval baseline run.json …` writes one"

Measured = tuple[Run, Sequence[Metric]]
"""A run and what `measure` made of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMetric:
    """The mean of the runs, the worst of them and their `spread`, most less least; None of one run.

    `interval` is the widest of them. `threshold` is given where the usual one is too near to the spread.
    """

    value: float
    worst: float
    unit: str
    n: int
    spread: float | None = None
    interval: Interval | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselinePlan:
    """`runs` are their identities, `speed_ms` the mean of what a fixed piece of arithmetic took."""

    runs: tuple[str, ...]
    at_ms: int
    paced: bool
    machine: Machine
    speed_ms: float
    config_hash: str
    engines: Mapping[str, str]
    prompts: tuple[str, ...] = ()
    metrics: Mapping[str, BaselineMetric] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """By the label of the plan; runs of different plans are not compared."""

    schema: int = SCHEMA
    plans: Mapping[str, BaselinePlan] = field(default_factory=dict)


def same_machine(run: Run, plan: BaselinePlan) -> bool:
    return (run.machine.cpu, run.machine.cores) == (plan.machine.cpu, plan.machine.cores)


def chosen_baseline(named: Path | None) -> Baseline | None:
    """The baseline that is named, else the package's, if it has one. Raises ConfigError for one that cannot be read."""
    if named is not None and not named.exists():
        raise ConfigError(f"{named}: there is no such file", hint=_HINT)
    return read_baseline(named or BASELINE)


def read_baseline(path: Path = BASELINE) -> Baseline | None:
    """The baseline in a file; None where there is no file. Raises ConfigError when it cannot be read."""
    if not path.exists():
        return None
    content = read_json(path, what="baseline", hint=_HINT)
    if not isinstance(content, dict) or content.keys() != {"schema", "plans"}:
        raise ConfigError(f"{path} is no baseline: it holds something else", hint=_HINT)
    if content["schema"] != SCHEMA:
        raise ConfigError(f"{path} is of schema {content['schema']}, and only {SCHEMA} can be read", hint=_HINT)
    try:
        return TypeAdapter(Baseline).validate_python(content)
    except ValidationError as error:
        raise ConfigError(f"{path} is no baseline: {first_fault(error)}", hint=_HINT) from error


def write_baseline(baseline: Baseline, path: Path = BASELINE) -> None:
    """Sorted, so that a change of it can be read. Raises OutputError when it cannot be written."""
    check_output(path)
    text = json.dumps(asdict(baseline), ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise output_error(path, error) from None


def new_baseline(measured: Sequence[Measured], old: Baseline | None = None) -> Baseline:
    """`old` with the plans of these runs put in their place; of several runs of a plan, the means.

    Raises ConfigError for no run, one in which anything failed, and what `require_alike` does.
    """
    if not measured:
        raise ConfigError("no run, no baseline", hint="name files run.json that `vivavoce eval --out` wrote")
    plans: dict[str, list[Measured]] = {}
    for run, metrics in measured:
        for metric in metrics:
            if metric.value and bar_of(metric).limit == 0:
                raise ConfigError(
                    f"run {run.id} has {metric.name} {metric.value:g}, and a baseline would allow it from now on",
                    hint="see what failed in its report.html, and run the gate again",
                )
        plans.setdefault(run.plan, []).append((run, metrics))
    made = {label: _plan(runs) for label, runs in plans.items()}
    return Baseline(plans={**({} if old is None else old.plans), **made})


def require_alike(runs: Sequence[Run]) -> None:
    """Raises ConfigError where runs of a plan are not the same thing measured again, or one is void or twice there."""
    first = runs[0]
    if void := next((run for run in runs if run.void_reason is not None), None):
        raise ConfigError(f"run {void.id} is void: {void.void_reason}", hint="run the gate again on a quiet machine")
    for what, differing in (
        ("machine", {(run.machine.cpu, run.machine.cores) for run in runs}),
        ("configuration", {run.config_hash for run in runs}),
        ("engines", {tuple(sorted(run.engines.items())) for run in runs}),
        ("prompt", {frozenset(run.prompts) for run in runs}),
        ("pace", {run.paced for run in runs}),
    ):
        if len(differing) > 1:
            raise ConfigError(
                f"the runs of plan {first.plan} are not of one {what}",
                hint="only runs of the same thing say how it is: leave the others out",
            )
    if len({run.id for run in runs}) < len(runs):
        raise ConfigError(f"a run of plan {first.plan} is named twice", hint="name each file once")


def _plan(measured: Sequence[Measured]) -> BaselinePlan:
    runs = [run for run, _ in measured]
    require_alike(runs)
    first = runs[0]
    by_name: dict[str, list[Metric]] = {}
    for _, metrics in measured:
        for metric in metrics:
            if metric.value is not None and math.isfinite(metric.value):
                by_name.setdefault(metric.name, []).append(metric)
    return BaselinePlan(
        runs=tuple(run.id for run in runs),
        at_ms=max(run.at_ms for run in runs),
        paced=first.paced,
        machine=first.machine,
        speed_ms=fmean(run.speed_ms for run in runs),
        config_hash=first.config_hash,
        engines=first.engines,
        prompts=first.prompts,
        metrics={
            name: _metric(found)
            for name, found in by_name.items()
            # What only some runs have is no ground to hold others to; moments of a hurried run mean nothing.
            if len(found) == len(runs) and (first.paced or bar_of(found[0]).harness != "latency")
        },
    )


def _metric(found: Sequence[Metric]) -> BaselineMetric:
    values = [metric.value for metric in found if metric.value is not None]
    first, mean = found[0], fmean(values)
    n = min(metric.n for metric in found)
    spread = max(values) - min(values) if len(values) > 1 else None
    usual = bar_of(first).threshold(mean, n=n, unit=first.unit)
    deviation = spread / _RANGE[min(len(values), max(_RANGE))] if spread is not None else 0.0
    wider = _DEVIATIONS * deviation
    intervals = [metric.interval for metric in found if metric.interval is not None]
    widest = Interval(min(each.low for each in intervals), max(each.high for each in intervals)) if intervals else None
    return BaselineMetric(
        value=_rounded(mean),
        worst=_rounded(max(values) if first.better == "lower" else min(values)),
        unit=first.unit,
        n=n,
        spread=None if spread is None else _rounded(spread),
        interval=None if widest is None else Interval(_rounded(widest.low), _rounded(widest.high)),
        threshold=_rounded(wider) if usual is not None and wider > usual else None,
    )


def _rounded(value: float) -> float:
    return round(value, 4)
