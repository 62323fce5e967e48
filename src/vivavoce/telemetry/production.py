"""Production's latencies from the store, beside the evaluation's and caps: do clips still stand for what is said?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, func, literal, select, union_all

from vivavoce.ledger.sums import Scope
from vivavoce.ledger.usage_report import By, UsageLine, read_usage, weighted_percentile
from vivavoce.store.database import Database
from vivavoce.store.tables import SESSIONS, SIGNALS
from vivavoce.telemetry.drift import EVALUATED_LEAST, LEAST_SLACK_MS, limit_ms
from vivavoce.telemetry.evaluated import Evaluated

HEARD: Final = "heard"


class Standing(StrEnum):
    """How a p95 stands."""

    FEW = "too few to tell"
    ALONE = "nothing to hold it against"
    UNLIKE = "not comparable"
    WITHIN = "within"
    OVER_CAP = "over its cap"
    SLOWER = "slower than evaluated"
    FASTER = "faster than evaluated"

    @property
    def drifted(self) -> bool:
        return self in (Standing.OVER_CAP, Standing.SLOWER, Standing.FASTER)

    @property
    def stale(self) -> bool:
        """Whether the clip set no longer stands for what is said."""
        return self in (Standing.SLOWER, Standing.FASTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionLine:
    """One leg, or `heard`, in all that was asked of it; `engine` is "" for all engines together.

    `n` counts answers, for heard utterances. `standing` is None for one engine of several: caps are the leg's.
    """

    stage: str
    engine: str
    n: int
    p50_ms: float | None
    p95_ms: float | None
    evaluated_ms: float | None = None
    cap_ms: float | None = None
    standing: Standing | None = None


def stand(
    n: int,
    p95_ms: float | None,
    *,
    evaluated_ms: float | None,
    cap_ms: float | None,
    tolerance: float,
    is_like: bool = True,
) -> Standing:
    """The worst that is true of a p95 of `n` values. Faster than evaluated is a drift, too: the clips are harder.

    What was evaluated is nothing to hold it against where it `is_like` nothing in production.
    """
    if p95_ms is None or n < EVALUATED_LEAST:
        return Standing.FEW
    if cap_ms is not None and p95_ms > cap_ms:
        return Standing.OVER_CAP
    if evaluated_ms is not None and not is_like:
        return Standing.UNLIKE
    if evaluated_ms is not None:
        if p95_ms > limit_ms(evaluated_ms, tolerance=tolerance):
            return Standing.SLOWER
        if p95_ms < min(evaluated_ms / (1 + tolerance), evaluated_ms - LEAST_SLACK_MS):
            return Standing.FASTER
    return Standing.ALONE if cap_ms is None and evaluated_ms is None else Standing.WITHIN


async def read_production(
    database: Database,
    *,
    since_ms: int,
    product: str,
    evaluated: Evaluated | None,
    config_hash: str,
    caps_ms: Mapping[str, float],
    tolerance: float,
) -> list[ProductionLine]:
    """Legs of a product's sessions since then, each with its engines, and heard. Raises StoreError.

    They are comparable with what was `evaluated` where that had these settings, their pairs, and their engines alone.

    Percentiles are put together from those of rows, as `UsageLine` says; of heard, from those of sessions, by the
    number of their utterances.
    """
    scope = Scope(since_ms=since_ms, product=product)
    legs = (await read_usage(database, scope, by=By.LEG)).lines
    engines = (await read_usage(database, scope, by=By.ENGINE)).lines
    n, p50_ms, p95_ms = await _heard(database, since_ms=since_ms, product=product)
    pairs = await _pairs(database, since_ms=since_ms, product=product)
    like = evaluated is not None and evaluated.is_like(config_hash=config_hash, pairs=pairs)

    def is_like(stage: str) -> bool:
        legs = {line.leg for line in engines} if stage == HEARD else {stage}
        done = {(line.leg, line.name) for line in engines if line.leg in legs and line.requests}
        known = evaluated.engines if evaluated is not None else {}
        return like and all(known.get(leg, name) == name for leg, name in done)

    def whole(stage: str, n: int, p50_ms: float | None, p95_ms: float | None) -> ProductionLine:
        evaluated_ms = evaluated.p95_ms.get(stage) if evaluated is not None else None
        against = {"evaluated_ms": evaluated_ms, "cap_ms": caps_ms.get(stage)}
        return ProductionLine(
            stage=stage,
            engine="",
            n=n,
            p50_ms=p50_ms,
            p95_ms=p95_ms,
            **against,
            standing=stand(n, p95_ms, **against, tolerance=tolerance, is_like=is_like(stage)),
        )

    found: list[ProductionLine] = []
    for leg in sorted(legs, key=lambda line: _ORDER.get(line.leg, len(_ORDER))):
        if leg.requests:
            found.append(whole(leg.leg, leg.requests, leg.p50_ms, leg.p95_ms))
            found += [_engine(line) for line in engines if line.leg == leg.leg and line.requests]
    if n:
        found.append(whole(HEARD, n, p50_ms, p95_ms))
    return found


_ORDER: Final = {"stt": 0, "mt": 1, "tts": 2}


def _engine(line: UsageLine) -> ProductionLine:
    return ProductionLine(stage=line.leg, engine=line.name, n=line.requests, p50_ms=line.p50_ms, p95_ms=line.p95_ms)


async def _pairs(database: Database, *, since_ms: int, product: str) -> list[str]:
    """Of sessions that began since then."""
    table = SESSIONS.c
    wanted = (table.product == product) & (table.started_ms >= since_ms)
    async with database.begin(read_only=True) as connection:
        found = await connection.execute(select(table.source, table.target).where(wanted).distinct())
        return [f"{source}-{target}" for source, target in found]


async def _heard(database: Database, *, since_ms: int, product: str) -> tuple[int, float | None, float | None]:
    """Utterances, p50 and p95 of the wait for the dub, or for an answer."""
    of_it = select(SESSIONS.c.session_id).where(SESSIONS.c.product == product)
    wanted = (SIGNALS.c.at_ms >= since_ms) & SIGNALS.c.heard_p50_ms.is_not(None) & SIGNALS.c.session_id.in_(of_it)

    def weighted(column: str, weight: int) -> Select[Any]:
        tenths = func.round(SIGNALS.c[column] * 10).label("tenths")
        count = (SIGNALS.c.utterances * weight).label("weight")
        return select(literal("").label("of"), literal(HEARD).label("leg"), tenths, count).where(wanted)

    async with database.begin(read_only=True) as connection:
        n = (await connection.execute(select(func.sum(SIGNALS.c.utterances)).where(wanted))).scalar_one() or 0
        found = []
        for query, percent in (
            (weighted("heard_p50_ms", 1), 50),
            (union_all(weighted("heard_p50_ms", 4), weighted("heard_p95_ms", 1)), 95),
        ):
            rows = (await connection.execute(weighted_percentile(query, percent))).all()
            found.append(float(rows[0][2]) if rows else None)
    return int(n), found[0], found[1]
