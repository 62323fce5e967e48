"""Changes of what the cost model reckons with, as one writes them: `stt.price=x2`, `duty=0.8`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeVar

from vivavoce.cost.assumptions import LEGS
from vivavoce.cost.model import LegUse, Mix, Use
from vivavoce.errors import ConfigError
from vivavoce.ledger.prices import NANO_PER_DOLLAR

USUAL_TIER = "usual"
KEYS: Mapping[str, str] = {
    "stt.price": "x2, or dollars for a unit: 0.0043/min",
    "mt.price": "x2, or dollars for a million tokens in and out: 0.10,0.40/M",
    "tts.price": "x2, or dollars for a unit: 0.006/min, 0.224/h",
    "mt.tokens": "x2, or tokens in and out for an hour of speech: 12000,12000",
    "stt.engine": "an engine, or engine@date for the price of that date",
    "mt.engine": "likewise",
    "tts.engine": "likewise",
    "stt.mix": "engines with shares that add up to one: whisper:0.5,deepgram:0.5",
    "mt.mix": "likewise",
    "tts.mix": "likewise",
    "tier": "a tier of [routes]: the first engine of its order serves each leg",
    "duty": "the share of an active hour that is speech: 0.8 or 80%",
    "hours": "active hours a month: 60",
    "dub": "the share of active hours with a dub, the others have subtitles: 0.5 or 50%",
}
_UNIT_S = {"s": 1, "min": 60, "h": 3600}
_ORDER = ("tier", "engine", "mix", "tokens", "price", "duty", "hours", "dub")
_T = TypeVar("_T")
_NUMBER = re.compile(r"\d[\d_]*(\.\d+)?|\.\d+")


@dataclass(frozen=True, slots=True)
class Known:
    """What a value may name: engines and identities of prices; for each tier, the first engine of each leg."""

    engines: Sequence[str]
    tiers: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """`change` gives the use as it would be."""

    text: str
    key: str
    change: Callable[[Use], Use] = field(compare=False)

    @property
    def rank(self) -> int:
        """Who serves comes before what it charges."""
        return _ORDER.index(self.key.rpartition(".")[2])


def parse_what_ifs(texts: Iterable[str], known: Known) -> list[WhatIf]:
    """In the order they were written. Raises ConfigError for a wrong key or value, or one that contradicts another."""
    parsed = [_parse(text, known) for text in texts]
    keys = [each.key for each in parsed]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"--what-if {key} is there twice", hint="give it once")
    for leg in LEGS:
        if f"{leg}.engine" in keys and f"{leg}.mix" in keys:
            raise ConfigError(f"--what-if {leg}.engine and {leg}.mix both say who serves", hint="give one of them")
    return parsed


def apply(use: Use, what_ifs: Iterable[WhatIf]) -> Use:
    for each in sorted(what_ifs, key=lambda what_if: what_if.rank):
        use = each.change(use)
    return use


def _parse(text: str, known: Known) -> WhatIf:
    key, equals, value = (part.strip() for part in text.partition("="))
    if key not in KEYS or not equals:
        wrong = f"{key!r} is no key" if equals else f"{text!r} is not KEY=VALUE"
        keys = "\n".join(f"  {name:11} {about}" for name, about in KEYS.items())
        raise ConfigError(f"--what-if: {wrong}", hint=f"there are\n{keys}")
    leg, _, what = key.rpartition(".")
    try:
        change = _change(leg, what, value, known)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"--what-if {key}={value}: {error}", hint=f"{key} is {KEYS[key]}") from None
    return WhatIf(f"{key}={value}", key, change)


def _change(leg: str, what: str, value: str, known: Known) -> Callable[[Use], Use]:
    match what:
        case "tier":
            engines = _one_of(value, known.tiers, "tier")
            return lambda use: _with_engines(use, engines)
        case "engine" | "mix":
            mix = _mix(value if what == "mix" else f"{value}:1", known)
            return lambda use: _on_leg(use, leg, lambda old: replace(old, mix=mix, rates=None))
        case "price":
            factor = _times(value)
            if factor is not None:
                return lambda use: _on_leg(use, leg, lambda old: replace(old, factor=factor * old.factor))
            rates = _rates(leg, value)
            return lambda use: _on_leg(use, leg, lambda old: replace(old, rates=rates, factor=Fraction(1)))
        case "tokens":
            return _tokens(leg, value)
        case "hours":
            hours = _number(value)
            return lambda use: replace(use, hours=hours)
        case "duty":
            duty = _share(value)
            return lambda use: replace(use, duty=duty)
        case _:
            dub = _share(value)
            return lambda use: replace(use, dub=dub)


def _on_leg(use: Use, leg: str, change: Callable[[LegUse], LegUse]) -> Use:
    return use.with_leg(leg, change(use.legs[leg]))


def _with_engines(use: Use, engines: Mapping[str, str]) -> Use:
    for leg, engine in engines.items():
        use = use.with_leg(leg, replace(use.legs[leg], mix=((engine, Fraction(1)),), rates=None))
    return use


def _tokens(leg: str, value: str) -> Callable[[Use], Use]:
    factor = _times(value)
    if factor is None:
        tokens_in, tokens_out = _pair(value)
        quantities = {"tokens_in": tokens_in, "tokens_out": tokens_out}
        return lambda use: _on_leg(use, leg, lambda old: replace(old, quantities=quantities))

    def more(old: LegUse) -> LegUse:
        return replace(old, quantities={unit: factor * each for unit, each in old.quantities.items()})

    return lambda use: _on_leg(use, leg, more)


def _rates(leg: str, value: str) -> dict[str, Fraction]:
    amount, _, unit = value.partition("/")
    if leg == "mt":
        if unit != "M":
            raise ValueError("tokens are charged by the million")
        units = ("tokens_in", "tokens_out")
        return {name: each * NANO_PER_DOLLAR / 10**6 for name, each in zip(units, _pair(amount), strict=True)}
    seconds = _one_of(unit, _UNIT_S, "unit")
    return {"seconds": _number(amount) * NANO_PER_DOLLAR / seconds}


def _mix(value: str, known: Known) -> Mix:
    parts = [part.strip().rpartition(":") for part in value.split(",")]
    mix = tuple((engine, _share(share)) for engine, _, share in parts)
    names = [engine for engine, _ in mix]
    for engine in names:
        if engine not in known.engines:
            raise ValueError(f"no engine is named {engine!r}; there are {', '.join(known.engines)}")
    if len(set(names)) < len(names):
        raise ValueError("an engine is named twice")
    if (whole := sum(share for _, share in mix)) != 1:
        raise ValueError(f"the shares add up to {float(whole):g}")
    return mix


def _times(value: str) -> Fraction | None:
    return _number(value[1:]) if value[:1] in ("x", "×") else None


def _pair(value: str) -> tuple[Fraction, Fraction]:
    parts = value.split(",")
    if len(parts) != 2:
        raise ValueError("it takes two numbers")
    return _number(parts[0]), _number(parts[1])


def _share(value: str) -> Fraction:
    share = _number(value[:-1]) / 100 if value.endswith("%") else _number(value)
    if share > 1:
        raise ValueError("a share is between 0 and 1")
    return share


def _number(value: str) -> Fraction:
    """Exact: 0.1 is a tenth."""
    value = value.strip().lstrip("$")
    if _NUMBER.fullmatch(value) is None:
        raise ValueError(f"{value!r} is no number")
    return Fraction(value)


def _one_of(name: str, those: Mapping[str, _T], kind: str) -> _T:
    if name not in those:
        raise ValueError(f"{name!r} is no {kind}; there are {', '.join(those)}")
    return those[name]
