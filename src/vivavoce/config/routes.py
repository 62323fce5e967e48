"""The section `[routes]`: who may serve each leg, in which order, and what moves it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, model_validator

from vivavoce.config.section import Section

PAIRS: Final = "pairs"
"""The name under `[routes.mt]` of the embedded pairs' table: it is no engine, it chooses one by language."""

Tier = Literal["free", "pro", "clone"]
TIERS: Final[tuple[Tier, ...]] = get_args(Tier)
Order = Annotated[list[str], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class EngineRoute(Section):
    """What differs from the leg's for one engine."""

    profile: str | None = Field(None, description="The latency profile that it is held against.")
    deadline_ms: float | None = Field(None, gt=0, description="See the leg's.")
    stall_ms: float | None = Field(None, gt=0, description="See the leg's.")
    cap_ms: float | None = Field(None, gt=0, description="See the leg's.")


class RouteSettings(Section):
    order: Order = Field(description="Engines that serve the leg, the best first.")
    tiers: dict[Tier, Order] = Field(default_factory=dict, description="The order of a tier, where it has its own.")
    profile: str = Field(
        "", description="The latency profile that engines are held against; empty for that of the contract."
    )
    deadline_ms: float = Field(gt=0, description="A request that is not answered so long fails over in mid-stream.")
    stall_ms: float = Field(
        gt=0, description="The same for one that says nothing while it should: speech is heard, or a voice has begun."
    )
    cap_ms: float | None = Field(
        None, gt=0, description="p95 over which new streams go elsewhere; the cap of the profile when not given."
    )
    window_s: float = Field(gt=0, description="How far back latencies count.")
    least: int = Field(ge=1, description="Latencies in the window before their p95 counts.")
    retry_s: float = Field(gt=0, description="How long an engine that failed is left alone; doubled at each failure.")
    longest_retry_s: float = Field(gt=0, description="The longest of that.")
    engines: dict[str, EngineRoute] = Field(default_factory=dict, description="What differs, by engine.")
    voices: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="Names of voices: what each is called, by engine."
    )
    shadow: dict[str, Share] = Field(
        default_factory=dict, description="Engines that hear a share of the sessions and are not heard."
    )

    @model_validator(mode="after")
    def _hold_together(self) -> RouteSettings:
        if self.longest_retry_s < self.retry_s:
            raise ValueError("longest_retry_s must not be below retry_s")
        for key, order in [("order", self.order), *((f"tiers.{tier}", order) for tier, order in self.tiers.items())]:
            if len(set(order)) < len(order):
                raise ValueError(f"{key} names an engine twice")
        return self

    def order_of(self, tier: str = "") -> list[str]:
        return self.tiers.get(tier, self.order)  # type: ignore[call-overload,no-any-return]

    def of(self, fits: Callable[[str], bool]) -> RouteSettings:
        """A copy of those engines alone; where none of an order fits it stays."""

        def fitting(order: list[str]) -> list[str]:
            return [engine for engine in order if fits(engine)] or order

        tiers = {tier: fitting(order) for tier, order in self.tiers.items()}
        return self.model_copy(update={"order": fitting(self.order), "tiers": tiers})

    def led_by(self, engine: str) -> RouteSettings:
        """A copy in which this engine comes first, whatever the tier."""

        def led(order: list[str]) -> list[str]:
            return [engine, *(other for other in order if other != engine)]

        tiers = {tier: led(order) for tier, order in self.tiers.items()}
        return self.model_copy(update={"order": led(self.order), "tiers": tiers})

    def names(self) -> Iterator[tuple[str, str]]:
        """Every engine that is named, after the key that names it."""
        yield from (("order", engine) for engine in self.order)
        yield from ((f"tiers.{tier}", engine) for tier, order in self.tiers.items() for engine in order)
        yield from ((f"engines.{engine}", engine) for engine in self.engines)
        yield from ((f"voices.{voice}", engine) for voice, engines in self.voices.items() for engine in engines)
        yield from ((f"shadow.{engine}", engine) for engine in self.shadow)


class RoutesSettings(Section):
    stt: RouteSettings = Field(description="Recognition.")
    mt: RouteSettings = Field(description="Translation; `pairs` is the table of embedded pairs.")
    tts: RouteSettings = Field(description="Synthesis.")

    @model_validator(mode="after")
    def _only_tts_has_voices(self) -> RoutesSettings:
        for leg in ("stt", "mt"):
            if self.legs[leg].voices:
                raise ValueError(f"{leg}.voices: only tts has voices")
        return self

    @property
    def legs(self) -> Mapping[str, RouteSettings]:
        return {"stt": self.stt, "mt": self.mt, "tts": self.tts}

    def names(self) -> Iterator[tuple[str, str]]:
        """Every engine that is named, after the key path that names it; `pairs` is left out where it may stand."""
        for leg, route in self.legs.items():
            for key, engine in route.names():
                if not (leg == "mt" and engine == PAIRS):
                    yield f"routes.{leg}.{key}", engine

    def profiles(self) -> Iterator[tuple[str, str]]:
        """Every latency profile that is named, after the key path that names it."""
        for leg, route in self.legs.items():
            if route.profile:
                yield f"routes.{leg}.profile", route.profile
            yield from (
                (f"routes.{leg}.engines.{engine}.profile", own.profile)
                for engine, own in route.engines.items()
                if own.profile
            )
