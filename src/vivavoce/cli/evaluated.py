"""What an evaluation found of latencies, kept for production and read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vivavoce.contract.envelope import this_machine
from vivavoce.errors import ConfigError
from vivavoce.gate.bars import bar_of
from vivavoce.gate.baseline import chosen_baseline
from vivavoce.gate.metric import Metric
from vivavoce.gate.run import Run
from vivavoce.telemetry.evaluated import Evaluated, load_evaluated, save_evaluated


@dataclass(frozen=True, slots=True)
class Reference:
    """`of` names the evaluation; `elsewhere` tells that it ran on another machine, whose latencies are its own."""

    of: str
    evaluated: Evaluated
    elsewhere: bool = False


def remember(run: Run, metrics: Sequence[Metric]) -> None:
    """Keep the p95s of a run at real time in the user's state; a void run and one of too few events change nothing.

    Raises OutputError.
    """
    found = _p95_ms((metric.name, metric.value) for metric in metrics if metric.n >= bar_of(metric).least)
    if run.paced and run.void_reason is None and found:
        pairs = tuple(sorted({clip.pair for clip in run.clips}))
        save_evaluated(
            Evaluated(
                run=run.id,
                at_ms=run.at_ms,
                p95_ms=found,
                config_hash=run.config_hash,
                engines=run.engines,
                pairs=pairs,
            )
        )


def reference(baseline: Path | None) -> Reference | None:
    """The baseline that is named; else the last evaluation on this machine; else the package's baseline, if any.

    Raises ConfigError for a file that cannot be read, or has no latencies.
    """
    if baseline is None and (last := load_evaluated()) is not None:
        return Reference(f"evaluation {last.run} on this machine", last)
    known = chosen_baseline(baseline)
    plans = sorted((plan.at_ms, label) for label, plan in known.plans.items() if plan.paced) if known else []
    for _, label in reversed(plans):
        plan = known.plans[label] if known else None
        found = _p95_ms((name, metric.value) for name, metric in plan.metrics.items()) if plan else {}
        if plan is not None and found:
            ours = this_machine()
            elsewhere = (plan.machine.cpu, plan.machine.cores) != (ours.cpu, ours.cores)
            evaluated = Evaluated(
                run=label,
                at_ms=plan.at_ms,
                p95_ms=found,
                config_hash=plan.config_hash,
                engines=plan.engines,
                pairs=(),
            )
            return Reference(f"baseline of {label}", evaluated, elsewhere)
    if baseline is not None:
        raise ConfigError(f"{baseline} has no latencies at real time", hint="name a baseline of a whole evaluation")
    return None


def _p95_ms(values: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """By stage, of `stage.<stage>.p95` and `heard.p95`."""
    found = {}
    for name, value in values:
        parts = name.split(".")
        if value is not None and parts[-1] == "p95" and (parts[:-1] == ["heard"] or parts[:-2] == ["stage"]):
            found[parts[-2]] = value
    return found
