"""What work costs: quantities times the prices of `prices.toml`, in whole nano-dollars.

Sums are of integers. A product of quantity and price is a fraction and is rounded once, half up, to a whole
nano-dollar: with one row a minute that is at most 0.00003 dollars a year.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from vivavoce.errors import ConfigError

NANO_PER_DOLLAR = 1_000_000_000
UNITS = ("seconds", "characters", "tokens_in", "tokens_out")
EMBEDDED = "embedded"
"""The identity of the price of what runs on this machine."""


@dataclass(frozen=True, slots=True)
class Charge:
    """`nano` nano-dollars for `per` of the unit."""

    unit: str
    nano: int
    per: int

    def cost_nano(self, quantity: float) -> int:
        """Rounded half up. Raises ValueError for what is no quantity."""
        if not 0 <= quantity < float("inf"):
            raise ValueError(f"{quantity} {self.unit} cannot be charged")
        exact = Fraction(quantity) * self.nano / self.per
        return int(exact + Fraction(1, 2))


@dataclass(frozen=True, slots=True)
class Price:
    """What one engine charges. `identity` names it for ever: engine and date."""

    engine: str
    of: str
    date: str
    source: str
    charges: tuple[Charge, ...]

    @property
    def identity(self) -> str:
        return f"{self.engine}@{self.date}" if self.date else EMBEDDED


@dataclass(frozen=True, slots=True)
class Cost:
    """`nano` nano-dollars by the price of that identity; None where nobody knows the price."""

    nano: int | None
    price: str | None


class Prices:
    """Prices by the engine's name in the configuration."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = dict(prices)

    def price(self, engine: str) -> Price | None:
        return self._prices.get(engine)

    def cost(self, engine: str, quantities: Mapping[str, float]) -> Cost:
        """The cost of what an engine did, in as many units as are known.

        None without a price, and where a unit that it charges for is not among the quantities.
        """
        price = self._prices.get(engine)
        if price is None:
            return Cost(None, None)
        if any(charge.unit not in quantities for charge in price.charges):
            return Cost(None, price.identity)
        return Cost(sum(charge.cost_nano(quantities[charge.unit]) for charge in price.charges), price.identity)


@cache
def packaged_prices() -> Prices:
    """The prices of `prices.toml`."""
    return _parsed((resources.files(__package__) / "prices.toml").read_text(encoding="utf-8"), "prices.toml")


def read_prices(path: Path) -> Prices:
    """The prices of another file. Raises ConfigError."""
    try:
        return _parsed(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {type(error).__name__}", hint="name a readable file of prices") from None


def nano_dollars(usd: str) -> int:
    """A decimal number of dollars as nano-dollars. Raises ConfigError where it is none, or finer than that."""
    try:
        nano = Decimal(usd).scaleb(9)
    except InvalidOperation:
        raise ConfigError(f"{usd!r} is no number of dollars") from None
    if not nano.is_finite() or nano < 0 or nano != nano.to_integral_value():
        raise ConfigError(f"{usd!r} dollars are no whole number of nano-dollars")
    return int(nano)


def _parsed(text: str, where: str) -> Prices:
    try:
        table = tomllib.loads(text)
        prices = {name: Price(name, "runs on this machine", "", "", ()) for name in table.get("embedded", [])}
        for entry in table.get("price", []):
            price = _price(entry)
            if price.engine in prices:
                raise ConfigError(f"{where}: {price.engine} has two prices", hint="keep the newer one")
            prices[price.engine] = price
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {type(error).__name__}: {error}", hint="see the packaged prices.toml") from None
    return Prices(prices)


def _price(entry: Mapping[str, Any]) -> Price:
    charges = tuple(_charge(charge) for charge in entry["charges"])
    if not charges:
        raise ConfigError(f"price of {entry['engine']}: no charges", hint="list it under `embedded` if it is free")
    return Price(entry["engine"], entry["of"], entry["date"], entry["source"], charges)


def _charge(entry: Mapping[str, Any]) -> Charge:
    unit, per = entry["unit"], entry["per"]
    if unit not in UNITS:
        raise ConfigError(f"price: {unit!r} is no unit", hint=f"there are {', '.join(UNITS)}")
    if not isinstance(per, int) or per < 1:
        raise ConfigError(f"price: per {per!r} is no count of {unit}")
    return Charge(unit, nano_dollars(entry["usd"]), per)
