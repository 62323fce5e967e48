"""How sessions went by application, codec and network, from the signals in the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, case, func, literal, select, union_all

from vivavoce.store.database import Database
from vivavoce.store.tables import NUDGES, SIGNALS
from vivavoce.telemetry.network import LOCAL, NETWORKS

LEAST: Final = 20
"""Sessions from which on a cell counts as covered."""
_MEDIANS: Final = (
    "heard_p50_ms",
    "heard_p95_ms",
    "jitter_p50_ms",
    "jitter_p95_ms",
    "mute_late_p95_ms",
    "unmute_late_p95_ms",
)
_SUMS: Final = (
    "duration_ms",
    "triggers",
    "false_triggers",
    "resumed",
    "words",
    "words_revised",
    "mutes",
    "mutes_refuted",
    "muted_ms",
    "gaps",
)
_AXES: Final = (SIGNALS.c.app_id, SIGNALS.c.codec, SIGNALS.c.network)
_MS_PER_HOUR: Final = 3_600_000


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in the matrix a cell is."""

    app_id: str
    codec: str
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """All sessions of one place. A figure in ms is the median of the sessions' own; a share or rate is of all together.

    `false_triggers` is of starts of speech, `resumed` of seeming ends, `revised` of words, `refuted` of mutes, `muted`
    of the time; `gaps` and `nudges` are per hour. None where there was nothing to count from.
    """

    place: Place
    sessions: int
    hours: float
    heard_p50_ms: float | None
    heard_p95_ms: float | None
    jitter_p50_ms: float | None
    jitter_p95_ms: float | None
    mute_late_p95_ms: float | None
    unmute_late_p95_ms: float | None
    false_triggers: float | None
    resumed: float | None
    revised: float | None
    refuted: float | None
    muted: float | None
    gaps: float | None
    nudges: float | None
    nudges_by_kind: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The cells that have sessions, those with the most first; `least` sessions make one covered."""

    cells: Sequence[Cell]
    least: int

    @property
    def apps(self) -> list[str]:
        return _in_order(cell.place.app_id for cell in self.cells)

    @property
    def codecs(self) -> list[str]:
        return _in_order(cell.place.codec for cell in self.cells)

    @property
    def sessions(self) -> int:
        return sum(cell.sessions for cell in self.cells)

    @property
    def places(self) -> set[Place]:
        """Where cells could be: each application with each codec that it was seen with, local or over any network."""
        seen = {(cell.place.app_id, cell.place.codec, cell.place.network == LOCAL) for cell in self.cells}
        return {
            Place(app, codec, network)
            for app, codec, local in seen
            for network in NETWORKS
            if (network == LOCAL) is local
        }

    @property
    def expected(self) -> int:
        return len(self.places)

    @property
    def covered(self) -> int:
        return sum(self.covers(cell) for cell in self.cells)

    @property
    def coverage(self) -> float | None:
        """The covered share of the expected cells; None without sessions."""
        return self.covered / self.expected if self.cells else None

    def covers(self, cell: Cell) -> bool:
        return cell.sessions >= self.least


async def read_matrix(database: Database, *, since_ms: int, app: str = "", least: int = LEAST) -> Matrix:
    """The matrix of the sessions that began since then, of one application or of all. Raises StoreError."""
    wanted = SIGNALS.c.at_ms >= since_ms
    if app:
        wanted &= SIGNALS.c.app_id == app
    nudges: defaultdict[Place, dict[str, int]] = defaultdict(dict)
    medians: defaultdict[Place, dict[str, float]] = defaultdict(dict)
    async with database.begin(read_only=True) as connection:
        sums = (await connection.execute(_totals(wanted))).all()
        for *place, name, value in await connection.execute(_middles(wanted)):
            medians[Place(*place)][name] = value
        for *place, kind, count in await connection.execute(_nudged(wanted)):
            nudges[Place(*place)][kind] = count
    places = [(Place(*row[: len(_AXES)]), row) for row in sums]
    cells = [_cell(place, row, medians[place], nudges[place]) for place, row in places]
    return Matrix(sorted(cells, key=lambda cell: (-cell.sessions, cell.place)), least)


def _totals(wanted: ColumnElement[bool]) -> Select[Any]:
    on_a_network = func.sum(case((SIGNALS.c.gaps.is_not(None), SIGNALS.c.duration_ms), else_=0))
    sums = (func.coalesce(func.sum(SIGNALS.c[name]), 0).label(name) for name in _SUMS)
    counts = (func.count().label("sessions"), on_a_network.label("on_a_network_ms"))
    return select(*_AXES, *counts, *sums).where(wanted).group_by(*_AXES)


def _middles(wanted: ColumnElement[bool]) -> Select[Any]:
    """The median of each figure of `_MEDIANS` in each cell that has any."""
    columns = [(name, SIGNALS.c[name]) for name in _MEDIANS]
    v = (
        union_all(
            *(
                select(*_AXES, literal(name).label("name"), column.label("ms")).where(wanted, column.is_not(None))
                for name, column in columns
            )
        )
        .subquery()
        .c
    )
    of = (v.app_id, v.codec, v.network, v.name)
    number = func.row_number().over(partition_by=of, order_by=v.ms).label("number")
    r = select(*of, v.ms, number, func.count().over(partition_by=of).label("n")).subquery().c
    # The one in the middle, or the two.
    middle = (r.number * 2).between(r.n, r.n + 2)
    of = (r.app_id, r.codec, r.network, r.name)
    return select(*of, func.avg(r.ms)).where(middle).group_by(*of)


def _nudged(wanted: ColumnElement[bool]) -> Select[Any]:
    told = select(*_AXES, NUDGES.c.kind, func.count()).join(NUDGES, NUDGES.c.session_id == SIGNALS.c.session_id)
    return told.where(wanted).group_by(*_AXES, NUDGES.c.kind)


def _cell(place: Place, sums: Row[Any], medians: Mapping[str, float], nudges: Mapping[str, int]) -> Cell:
    # Postgres adds up large integers to decimals.
    total = {name: int(sums._mapping[name]) for name in _SUMS}
    hours = total["duration_ms"] / _MS_PER_HOUR
    return Cell(
        place=place,
        sessions=sums.sessions,
        hours=hours,
        false_triggers=_share(total["false_triggers"], total["triggers"]),
        # Every start comes to one end that was an end.
        resumed=_share(total["resumed"], total["triggers"] + total["resumed"]),
        revised=_share(total["words_revised"], total["words"]),
        refuted=_share(total["mutes_refuted"], total["mutes"]),
        muted=_share(total["muted_ms"], total["duration_ms"]),
        gaps=_share(total["gaps"], int(sums.on_a_network_ms) / _MS_PER_HOUR),
        nudges=_share(sum(nudges.values()), hours),
        nudges_by_kind=dict(sorted(nudges.items())),
        **{name: medians.get(name) for name in _MEDIANS},
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _in_order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
