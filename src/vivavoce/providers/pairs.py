"""Which language can be translated into which, over which engines: rows of `pairs.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path

from vivavoce.errors import ConfigError, PairUnavailable


@dataclass(frozen=True, slots=True)
class Hop:
    """One engine's step of a route; what a mode is, the engine knows."""

    engine: str
    mode: str

    @classmethod
    def parse(cls, text: str) -> Hop:
        engine, _, mode = text.partition(":")
        if not engine or not mode:
            raise ConfigError(f"hop {text!r}: ENGINE:MODE is needed", hint="correct the table of pairs")
        return cls(engine, mode)

    def __str__(self) -> str:
        return f"{self.engine}:{self.mode}"


@dataclass(frozen=True, slots=True)
class Route:
    """Languages are ISO 639-1 codes. `chrf` (0 to 100) was measured over `measured_n` texts of `measured_on`."""

    source: str
    target: str
    hops: tuple[Hop, ...]
    chrf: float | None = None
    measured_n: int = 0
    measured_on: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.source}-{self.target}"


class PairTable:
    """The routes there are, at most one for a pair."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[tuple[str, str], Route] = {}
        for route in routes:
            if self._routes.setdefault((route.source, route.target), route) is not route:
                raise ConfigError(f"two rows are for {route.name}", hint="correct the table of pairs")

    @classmethod
    def load(cls, path: Path | None = None) -> PairTable:
        """Read the package's table or another one; ConfigError names the row that is wrong."""
        file = path if path is not None else resources.files(__package__) / "pairs.toml"
        try:
            rows = tomllib.loads(file.read_text("utf-8"))["pair"]
            return cls(_route(row) for row in rows)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{file}: {error}", hint="correct the table of pairs") from error

    def routes(self) -> tuple[Route, ...]:
        return tuple(self._routes.values())

    def route(self, source: str, target: str) -> Route:
        """The route from one language to another; PairUnavailable names the near ones when there is none."""
        if found := self._routes.get((source, target)):
            return found
        near = [r.name for r in self.routes() if r.source == source or r.target == target]
        hint = f"near ones: {', '.join(near)}" if near else f"there are: {', '.join(r.name for r in self.routes())}"
        raise PairUnavailable(f"there is no translation from {source!r} to {target!r}", hint=hint)


def _route(row: dict[str, object]) -> Route:
    known = {field.name for field in fields(Route)}
    if unknown := row.keys() - known:
        raise ValueError(f"unknown {', '.join(sorted(unknown))} in {row}")
    hops = row.get("hops")
    if not isinstance(hops, list) or not hops or not row.get("source") or not row.get("target"):
        raise ValueError(f"source, target and hops are needed in {row}")
    return Route(**{**row, "hops": tuple(Hop.parse(str(hop)) for hop in hops)})  # type: ignore[arg-type]
