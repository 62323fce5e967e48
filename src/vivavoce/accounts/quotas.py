"""What users may have and have had, in the store: quotas, top-ups, and sums over the ledger's rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BigInteger, Select, and_, case, cast, delete, func, literal, select, true, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.accounts.periods import day_of, month_of
from vivavoce.errors import ConfigError
from vivavoce.store.database import Database
from vivavoce.store.tables import QUOTAS, TOP_UPS, USAGE

DUB_LEG: Final = "tts"
MS_PER_MINUTE: Final = 60_000


@dataclass(slots=True)
class Used:
    """Dub of a month in ms, and money of a day in nano-dollars."""

    dub_ms: float = 0.0
    cost_nano: float = 0.0

    def add(self, dub_ms: float, cost_nano: float) -> None:
        self.dub_ms += dub_ms
        self.cost_nano += cost_nano


@dataclass(slots=True)
class Stored:
    """What the store has of a user: `quota_ms` None where nothing was set, 0 for no cap; top-ups of the month."""

    quota_ms: int | None = None
    top_up_ms: int = 0
    used: Used = field(default_factory=Used)

    def allowed_ms(self, default_ms: float) -> float | None:
        """Dub that the user may have in the month; None for no cap."""
        chosen = default_ms if self.quota_ms is None else self.quota_ms
        return chosen + self.top_up_ms if chosen else None


@dataclass(slots=True)
class Reading:
    """What one look into the store found. `total_nano` is what all cost that day, None where it was not asked."""

    users: dict[str, Stored] = field(default_factory=dict)
    sessions: dict[str, Used] = field(default_factory=dict)
    total_nano: int | None = None


async def read(
    connection: AsyncConnection,
    *,
    now_ms: int,
    users: Collection[str],
    summed: Collection[str] | None = None,
    without: Collection[str] = (),
    sessions: Collection[str] = (),
    total: bool = False,
) -> Reading:
    """One statement: what these users may have, what those `summed` (all, where not given) used but for the sessions
    `without`, and what these sessions did.
    """
    month_ms, day_ms = month_of(now_ms)[0], day_of(now_ms)[0]
    others = USAGE.c.session_id.not_in(without) if without else true()
    dub_ms = func.sum(case((USAGE.c.leg == DUB_LEG, USAGE.c.sound_ms), else_=0))
    cost_nano = func.sum(case((USAGE.c.at_ms >= day_ms, USAGE.c.cost_nano), else_=0))
    this_month = USAGE.c.at_ms >= month_ms
    parts = [
        _part("quota", QUOTAS.c.user_id, QUOTAS.c.dub_ms, None).where(QUOTAS.c.user_id.in_(users)),
        _part("top-up", TOP_UPS.c.user_id, func.sum(TOP_UPS.c.dub_ms), None)
        .where(TOP_UPS.c.user_id.in_(users), TOP_UPS.c.at_ms >= month_ms)
        .group_by(TOP_UPS.c.user_id),
        _part("user", USAGE.c.user_id, dub_ms, cost_nano)
        .where(USAGE.c.user_id.in_(users if summed is None else summed), this_month, others)
        .group_by(USAGE.c.user_id),
    ]
    if sessions:
        own = and_(USAGE.c.session_id.in_(sessions), this_month)
        parts.append(_part("session", USAGE.c.session_id, dub_ms, cost_nano).where(own).group_by(USAGE.c.session_id))
    if total:
        parts.append(
            _part("total", literal(""), None, func.sum(USAGE.c.cost_nano)).where(USAGE.c.at_ms >= day_ms, others)
        )
    found = Reading({user: Stored() for user in users}, {session: Used() for session in sessions})
    for kind, name, dub, cost in await connection.execute(union_all(*parts)):
        if kind == "total":
            found.total_nano = cost or 0
        elif kind == "session":
            found.sessions[name] = Used(dub or 0, cost or 0)
        elif kind == "quota":
            found.users[name].quota_ms = dub
        elif kind == "top-up":
            found.users[name].top_up_ms = dub
        else:
            found.users[name].used = Used(dub or 0, cost or 0)
    return found


async def set_quota(database: Database, user: str, dub_ms: int | None, *, now_ms: int) -> None:
    """A user's dub in every month from now on; 0 for no cap, None for what the configuration says."""
    async with database.begin() as connection:
        if dub_ms is None:
            await connection.execute(delete(QUOTAS).where(QUOTAS.c.user_id == user))
            return
        row = {"user_id": user, "dub_ms": dub_ms, "at_ms": now_ms}
        changed = {"dub_ms": dub_ms, "at_ms": now_ms}
        made = _insert(database)(QUOTAS).values(row)
        await connection.execute(made.on_conflict_do_update(index_elements=[QUOTAS.c.user_id], set_=changed))


async def top_up(database: Database, user: str, dub_ms: int, *, id: str, now_ms: int) -> bool:
    """More dub for this month; False where that top-up, by its id, was there before.

    Raises ConfigError where one of that id was there, and was another.
    """
    row = {"id": id, "user_id": user, "dub_ms": dub_ms, "at_ms": now_ms}
    there = select(TOP_UPS.c.user_id, TOP_UPS.c.dub_ms).where(TOP_UPS.c.id == id)
    async with database.begin() as connection:
        made = _insert(database)(TOP_UPS).values(row).on_conflict_do_nothing().returning(TOP_UPS.c.id)
        if (await connection.execute(made)).first() is not None:
            return True
        known = (await connection.execute(there)).one()
    if tuple(known) != (user, dub_ms):
        of = "of another user" if known.user_id != user else f"of {known.dub_ms / MS_PER_MINUTE:g} minutes"
        raise ConfigError(f"{id} is a top-up {of}: nothing changed", hint="every payment has an id of its own")
    return False


async def users_of_month(connection: AsyncConnection, *, now_ms: int) -> list[str]:
    """Who has a quota, a top-up of this month, or dub in it."""
    month_ms = month_of(now_ms)[0]
    found: Iterable[Any] = await connection.scalars(
        select(QUOTAS.c.user_id)
        .union(
            select(TOP_UPS.c.user_id).where(TOP_UPS.c.at_ms >= month_ms),
            select(USAGE.c.user_id).where(USAGE.c.at_ms >= month_ms, USAGE.c.leg == DUB_LEG),
        )
        .order_by("user_id")
    )
    return list(found)


def _part(kind: str, name: Any, dub_ms: Any, cost_nano: Any) -> Select[Any]:
    zero = literal(0)
    return select(
        literal(kind).label("kind"),
        name.label("name"),
        cast(zero if dub_ms is None else dub_ms, BigInteger).label("dub_ms"),
        cast(zero if cost_nano is None else cost_nano, BigInteger).label("cost_nano"),
    )


def _insert(database: Database) -> Any:
    return postgresql.insert if database.dialect == "postgresql" else sqlite.insert
