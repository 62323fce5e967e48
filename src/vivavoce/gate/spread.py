"""How much the same thing measured again differs, beside the thresholds that must be larger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from vivavoce.errors import ConfigError
from vivavoce.gate.bars import bar_of
from vivavoce.gate.baseline import Baseline, Measured, require_alike
from vivavoce.gate.finding import Status
from vivavoce.gate.metric import Metric, named
from vivavoce.gate.verdict import Outcome, Verdict, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadRow:
    """`values` run by run; `spread` is most less least of them, `share` of their mean; None where a run lacks it.

    `threshold` is None where the metric is only told. It holds when the spread is smaller than that.
    """

    name: str
    unit: str
    values: tuple[float | None, ...]
    spread: float | None
    share: float | None
    threshold: float | None
    statuses: tuple[Status | None, ...]
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """`equal` when every run has the same outcome, and the same metrics block and lack events in all of them."""

    plan: str
    rows: tuple[SpreadRow, ...]
    outcomes: tuple[Outcome, ...]
    equal: bool

    @property
    def holds(self) -> bool:
        return self.equal and all(row.holds for row in self.rows)

    @property
    def too_wide(self) -> tuple[str, ...]:
        return tuple(row.name for row in self.rows if not row.holds)

    @property
    def summary(self) -> str:
        verdicts = f"verdicts {'equal' if self.equal else 'differ'}: {', '.join(self.outcomes)}"
        wide = f"; spread reaches the threshold: {', '.join(self.too_wide)}" if self.too_wide else ""
        return f"{verdicts}{wide or '; every spread is smaller than its threshold'}"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds, "too_wide": list(self.too_wide), "summary": self.summary}


def spread(measured: Sequence[Measured], baseline: Baseline | None) -> Spread:
    """Each metric over the runs. Raises ConfigError for fewer than two, for runs that are not of one plan, and what
    `require_alike` does.
    """
    if len(measured) < 2:
        raise ConfigError("one run has no spread", hint="name two runs or more of the same plan")
    first = measured[0][0]
    for run, _ in measured:
        if run.plan != first.plan:
            raise ConfigError(
                f"runs {first.id} and {run.id} are of different plans, {first.plan} and {run.plan}",
                hint="only runs of the same clips, replayed in the same way, can be compared",
            )
    require_alike([run for run, _ in measured])
    verdicts = [judge(metrics, run, baseline) for run, metrics in measured]
    of_runs = [named(metrics) for _, metrics in measured]
    names = dict.fromkeys(name for metrics in of_runs for name in metrics)
    plan = None if baseline is None else baseline.plans.get(first.plan)
    wider = {} if plan is None else {name: each.threshold for name, each in plan.metrics.items()}
    return Spread(
        plan=first.plan,
        rows=tuple(_row([metrics.get(name) for metrics in of_runs], name, verdicts, wider.get(name)) for name in names),
        outcomes=tuple(verdict.outcome for verdict in verdicts),
        equal=len({(each.outcome, frozenset(each.blocked), frozenset(each.undecided)) for each in verdicts}) == 1,
    )


def _row(found: Sequence[Metric | None], name: str, verdicts: Sequence[Verdict], wider: float | None) -> SpreadRow:
    values = tuple(None if metric is None else metric.value for metric in found)
    known = [value for value in values if value is not None]
    metrics = [metric for metric in found if metric is not None]
    whole = len(known) == len(found)
    mean = fmean(known) if known else 0.0
    width = max(known) - min(known) if whole else None
    usual = bar_of(metrics[0]).threshold(mean, n=min(metric.n for metric in metrics), unit=metrics[0].unit)
    threshold = usual if usual is None or wider is None else max(usual, wider)
    # What no run has is no spread; what only some have is one without end.
    holds = threshold is None or not known or (width is not None and width < threshold)
    statuses = (next((each.status for each in verdict.findings if each.name == name), None) for verdict in verdicts)
    return SpreadRow(
        name=name,
        unit=metrics[0].unit,
        values=values,
        spread=width,
        share=width / abs(mean) if width is not None and mean else None,
        threshold=threshold,
        statuses=tuple(statuses),
        holds=holds,
    )
