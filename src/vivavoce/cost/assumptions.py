"""What the cost model takes for given besides prices: tokens of an hour, duty, hours of use, profiles of engines."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources

LEGS = ("stt", "mt", "tts")


@dataclass(frozen=True, slots=True)
class Assumptions:
    """`tokens_in` and `tokens_out` are those of an hour of speech without a pause; `duty` is the share of an active
    hour that is speech; `hours` are a heavy user's active hours a month. `profiles` name the engine of each leg."""

    tokens_in: Fraction
    tokens_out: Fraction
    duty: Fraction
    hours_a_day: Fraction
    days_a_month: Fraction
    profiles: Mapping[str, Mapping[str, str]]
    crossover: Mapping[str, str]
    sources: Mapping[str, str]

    @property
    def hours(self) -> Fraction:
        return self.hours_a_day * self.days_a_month


@cache
def assumptions() -> Assumptions:
    """Those of `assumptions.toml`."""
    table = tomllib.loads((resources.files(__package__) / "assumptions.toml").read_text(encoding="utf-8"))
    hour, use = table["speech_hour"], table["use"]
    return Assumptions(
        tokens_in=Fraction(hour["tokens_in"]),
        tokens_out=Fraction(hour["tokens_out"]),
        duty=Fraction(use["duty"]),
        hours_a_day=Fraction(use["hours_a_day"]),
        days_a_month=Fraction(use["days_a_month"]),
        profiles=table["profiles"],
        crossover=table["crossover"],
        sources={name: table[name]["source"] for name in ("speech_hour", "use", "crossover")},
    )
