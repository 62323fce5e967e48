"""What an hour of speech costs, from prices and assumptions: exact sums, rounded where they are shown.

leg              = Σ over its engines: share × quantity of an hour of speech × price of the unit
dub              = stt + mt + tts            subtitles = stt + mt
active hour      = an hour of speech × duty
month            = hours × (dub's share × active hour with a dub + the rest × active hour with subtitles)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from vivavoce.cost.assumptions import LEGS, Assumptions
from vivavoce.errors import ConfigError
from vivavoce.ledger.amounts import UNKNOWN, Amount, total
from vivavoce.ledger.prices import Price, Prices

Mix = tuple[tuple[str, Fraction], ...]
"""Engines (at the price in force) or identities of prices, each with its share; the shares add up to one."""


@dataclass(frozen=True, slots=True)
class LegUse:
    """Who serves a leg, and how much of it an hour of speech takes, by unit.

    An empty `mix` is of a leg that nobody is known to serve: what it costs is not known either. `rates` are
    nano-dollars for one of a unit, where they are not those of the engines; `factor` multiplies either.
    """

    mix: Mix
    quantities: Mapping[str, Fraction]
    rates: Mapping[str, Fraction] | None = None
    factor: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Use:
    """All that the model reckons with, prices apart. `dub` is the share of active hours with a dub."""

    stt: LegUse
    mt: LegUse
    tts: LegUse
    duty: Fraction
    hours: Fraction
    dub: Fraction = Fraction(1)

    @property
    def legs(self) -> Mapping[str, LegUse]:
        return {"stt": self.stt, "mt": self.mt, "tts": self.tts}

    def with_leg(self, leg: str, changed: LegUse) -> Use:
        return replace(self, **{leg: changed})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class HourCost:
    """An hour, of speech or active, by leg."""

    stt: Amount
    mt: Amount
    tts: Amount

    @property
    def legs(self) -> Mapping[str, Amount]:
        return {"stt": self.stt, "mt": self.mt, "tts": self.tts}

    @property
    def subtitles(self) -> Amount:
        return self.stt + self.mt

    @property
    def dub(self) -> Amount:
        return self.subtitles + self.tts

    def times(self, factor: Fraction) -> HourCost:
        return HourCost(self.stt.times(factor), self.mt.times(factor), self.tts.times(factor))


@dataclass(frozen=True, slots=True)
class UseCost:
    """What a use costs: an hour of speech, an active hour, and a user's month."""

    speech_hour: HourCost
    active_hour: HourCost
    month: Amount


def standard_use(given: Assumptions, profile: str) -> Use:
    """A heavy user's, served by the engines of a profile. Raises ConfigError for an unknown one."""
    engines = given.profiles.get(profile)
    if engines is None:
        raise ConfigError(f"no profile of prices is named {profile!r}", hint=f"there are {', '.join(given.profiles)}")
    sound = {"seconds": Fraction(3600)}
    tokens = {"tokens_in": given.tokens_in, "tokens_out": given.tokens_out}
    stt, mt, tts = (
        LegUse(((engines[leg], Fraction(1)),), quantities)
        for leg, quantities in zip(LEGS, (sound, tokens, sound), strict=True)
    )
    return Use(stt, mt, tts, given.duty, given.hours)


class CostModel:
    """Reckons with the prices that are in force at one moment."""

    def __init__(self, prices: Prices, *, at_ms: float | None = None) -> None:
        self.prices = prices
        self.at_ms = at_ms

    def price(self, engine: str) -> Price | None:
        """Of an engine at that moment, or of an identity."""
        return self.prices.named(engine) if "@" in engine else self.prices.price(engine, at_ms=self.at_ms)

    def cost(self, use: Use) -> UseCost:
        stt, mt, tts = (self._leg(leg) for leg in use.legs.values())
        speech_hour = HourCost(stt, mt, tts)
        active_hour = speech_hour.times(use.duty)
        dubbed = active_hour.dub.times(use.dub * use.hours)
        captioned = active_hour.subtitles.times((1 - use.dub) * use.hours)
        return UseCost(speech_hour, active_hour, dubbed + captioned)

    def _leg(self, leg: LegUse) -> Amount:
        if leg.rates is not None:
            return _charged(leg.rates, leg.quantities).times(leg.factor)
        if not leg.mix:
            return UNKNOWN
        return total(self._engine(engine, leg).times(share * leg.factor) for engine, share in leg.mix)

    def _engine(self, engine: str, leg: LegUse) -> Amount:
        price = self.price(engine)
        return UNKNOWN if price is None else _charged({c.unit: c.rate for c in price.charges}, leg.quantities)


def _charged(rates: Mapping[str, Fraction], quantities: Mapping[str, Fraction]) -> Amount:
    """Unknown where a unit that is charged for has no quantity."""
    if not rates.keys() <= quantities.keys():
        return UNKNOWN
    return Amount(sum((rate * quantities[unit] for unit, rate in rates.items()), Fraction(0)))
