"""Who serves a leg: the order of the configuration, bent by how the engines are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vivavoce.clock import Clock
from vivavoce.config.routes import EngineRoute, RouteSettings
from vivavoce.contract.profile import Profile, Stage
from vivavoce.contract.stats import quantile
from vivavoce.errors import LegError, VivavoceError
from vivavoce.routing.breaker import State
from vivavoce.routing.health import Health


@dataclass(frozen=True, slots=True)
class Triggers:
    """What moves a stream to the next engine, and (`cap_ms`, at p95) new streams."""

    deadline_ms: float
    stall_ms: float
    cap_ms: float | None


@dataclass(frozen=True, slots=True)
class Switch:
    """A leg went from one engine to another; None is nobody. `at_s` is monotonic."""

    leg: str
    from_engine: str | None
    to_engine: str | None
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How one engine of a leg is. `n` latencies are in the window; `share` is of the streams now served."""

    engine: str
    position: int
    breaker: State
    retry_in_s: float
    p50_ms: float | None
    p95_ms: float | None
    cap_ms: float | None
    n: int
    started: int
    failed: int
    reason: str
    serving: int
    share: float


PATIENCE: Final = 5
"""So many deadlines are waited for one who has nobody behind it; then the leg is down."""
_SAME: Final = EngineRoute.model_validate({})


def _any(engine: str) -> bool:
    return True


def _ignore(switch: Switch) -> None:
    pass


class Route:
    """One leg's choice, shared by its streams. It is told how engines do and says which to take.

    `profile` gives the latency profile of a name, "" for the contract's, as `ContractSettings.resolve` does: its cap of
    the leg's stage holds where none is set. Without it only caps that are set count.
    """

    def __init__(
        self,
        leg: str,
        settings: RouteSettings,
        *,
        profile: Callable[[str], Profile] | None = None,
        tier: str = "",
        clock: Clock,
        tell: Callable[[Switch], None] = _ignore,
    ) -> None:
        self.leg = leg
        self.tier = tier
        self._clock = clock
        self._tell = tell
        self._health: dict[str, Health] = {}
        self.update(settings, profile=profile)

    def update(self, settings: RouteSettings, *, profile: Callable[[str], Profile] | None = None) -> None:
        """Take new settings. What is known of engines stays; `profile` is kept when not given."""
        self.settings = settings
        self._profile = profile or getattr(self, "_profile", None)
        self._order = settings.order_of(self.tier)
        self._triggers = {engine: self._resolved(engine) for engine in self._order}
        for health in self._health.values():
            health.configure(**self._pace())

    def order(self) -> list[str]:
        """The engines of the tier, the best first, however they are."""
        return list(self._order)

    def place(self, engine: str) -> int:
        """The engine's in the order, from 1; 0 where it is not in it any more."""
        return self._order.index(engine) + 1 if engine in self._order else 0

    def why(self, engine: str, error: VivavoceError | None = None) -> str:
        """Why a leg comes to an engine, in a word that holds nothing of what was said: the failure's kind, if any."""
        if error is not None:
            return type(error).__name__
        return "" if self.place(engine) == 1 else "passed over"

    def candidates(self, *, fits: Callable[[str], bool] = _any) -> list[str]:
        """Engines to try for a new stream, best first, of those that fit.

        Slow ones come last and failed ones are left out. When all have failed, the one that may be tried again soonest
        comes alone: the list is empty only when none fits.
        """
        now_s = self._now_s()
        fitting = [engine for engine in self._order if fits(engine)]
        admitted = [engine for engine in fitting if self._of(engine).breaker.admits(now_s)]
        if len(admitted) > 1:
            admitted.sort(key=lambda engine: self._slow(engine, now_s))
        if admitted or not fitting:
            return admitted
        return [min(fitting, key=lambda engine: self._of(engine).breaker.retry_in_s(now_s))]

    def triggers(self, engine: str) -> Triggers:
        return self._triggers.get(engine) or self._resolved(engine)

    def patience_ms(self, engine: str) -> float:
        """How long to wait for an engine that has nobody behind it: longer, unless it failed before."""
        well = self._of(engine).breaker.state(self._now_s()) is State.CLOSED
        return self.triggers(engine).deadline_ms * (PATIENCE if well else 1)

    def begin(self, engine: str) -> None:
        """A stream goes to the engine; one at a time while it is tried again after a failure."""
        self._of(engine).begin(self._now_s())

    def end(self, engine: str) -> None:
        """A stream that began is no longer served by it."""
        self._of(engine).end()

    def succeeded(self, engine: str, latency_ms: float | None = None) -> None:
        """It answered. `latency_ms` counts against the cap: an answer to what was asked, not a chunk after it."""
        self._of(engine).succeeded(self._now_s(), latency_ms)

    def failed(self, engine: str, error: LegError) -> None:
        self._of(engine).failed(self._now_s(), error)

    def switched(self, from_engine: str | None, to_engine: str | None, reason: str) -> None:
        """Tell whoever wants to know; None is nobody."""
        self._tell(Switch(self.leg, from_engine, to_engine, reason, self._now_s()))

    def voice(self, name: str, engine: str) -> str:
        """What the engine calls a voice of the configuration; "" (its own for the language) where it has none.

        Another name is one engine's, that of the first in the order.
        """
        if name in self.settings.voices:
            return self.settings.voices[name].get(engine, "")
        return name if engine == self._order[0] else ""

    def status(self) -> list[EngineStatus]:
        """How every engine of the order is."""
        now_s = self._now_s()
        total = sum(health.serving for health in self._health.values())
        found = []
        for position, engine in enumerate(self._order, start=1):
            health = self._of(engine)
            values = health.latencies(now_s)
            found.append(
                EngineStatus(
                    engine=engine,
                    position=position,
                    breaker=health.breaker.state(now_s),
                    retry_in_s=health.breaker.retry_in_s(now_s),
                    p50_ms=quantile(values, 0.50) if values else None,
                    p95_ms=quantile(values, 0.95) if values else None,
                    cap_ms=self.triggers(engine).cap_ms,
                    n=len(values),
                    started=health.started,
                    failed=health.failures,
                    reason=health.reason,
                    serving=health.serving,
                    share=health.serving / total if total else 0.0,
                )
            )
        return found

    def _slow(self, engine: str, now_s: float) -> bool:
        return self._of(engine).slow(now_s, cap_ms=self.triggers(engine).cap_ms, least=self.settings.least)

    def _of(self, engine: str) -> Health:
        health = self._health.get(engine)
        if health is None:
            health = self._health[engine] = Health(**self._pace())
        return health

    def _pace(self) -> dict[str, float]:
        chosen = self.settings
        return {
            "window_s": chosen.window_s,
            "retry_s": chosen.retry_s,
            "longest_retry_s": chosen.longest_retry_s,
        }

    def _resolved(self, engine: str) -> Triggers:
        leg, own = self.settings, self.settings.engines.get(engine, _SAME)
        cap_ms = own.cap_ms or (None if own.profile else leg.cap_ms)
        if cap_ms is None and self._profile is not None:
            cap_ms = self._profile(own.profile or leg.profile).stages[Stage(self.leg)].cap_ms
        return Triggers(own.deadline_ms or leg.deadline_ms, own.stall_ms or leg.stall_ms, cap_ms)

    def _now_s(self) -> float:
        return self._clock.now_ns() / 1e9
