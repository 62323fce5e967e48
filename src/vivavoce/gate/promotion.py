"""Whether a shadow may become its leg's first choice: what its live pairs say, and what the gate says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from vivavoce.config.routes import PAIRS, EngineRoute
from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError, GateBlocked, GateUndecided
from vivavoce.evals.shadow_report import LEAST_PAIRS, MOST_VOID, Comparison
from vivavoce.gate.baseline import Baseline, new_baseline, same_machine
from vivavoce.gate.metrics import measure
from vivavoce.gate.plan import Plan
from vivavoce.gate.run import Run
from vivavoce.gate.runner import GateRunner, Progress
from vivavoce.gate.verdict import Verdict, judge
from vivavoce.routing.route import Route
from vivavoce.translate.session import Legs

Refusal = GateBlocked | GateUndecided
_NO_CAP_MS: Final = 1e9
_QUIET: Final = "run it again with nothing else on the machine"
_MORE: Final = "see: vivavoce shadow report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the gate says of a configuration in which the engine comes first. `against` names what it was held to.

    `started` requests and streams went to the engine in the run, of which `failed` failed, and `by_others` to others;
    where those served in its place the figures are not its own.
    """

    run: Run
    verdict: Verdict
    against: str
    started: int
    failed: int
    by_others: int
    reason: str

    @property
    def refusal(self) -> Refusal | None:
        """What speaks against the promotion, None where nothing does."""
        if self.failed > MOST_VOID * self.started:
            return GateBlocked(f"it failed {self.failed} times, and was asked {self.started} times: {self.reason}")
        if not self.started:
            return GateUndecided("nothing of the clips went to it")
        if self.by_others > MOST_VOID * self.started:
            return GateBlocked(f"others were asked {self.by_others} times in its place, and it {self.started} times")
        if self.verdict.outcome == "blocked":
            return GateBlocked(self.verdict.summary)
        return None if self.verdict.outcome == "passed" else GateUndecided(self.verdict.summary)

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run.id,
            "against": self.against,
            "started": self.started,
            "failed": self.failed,
            "by_others": self.by_others,
            "verdict": self.verdict.to_json(),
        }


def check_names(settings: Settings, leg: str, engine: str) -> None:
    """Raises ConfigError where this engine cannot be promoted: it is none, or it comes first already."""
    if engine not in settings.engines.paths and (leg, engine) != ("mt", PAIRS):
        raise ConfigError(
            f"no engine is named {engine!r}",
            hint=f"the shadows of {leg} are {_named(settings.routes.legs[leg].shadow)}",
        )
    if settings.routes.legs[leg].order[0] == engine:
        raise ConfigError(f"{engine} is the first choice of {leg} already", hint="see: vivavoce routes")


def refused_by_pairs(found: Iterable[Comparison], *, primary: str, shadow: str) -> Refusal | None:
    """Why live pairs of the shadow with the leg's first choice do not speak for it; None where they do."""
    each = next((each for each in found if (each.primary, each.shadow) == (primary, shadow)), None)
    if each is None:
        return GateUndecided(f"no live pairs of it beside {primary}, {LEAST_PAIRS} are needed", hint=_MORE)
    if each.promising and each.n >= LEAST_PAIRS:
        return None
    if each.n + sum(each.void.values()) >= LEAST_PAIRS and not each.promising:
        return GateBlocked(f"its {each.n} live pairs beside {primary}: {each.verdict}", hint=_MORE)
    return GateUndecided(f"{each.n} live pairs beside {primary}, {LEAST_PAIRS} are needed", hint=_MORE)


def promoted(settings: Settings, leg: str, engine: str) -> Settings:
    """A copy in which the engine comes first; the orders of tiers stay."""
    route = settings.routes.legs[leg]
    led = route.model_copy(update={"order": route.led_by(engine).order})
    return settings.model_copy(update={"routes": settings.routes.model_copy(update={leg: led})})


async def prove(
    settings: Settings,
    *,
    leg: str,
    engine: str,
    plan: Plan,
    baseline: Baseline | None = None,
    on_progress: Progress = lambda label, done_s, planned_s: None,
) -> Proof:
    """Replay the plan with the engine first, and hold it against the present configuration.

    That is `baseline` where it is of the plan with the same settings, engines, prompts and machine; otherwise the
    present configuration is replayed before. Raises GateUndecided where that run is void.
    """
    present = GateRunner(settings, plan, on_progress=on_progress)
    held, against = baseline, "the baseline"
    if not _is_of(baseline, present.result()):
        await present.run()
        run = present.result()
        if run.void_reason is not None:
            raise GateUndecided(f"things as they are could not be measured: {run.void_reason}", hint=_QUIET)
        held, against = (
            new_baseline([(run, await asyncio.to_thread(measure, run))]),
            f"a run of the present configuration ({run.id})",
        )
    routes: list[Route] = []

    def around(legs: Legs) -> Legs:
        routes.extend(route for route in legs.routes if route.leg == leg)
        return legs

    first = _unhurried(promoted(settings, leg, engine), leg, engine)
    candidate = GateRunner(first, plan, around=around, on_progress=on_progress)
    await candidate.run()
    run = candidate.result()
    everyone = [status for route in routes for status in route.status()]
    statuses = [status for status in everyone if status.engine == engine]
    return Proof(
        run=run,
        verdict=judge(await asyncio.to_thread(measure, run), run, held),
        against=against,
        started=sum(status.started for status in statuses),
        failed=sum(status.failed for status in statuses),
        by_others=sum(status.started for status in everyone if status.engine != engine),
        reason=next((status.reason for status in statuses if status.reason), ""),
    )


def _is_of(baseline: Baseline | None, run: Run) -> bool:
    plan = baseline.plans.get(run.plan) if baseline else None
    return (
        plan is not None
        and same_machine(run, plan)
        and plan.config_hash == run.config_hash
        and dict(plan.engines) == dict(run.engines)
        and set(plan.prompts) == set(run.prompts)
    )


def _unhurried(settings: Settings, leg: str, engine: str) -> Settings:
    """Without the cap over which a slow engine is passed over: how slow it is, the gate is to see."""
    route = settings.routes.legs[leg]
    own = route.engines.get(engine, EngineRoute.model_validate({})).model_copy(update={"cap_ms": _NO_CAP_MS})
    slow = route.model_copy(update={"engines": {**route.engines, engine: own}})
    return settings.model_copy(update={"routes": settings.routes.model_copy(update={leg: slow})})


def _named(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
