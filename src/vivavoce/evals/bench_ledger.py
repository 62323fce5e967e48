"""`vivavoce bench ledger`: what the way of usage into the store costs, and what of it survives."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from sqlalchemy import delete

from vivavoce.evals.ledger_crashes import Crashes, kill_postgres, kill_programs, store_away
from vivavoce.evals.ledger_postgres import OwnPostgres, own_postgres
from vivavoce.evals.ledger_rows import APP
from vivavoce.evals.ledger_speed import measure_speed
from vivavoce.store.database import Database
from vivavoce.store.tables import USAGE

Store = Literal["postgres", "sqlite"]
Part = Literal["speed", "programs", "servers", "away"]
STORES: tuple[Store, ...] = get_args(Store)
PARTS: tuple[Part, ...] = get_args(Part)
_PROGRAM_S, _SERVER_S, _RETURN_S = 1.4, 3.0, 5.0
"""About how long a killed program, a killed server and a store that is back take."""
Report = Callable[[str, float, float], None]
"""Told what is being done, and how many of the planned seconds are over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerPlan:
    """`postgres` is the URL of a server that is there; "" starts one. A server that is there is not killed."""

    stores: Sequence[Store] = STORES
    parts: Sequence[Part] = PARTS
    postgres: str = ""
    programs: int = 50
    servers: int = 20
    away_s: float = 60.0
    rows: int = 50_000
    seconds: float = 15.0
    seed: int = 6


class LedgerBench:
    """Figures can be taken at any time, of the parts that are over."""

    def __init__(self, plan: LedgerPlan, *, report: Report = lambda what, done_s, planned_s: None) -> None:
        self._plan, self._report = plan, report
        self._figures: dict[str, dict[str, Any]] = {}
        self._done_s = 0.0
        self._planned_s = sum(self._takes_s(store, part) for store in plan.stores for part in plan.parts)

    @property
    def n(self) -> int:
        """Crashes."""
        crashes = [of[part]["times"] for of in self._figures.values() for part in ("programs", "servers") if part in of]
        return sum(crashes)

    def figures(self) -> dict[str, Any]:
        return {store: dict(of) for store, of in self._figures.items()}

    async def run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="vivavoce-ledger-") as name, ExitStack() as at_end:
            for store in self._plan.stores:
                server = None
                if store == "sqlite":
                    url = f"sqlite:///{Path(name) / 'vivavoce.db'}"
                elif self._plan.postgres:
                    url = self._plan.postgres
                else:
                    server = at_end.enter_context(own_postgres())
                    url = server.url
                self._figures[store] = {}
                try:
                    for part in self._plan.parts:
                        await self._part(part, store, url, Path(name) / store / part, server)
                finally:
                    if self._is_anothers(store):
                        await _removed(url)

    async def _part(self, part: Part, store: Store, url: str, spool: Path, server: OwnPostgres | None) -> None:
        takes_s = self._takes_s(store, part)
        if takes_s == 0:
            return
        plan, draw = self._plan, random.Random(f"{self._plan.seed} {store} {part}")
        times = {"programs": plan.programs, "servers": plan.servers, "away": max(1, round(plan.away_s))}.get(part, 1)

        def tell(done: int) -> None:
            self._report(f"{store}, {part}", self._done_s + takes_s * done / times, self._planned_s)

        tell(0)
        if part == "speed":
            self._figures[store] |= await _speed(url, spool, plan)
        else:
            crashes: Awaitable[Crashes]
            if part == "programs":
                crashes = kill_programs(url, spool, plan.programs, draw=draw, tell=tell)
            elif part == "servers" and server is not None:
                crashes = kill_postgres(server, spool, plan.servers, draw=draw, tell=tell)
            else:
                crashes = store_away(url, spool, plan.away_s, server=server, tell=tell)
            self._figures[store][part] = asdict(await crashes)
        self._done_s += takes_s

    def _takes_s(self, store: Store, part: Part) -> float:
        """About how long; 0 for what this store does not have."""
        plan = self._plan
        if (part == "servers" and store == "sqlite") or (part in ("servers", "away") and self._is_anothers(store)):
            return 0.0
        return {
            "speed": 3 * plan.seconds + 5 * plan.rows / 10_000,
            "programs": _PROGRAM_S * plan.programs,
            "servers": _SERVER_S * plan.servers,
            "away": plan.away_s + _RETURN_S,
        }[part]

    def _is_anothers(self, store: Store) -> bool:
        return store == "postgres" and bool(self._plan.postgres)


async def _speed(url: str, spool: Path, plan: LedgerPlan) -> dict[str, Any]:
    database = Database(url)
    try:
        return await measure_speed(database, spool, rows=plan.rows, seconds=plan.seconds)
    finally:
        await database.aclose()


async def _removed(url: str) -> None:
    """What measuring has written is of no use to anyone."""
    database = Database(url)
    try:
        async with database.begin() as connection:
            await connection.execute(delete(USAGE).where(USAGE.c.app_id == APP))
    finally:
        await database.aclose()
