"""The gate's verdict: which figure blocks, why, and on which leg it lies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from vivavoce.gate.bars import BARS, SHORT, Bar, Harness, bar_of, cap_of
from vivavoce.gate.baseline import Baseline, BaselineMetric, BaselinePlan, same_machine
from vivavoce.gate.finding import Finding, Status, difference
from vivavoce.gate.metric import Metric, Owner
from vivavoce.gate.placing import place, placed
from vivavoce.gate.run import Run

Outcome = Literal["passed", "blocked", "undecided"]
_HARNESSES: Final[tuple[Harness, ...]] = ("latency", "quality")
_ROUNDING: Final = 1e-9
_FEWER: Final = 0.9
_FEWER_BY: Final = 2
"""Where a run lacks more of the baseline's events than this share and so many, those may be the worst."""
_SLOWER: Final = 0.25
_LATE_MS: Final = 100.0
_JUDGED: Final = "hallucination.judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`passed` only where nothing is blocked and nothing undecided. A harness that was not run is not in `harnesses`.

    `placed` are the legs on which what is blocked lies, the likeliest first. `notes` say what else has to be known.
    """

    plan: str
    outcome: Outcome
    findings: tuple[Finding, ...]
    harnesses: Mapping[Harness, Outcome]
    placed: tuple[Owner, ...] = ()
    notes: tuple[str, ...] = ()
    void_reason: str | None = None

    @property
    def blocked(self) -> tuple[str, ...]:
        return self.of("blocked")

    @property
    def undecided(self) -> tuple[str, ...]:
        return self.of("not enough")

    def of(self, status: Status) -> tuple[str, ...]:
        """The names of the metrics that came to this."""
        return tuple(finding.name for finding in self.findings if finding.status == status)

    def part(self, prefix: str) -> Verdict:
        """What it says of the figures whose names begin so; without any it is undecided."""
        findings = tuple(finding for finding in self.findings if finding.name.startswith(prefix))
        own = {harness: [each for each in findings if each.harness == harness] for harness in self.harnesses}
        harnesses = {harness: _outcome(found) for harness, found in own.items() if found}
        return replace(
            self,
            outcome=_worst(list(harnesses.values())) if harnesses else "undecided",
            findings=findings,
            harnesses=harnesses,
            placed=placed([finding for finding in findings if finding.status == "blocked"]),
        )

    @property
    def summary(self) -> str:
        """One line: the outcome and its reason."""
        if self.void_reason is not None:
            return f"undecided: the run is void: {self.void_reason}"
        if self.blocked:
            return f"blocked by {', '.join(self.blocked)}; it lies on {', then '.join(self.placed)}"
        if self.undecided:
            return f"undecided: not enough for {', '.join(self.undecided)}"
        if self.outcome == "undecided":
            return "undecided: nothing was measured"
        alone = f", {' and '.join(self.harnesses)} alone" if len(self.harnesses) < len(_HARNESSES) else ""
        held = f"; short of bar or cap, held with the baseline: {', '.join(self.of('held'))}" if self.of("held") else ""
        return f"passed{alone}{held}"

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": self.plan,
            "outcome": self.outcome,
            "summary": self.summary,
            "harnesses": dict(self.harnesses),
            "blocked": list(self.blocked),
            "undecided": list(self.undecided),
            "held": list(self.of("held")),
            "placed": list(self.placed),
            "notes": list(self.notes),
            "findings": [finding.to_json() for finding in self.findings],
        }


def judge(metrics: Sequence[Metric], run: Run, baseline: Baseline | None) -> Verdict:
    """Hold a run's metrics against the bars and against the baseline of its plan.

    The value decides, not its interval: docs/adr/0033 says why. A void run decides nothing.
    """
    plan = None if baseline is None else baseline.plans.get(run.plan)
    ran: tuple[Harness, ...] = _HARNESSES if run.paced else ("quality",)
    findings = [_find(metric, run, plan) for metric in (*metrics, *_missing(metrics, run, plan, ran))]
    by_name = {finding.name: finding for finding in findings}
    whole = tuple(
        replace(finding, leg=place(finding, by_name)) if finding.status == "blocked" else finding
        for finding in findings
    )
    harnesses = {harness: _outcome([each for each in whole if each.harness == harness]) for harness in ran}
    return Verdict(
        plan=run.plan,
        outcome=_worst(list(harnesses.values())),
        findings=whole,
        harnesses=harnesses,
        placed=placed([finding for finding in whole if finding.status == "blocked"]),
        notes=tuple(_notes(run, plan, whole)),
        void_reason=run.void_reason,
    )


def _outcome(findings: Sequence[Finding]) -> Outcome:
    statuses = {finding.status for finding in findings}
    if "blocked" in statuses:
        return "blocked"
    decided = statuses & {"pass", "held", "new"}
    return "passed" if decided and "not enough" not in statuses else "undecided"


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    return next((each for each in ("blocked", "undecided") if each in outcomes), "passed")


def _missing(
    metrics: Sequence[Metric], run: Run, plan: BaselinePlan | None, ran: Sequence[Harness]
) -> Iterator[Metric]:
    """What the baseline has or every whole run must have, and this one has not."""
    names = {metric.name for metric in metrics}
    wanted = {} if plan is None else {name: each.unit for name, each in plan.metrics.items()}
    if run.judge_problem:
        wanted[_JUDGED] = "%"
    if not run.plan.startswith(SHORT):
        known = names | set(wanted)
        for bar in BARS:
            if bar.required and not any(name == bar.name or name.startswith(bar.name + ".") for name in known):
                wanted[bar.name] = ""
    for name, unit in wanted.items():
        made = Metric(name=name, value=None, unit=unit, n=0, what="events", owner="session")
        bar = bar_of(made)
        if name not in names and bar.blocks and (not bar.optional or run.judge_problem) and bar.harness in ran:
            yield made


def _find(metric: Metric, run: Run, plan: BaselinePlan | None) -> Finding:
    bar, base = bar_of(metric), None if plan is None else plan.metrics.get(metric.name)
    expected = worse = threshold = None
    if base is not None and plan is not None:
        expected = base.value
        usual = bar.threshold(expected, n=metric.n or base.n, unit=metric.unit)
        threshold = usual if usual is None or base.threshold is None else max(usual, base.threshold)
        if (value := _value(metric)) is not None:
            worse = value - expected if metric.better == "lower" else expected - value
    found = Finding(
        metric=metric,
        harness=bar.harness,
        status="told",
        reason="",
        leg=metric.owner,
        bar=_bar_text(bar, cap_of(metric, run), metric.unit),
        least=bar.enough(run.plan),
        baseline=expected,
        worse=worse,
        threshold=threshold,
    )
    status, reason = _status(found, bar, base, run, elsewhere=plan is not None and not same_machine(run, plan))
    return replace(found, status=status, reason=reason)


def _status(found: Finding, bar: Bar, base: BaselineMetric | None, run: Run, *, elsewhere: bool) -> tuple[Status, str]:
    metric, value, worse = found.metric, _value(found.metric), found.worse
    if bar.harness == "latency" and not run.paced:
        return "told", "the run was not at real time"
    if not bar.blocks:
        return "told", "nothing holds for it"
    if run.void_reason is not None:
        return "not enough", f"the run is void: {run.void_reason}"
    if value is None:
        unasked = bar.optional and not run.judge_problem
        return "told" if unasked else "not enough", "nothing was measured"
    missed = not bar.holds(value)
    if metric.n < found.least:
        return "not enough", f"{metric.n} {metric.what}, {found.least} are needed"
    cap = cap_of(metric, run)
    over = cap is not None and value > cap
    if base is None or worse is None:
        if missed:
            return "blocked", f"misses its bar, {found.bar}, and no baseline holds it"
        if bar.required and bar.limit is None:
            return "not enough", "only a baseline says what it must be, and there is none"
        return "new", f"nothing to compare with{'; over the cap of the contract' if over else ''}"
    by = _by(worse, metric.unit)
    regressed = found.threshold is not None and worse >= found.threshold - _ROUNDING
    if regressed and found.threshold is not None and not (elsewhere and bar.harness == "latency"):
        return "blocked", f"{by}; from {difference(found.threshold, metric.unit)} on that blocks"
    if missed and not _held(base, bar, metric):
        return "blocked", f"misses its bar, {found.bar}, which the baseline reaches"
    if regressed:
        return "not enough", f"{by}, which is of another machine"
    if metric.n < _FEWER * base.n and base.n - metric.n > _FEWER_BY:
        return "not enough", f"{metric.n} {metric.what}, and the baseline has {base.n}"
    if missed:
        return "held", f"misses its bar as the baseline does; {by}"
    return ("held", f"over the cap of the contract; {by}") if over else ("pass", by)


def _problems(run: Run) -> list[str]:
    return [
        problem for problem in (*(each.problem for each in run.clips), *(each.problem for each in run.stt)) if problem
    ]


def _value(metric: Metric) -> float | None:
    return metric.value if metric.value is not None and math.isfinite(metric.value) else None


def _by(worse: float, unit: str) -> str:
    if abs(worse) < _ROUNDING:
        return "as the baseline"
    return f"{difference(abs(worse), unit)} {'worse' if worse > 0 else 'better'} than the baseline"


def _held(base: BaselineMetric, bar: Bar, metric: Metric) -> bool:
    """Whether the baseline misses the bar: its worst run does, or is nearer to it than its runs are to each other."""
    away = base.spread or 0.0
    return not bar.holds(base.worst + away if metric.better == "lower" else base.worst - away)


def _bar_text(bar: Bar, cap: float | None, unit: str) -> str:
    of = f" {unit}" if unit in ("ms", "%") else ""
    if bar.limit is not None:
        return f"{bar.reached} {bar.limit:g}{of}"
    return "" if cap is None else f"cap {cap:g}{of}"


def _notes(run: Run, plan: BaselinePlan | None, findings: Sequence[Finding]) -> Iterator[str]:
    if not run.paced:
        yield "The run was not at real time: its latencies mean nothing and are not judged."
    if run.plan.startswith(SHORT):
        yield "A short plan: fewer events are enough for it, and what it shows is less."
    if plan is None:
        yield f"No baseline for the plan {run.plan}: only absolute bars hold. `vivavoce eval baseline` makes one."
        return
    if not same_machine(run, plan):
        yield (
            f"Another machine than the baseline's ({plan.machine.cpu}, {plan.machine.cores} cores; a fixed piece of "
            f"arithmetic took {plan.speed_ms:.1f} ms there and {run.speed_ms:.1f} ms here). Latencies that are worse "
            "than there prove nothing: `vivavoce eval baseline` makes a baseline of this machine."
        )
    elif abs(run.speed_ms - plan.speed_ms) > _SLOWER * plan.speed_ms:
        yield (
            f"A fixed piece of arithmetic took {run.speed_ms:.1f} ms, and {plan.speed_ms:.1f} ms when the baseline was "
            "made: the machine has the same name and not the same speed."
        )
    for problem, count in Counter(_problems(run)).items():
        yield f"{count} could not be evaluated: {problem}"
    if run.latest_tick_ms > _LATE_MS:
        yield f"Sound was played up to {run.latest_tick_ms:.0f} ms late: what was waited for then is in the latencies."
    if run.judge_problem:
        yield f"The judge had no say: {run.judge_problem}"
    for leg in sorted(run.engines):
        now, then = run.engines.get(leg, "none"), plan.engines.get(leg, "none")
        if now != then:
            yield f"Another engine than the baseline's for {leg}: {now}, there {then}."
    if set(run.prompts) != set(plan.prompts):
        now, then = (", ".join(prompts) or "none" for prompts in (run.prompts, plan.prompts))
        yield f"Other prompts than the baseline's: {now}, there {then}."
    if widened := [name for name, each in plan.metrics.items() if each.threshold is not None]:
        yield f"Thresholds that the baseline widens, because its runs differed so much: {', '.join(widened)}."
    better = [
        each.name for each in findings if each.worse is not None and each.threshold and -each.worse >= each.threshold
    ]
    if better:
        yield f"Better than the baseline by the threshold: {', '.join(better)}. A new baseline would hold that."
