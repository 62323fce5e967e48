"""What work costs: quantities times the prices of `prices.toml`, in whole nano-dollars.

An engine has one price at a moment: the one with the latest date that has come. Sums are of integers. A product of
quantity and price is a fraction and is rounded once, half up, to a whole nano-dollar: with one row a minute that is at
most 0.00003 dollars a year.
"""

from __future__ import annotations

import time
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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
UNDATED = "undated"
"""The `date` of a price that held before every dated one; nobody knows since when."""


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
        return rounded(Fraction(quantity) * self.rate)

    @property
    def rate(self) -> Fraction:
        """Nano-dollars for one of the unit."""
        return Fraction(self.nano, self.per)


@dataclass(frozen=True, slots=True)
class Price:
    """What one engine charges from `date` (YYYY-MM or YYYY-MM-DD, in UTC) on, until a later date comes.

    `identity` names it for ever: engine and date. What runs on this machine has neither date nor charges.
    """

    engine: str
    of: str
    date: str
    source: str
    charges: tuple[Charge, ...]

    @property
    def identity(self) -> str:
        return f"{self.engine}@{self.date}" if self.date else EMBEDDED

    @property
    def from_ms(self) -> int:
        """Since 1970; 0 where no date is known. Raises ValueError for what is no date."""
        if self.date in ("", UNDATED):
            return 0
        day = self.date if len(self.date) > len("YYYY-MM") else f"{self.date}-01"
        return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Fee:
    """`nano` nano-dollars for each hour or month: a rented machine's, or what a user pays for a plan."""

    name: str
    of: str
    nano: int
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class Cost:
    """`nano` nano-dollars by the price of that identity; None where nobody knows the price."""

    nano: int | None
    price: str | None


class Prices:
    """Prices by the engine's name in the configuration. Raises ConfigError for two of one moment.

    `machines` are rented by the hour, `plans` are paid for by the month.
    """

    def __init__(
        self,
        prices: Mapping[str, Price] | Iterable[Price],
        *,
        machines: Iterable[Fee] = (),
        plans: Iterable[Fee] = (),
    ) -> None:
        self.machines = {fee.name: fee for fee in machines}
        self.plans = {fee.name: fee for fee in plans}
        self._of: dict[str, list[Price]] = {}
        self._named: dict[str, Price] = {EMBEDDED: Price("", "runs on this machine", "", "", ())}
        for price in prices.values() if isinstance(prices, Mapping) else prices:
            self._of.setdefault(price.engine, []).append(price)
            if price.date:
                self._named[price.identity] = price
        for engine, those in self._of.items():
            those.sort(key=lambda price: price.from_ms)
            if len({price.from_ms for price in those}) < len(those) or (len(those) > 1 and not those[0].date):
                raise ConfigError(f"{engine} has two prices at once", hint="give the newer one its own date")
        self._from_ms = {engine: [price.from_ms for price in those] for engine, those in self._of.items()}

    @property
    def engines(self) -> tuple[str, ...]:
        return tuple(self._of)

    @property
    def identities(self) -> tuple[str, ...]:
        return tuple(self._named)

    def price(self, engine: str, *, at_ms: float | None = None) -> Price | None:
        """The price in force at a moment since 1970, or now; None where there is none yet."""
        if engine not in self._of:
            return None
        moment_ms = time.time() * 1000 if at_ms is None else at_ms
        number = bisect_right(self._from_ms[engine], moment_ms)
        return self._of[engine][number - 1] if number else None

    def named(self, identity: str) -> Price | None:
        """The price that a row was reckoned with, whatever is charged now."""
        return self._named.get(identity)

    def cost(self, engine: str, quantities: Mapping[str, float], *, at_ms: float | None = None) -> Cost:
        """The cost of what an engine did, in as many units as are known, by the price in force then, or now.

        None without a price, and where a unit that it charges for is not among the quantities.
        """
        price = self.price(engine, at_ms=at_ms)
        if price is None:
            return Cost(None, None)
        if any(charge.unit not in quantities for charge in price.charges):
            return Cost(None, price.identity)
        return Cost(sum(charge.cost_nano(quantities[charge.unit]) for charge in price.charges), price.identity)


def rounded(exact: Fraction) -> int:
    """The nearest whole number, halves up."""
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


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
        embedded = [Price(name, "runs on this machine", "", "", ()) for name in table.get("embedded", [])]
        machines = [_fee(entry, "usd_hour") for entry in table.get("machine", [])]
        plans = [_fee(entry, "usd_month") for entry in table.get("plan", [])]
        return Prices([*embedded, *map(_price, table.get("price", []))], machines=machines, plans=plans)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {type(error).__name__}: {error}", hint="see the packaged prices.toml") from None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from None


def _price(entry: Mapping[str, Any]) -> Price:
    charges = tuple(_charge(charge) for charge in entry["charges"])
    if not charges:
        raise ConfigError(f"price of {entry['engine']}: no charges", hint="list it under `embedded` if it is free")
    return Price(entry["engine"], entry["of"], entry["date"], entry["source"], charges)


def _fee(entry: Mapping[str, Any], key: str) -> Fee:
    return Fee(entry["name"], entry["of"], nano_dollars(entry[key]), entry["date"], entry["source"])


def _charge(entry: Mapping[str, Any]) -> Charge:
    unit, per = entry["unit"], entry["per"]
    if unit not in UNITS:
        raise ConfigError(f"price: {unit!r} is no unit", hint=f"there are {', '.join(UNITS)}")
    if not isinstance(per, int) or per < 1:
        raise ConfigError(f"price: per {per!r} is no count of {unit}")
    return Charge(unit, nano_dollars(entry["usd"]), per)
