"""How sessions went by application, codec and network, from the signals in the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from sqlalchemy import Row, func, select

from vivavoce.store.database import Database
from vivavoce.store.tables import NUDGES, SIGNALS
from vivavoce.telemetry.network import NETWORKS

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
    def expected(self) -> int:
        """The cells there could be: each application and codec seen, over each network known."""
        return len(self.apps) * len(self.codecs) * len(NETWORKS)

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
    axes = (SIGNALS.c.app_id, SIGNALS.c.codec, SIGNALS.c.network)
    told = select(*axes, NUDGES.c.kind, func.count()).join(NUDGES, NUDGES.c.session_id == SIGNALS.c.session_id)
    sessions: defaultdict[Place, list[Row[Any]]] = defaultdict(list)
    nudges: defaultdict[Place, dict[str, int]] = defaultdict(dict)
    async with database.begin() as connection:
        for row in await connection.execute(select(SIGNALS).where(wanted)):
            sessions[Place(row.app_id, row.codec, row.network)].append(row)
        for *place, kind, count in await connection.execute(told.where(wanted).group_by(*axes, NUDGES.c.kind)):
            nudges[Place(*place)][kind] = count
    cells = [_cell(place, rows, nudges[place]) for place, rows in sessions.items()]
    return Matrix(sorted(cells, key=lambda cell: (-cell.sessions, cell.place)), least)


def _cell(place: Place, rows: Sequence[Row[Any]], nudges: Mapping[str, int]) -> Cell:
    def total(name: str) -> int:
        return sum(getattr(row, name) or 0 for row in rows)

    duration_ms, triggers, resumed = total("duration_ms"), total("triggers"), total("resumed")
    hours = duration_ms / _MS_PER_HOUR
    on_a_network = sum(row.duration_ms for row in rows if row.gaps is not None) / _MS_PER_HOUR
    return Cell(
        place=place,
        sessions=len(rows),
        hours=hours,
        false_triggers=_share(total("false_triggers"), triggers),
        # Every start comes to one end that was an end.
        resumed=_share(resumed, triggers + resumed),
        revised=_share(total("words_revised"), total("words")),
        refuted=_share(total("mutes_refuted"), total("mutes")),
        muted=_share(total("muted_ms"), duration_ms),
        gaps=_share(total("gaps"), on_a_network),
        nudges=_share(sum(nudges.values()), hours),
        nudges_by_kind=dict(sorted(nudges.items())),
        **{name: _median(getattr(row, name) for row in rows) for name in _MEDIANS},
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _in_order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
