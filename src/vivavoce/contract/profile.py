"""The latency contract as data: stages, budgets and the critical path through them.

A listener waits from the last speech sample until the dub can be heard. The endpoint decision runs beside the
speculative work, so the wait is `max(endpoint, trigger + stt + mt + tts) + route` and not the sum of all stages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from vivavoce.errors import ContractError

HEARD_CAP_MS: Final = 700.0
"""p95 of last speech sample → dub can be heard. No configuration moves it."""

AGENT_TURN_CAP_MS: Final = 200.0
"""Caller's utterance decided to be over → first agent audio on the wire."""

AGENT_WHOLE_TURN_CAP_MS: Final = 500.0
"""The whole turn of an agent, network included."""

AGENT_DUCK_CAP_MS: Final = 20.0
"""Candidate of an interruption → agent ducked: one frame."""

AGENT_CLEAR_CAP_MS: Final = 40.0
"""Interruption confirmed → agent audio cut and `clear` sent: two frames."""


class Stage(StrEnum):
    """A measured stretch of the path. `HEARD` is the whole of it."""

    TRIGGER = "trigger"
    STT = "stt"
    MT = "mt"
    TTS = "tts"
    ROUTE = "route"
    ENDPOINT = "endpoint"
    HEARD = "heard"

    @property
    def ends(self) -> tuple[str, str]:
        """Where the stage starts and where it stops."""
        return _ENDS[self]


_ENDS: Final = {
    Stage.TRIGGER: ("last speech sample", "speculation starts"),
    Stage.STT: ("finalise asked", "final hypothesis"),
    Stage.MT: ("text", "first unit of target text"),
    Stage.TTS: ("text", "first audible sample"),
    Stage.ROUTE: ("audible sample", "socket or device"),
    Stage.ENDPOINT: ("last speech sample", "endpoint decided"),
    Stage.HEARD: ("last speech sample", "dub can be heard"),
}

WORK: Final = (Stage.TRIGGER, Stage.STT, Stage.MT, Stage.TTS)
"""The stages that follow one another beside the endpoint decision."""

PATH: Final = (*WORK, Stage.ROUTE, Stage.ENDPOINT)
"""Every stage that the critical path reads."""


def critical_path(values: Mapping[Stage, float], *, added_delay_ms: float = 0.0) -> float:
    """Milliseconds from the last speech sample to the dub, from one value per stage of `PATH`.

    `added_delay_ms` is what output transforms hold back before the sound leaves.
    """
    work = sum(values[stage] for stage in WORK)
    return max(values[Stage.ENDPOINT], work) + values[Stage.ROUTE] + added_delay_ms


def path_text(values: Mapping[Stage, float], *, added_delay_ms: float = 0.0) -> str:
    """The critical path written out, for people who must find the stage that is too long."""
    work = " + ".join(f"{stage} {values[stage]:.0f}" for stage in WORK)
    transforms = f" + transforms {added_delay_ms:.0f}" if added_delay_ms else ""
    total = critical_path(values, added_delay_ms=added_delay_ms)
    endpoint, route = values[Stage.ENDPOINT], values[Stage.ROUTE]
    return f"max(endpoint {endpoint:.0f}, {work}) + route {route:.0f}{transforms} = {total:.0f} ms"


@dataclass(frozen=True, slots=True)
class StageBudget:
    """`target_ms` is owed at p50, `cap_ms` at p95; a stage without a cap is bounded by the path alone."""

    target_ms: float
    cap_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A budget for every stage. The one of `HEARD` is the total, its cap always `HEARD_CAP_MS`."""

    name: str
    stages: Mapping[Stage, StageBudget]

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", MappingProxyType(dict(self.stages)))

    @property
    def targets(self) -> dict[Stage, float]:
        return {stage: budget.target_ms for stage, budget in self.stages.items()}

    def with_budget(self, stage: Stage, *, target_ms: float | None = None, cap_ms: float | None = None) -> Profile:
        """A copy in which what is given replaces the stage's own."""
        old = self.stages[stage]
        new = StageBudget(
            target_ms=old.target_ms if target_ms is None else target_ms,
            cap_ms=old.cap_ms if cap_ms is None else cap_ms,
        )
        return replace(self, stages={**self.stages, stage: new})

    def check(self, *, added_delay_ms: float = 0.0, waits: Mapping[Stage, float] | None = None) -> None:
        """Refuse a profile that cannot be kept: raises ContractError with the path printed.

        `waits` are silences that configuration makes a stage sit through; a stage takes at least its wait, whatever
        its target says.
        """
        if missing := [stage for stage in Stage if stage not in self.stages]:
            raise ContractError(f"profile {self.name!r} has no budget for {', '.join(missing)}")
        effective = self.targets
        for stage, wait_ms in (waits or {}).items():
            effective[stage] = max(effective[stage], wait_ms)
        path = path_text(effective, added_delay_ms=added_delay_ms)
        for value in (added_delay_ms, *effective.values()):
            if not (math.isfinite(value) and value >= 0):
                raise ContractError(f"profile {self.name!r}: {value} is not a length of time: {path}")
        for stage, budget in self.stages.items():
            if budget.cap_ms is not None and not budget.cap_ms >= effective[stage]:
                raise ContractError(
                    f"profile {self.name!r}: {stage} has a cap of {budget.cap_ms:.0f} ms, "
                    f"below the {effective[stage]:.0f} ms it is given: {path}",
                    hint=f"raise the cap of {stage}, lower its target or shorten the silence it waits for",
                )
        if self.stages[Stage.HEARD].cap_ms != HEARD_CAP_MS:
            raise ContractError(
                f"profile {self.name!r}: heard is capped at {HEARD_CAP_MS:.0f} ms and no configuration moves that",
                hint="remove the cap of heard; its target may be set",
            )
        total_ms = self.stages[Stage.HEARD].target_ms
        if critical_path(effective, added_delay_ms=added_delay_ms) > total_ms:
            raise ContractError(
                f"profile {self.name!r} adds up past its total of {total_ms:.0f} ms: {path}",
                hint="shorten a stage of the path, or remove an output transform",
            )


PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                "hosted",
                {
                    Stage.TRIGGER: StageBudget(100),
                    Stage.STT: StageBudget(250, 300),
                    Stage.MT: StageBudget(200),
                    Stage.TTS: StageBudget(75),
                    Stage.ROUTE: StageBudget(25),
                    Stage.ENDPOINT: StageBudget(300),
                    Stage.HEARD: StageBudget(650, HEARD_CAP_MS),
                },
            ),
            Profile(
                "embedded",
                {
                    Stage.TRIGGER: StageBudget(130, 210),
                    Stage.STT: StageBudget(150, 210),
                    Stage.MT: StageBudget(10, 30),
                    Stage.TTS: StageBudget(235, 310),
                    Stage.ROUTE: StageBudget(25, 40),
                    Stage.ENDPOINT: StageBudget(300, 400),
                    Stage.HEARD: StageBudget(560, HEARD_CAP_MS),
                },
            ),
        )
    }
)


def profile_named(name: str) -> Profile:
    """One of `PROFILES`; raises ContractError with the names there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ContractError(
            f"there is no latency profile {name!r}", hint=f"choose one of: {', '.join(PROFILES)}"
        ) from None
