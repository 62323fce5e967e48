from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest
from sqlalchemy import insert, select

from vivavoce.store.database import Database
from vivavoce.store.tables import NUDGES, SESSIONS, SIGNALS
from vivavoce.telemetry.keeping import nudge_row
from vivavoce.telemetry.nudges import note_nudge
from vivavoce.telemetry.profiles import Matrix, Place, read_matrix
from vivavoce.telemetry.signals import Packets, SessionSignals

HOUR_MS = 3_600_000


def with_store(url: str, work: Callable[[Database], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with aclosing(Database(url)) as database:
            return await work(database)

    return asyncio.run(main())


def session(name: str, *, app: str, codec: str = "ulaw", heard_ms: float = 700.0, jitter_ms: float | None = 3.0) -> Any:
    """A session of half an hour: ten starts, one of them false, two words of ten taken back, a fifth of it muted."""
    signals = SessionSignals()
    for n in range(10):
        signals.speech_started()
        signals.words_shown(n, [], ["one" if n < 8 else "other"])
        signals.words_shown(n, ["one"], [])
        signals.lowered(at_ms=100_000.0 * n, sound_ms=100_000.0 * n - 60.0)
        signals.restored(at_ms=100_000.0 * n + 36_000.0)
        signals.utterance_done(heard_ms)
    signals.nothing_heard()
    for _ in range(30):
        signals.speech_resumed()
    signals.refuted()
    if jitter_ms is not None:
        signals.packets_came(Packets(count=90_000, gaps=4, jitter_p50_ms=jitter_ms / 2, jitter_p95_ms=jitter_ms))
    return signals.row(
        session_id=name, user_id="u1", app_id=app, codec=codec, at_ms=HOUR_MS, duration_ms=float(HOUR_MS // 2)
    )


def read(url: str, rows: list[Any], nudges: list[Any] | None = None, **asked: Any) -> Matrix:
    async def work(database: Database) -> Matrix:
        async with database.begin() as connection:
            await connection.execute(insert(SIGNALS), rows)
            if nudges:
                await connection.execute(insert(NUDGES), nudges)
        return await read_matrix(database, **{"since_ms": 0, "least": 2, **asked})

    matrix = with_store(url, work)
    assert isinstance(matrix, Matrix)
    return matrix


def test_figures_of_a_cell_and_the_coverage(database_url: str) -> None:
    rows = [session(f"a{n}", app="line", heard_ms=700.0 + 100 * n) for n in range(3)]
    rows += [session("b", app="line", jitter_ms=20.0), session("c", app="desk", codec="pcm16-48k", jitter_ms=None)]
    told = [nudge_row(kind, session_id="a1", user_id="u1", at_ms=HOUR_MS) for kind in ("late", "late", "mode")]
    matrix = read(database_url, rows, told)
    assert (matrix.sessions, len(matrix.cells), matrix.expected, matrix.covered) == (5, 3, 2 * 2 * 4, 1)
    assert matrix.coverage == 1 / 16
    first = matrix.cells[0]
    assert (first.place, first.sessions, first.hours) == (Place("line", "ulaw", "steady"), 3, 1.5)
    assert (first.heard_p50_ms, first.heard_p95_ms) == (800.0, 800.0), "the median of three sessions"
    assert (first.jitter_p50_ms, first.jitter_p95_ms) == (1.5, 3.0)
    assert (first.mute_late_p95_ms, first.unmute_late_p95_ms) == (60.0, None)
    assert first.false_triggers == pytest.approx(0.1)
    assert first.resumed == pytest.approx(30 / 40)
    assert first.revised == pytest.approx(0.2)
    assert first.refuted == pytest.approx(0.1)
    assert first.muted == pytest.approx(0.2)
    assert first.gaps == pytest.approx(8.0), "an hour"
    assert first.nudges == pytest.approx(2.0), "an hour"
    assert first.nudges_by_kind == {"late": 2, "mode": 1}
    desk = next(cell for cell in matrix.cells if cell.place.app_id == "desk")
    assert (desk.place.network, desk.jitter_p95_ms, desk.gaps, desk.nudges) == ("local", None, None, 0.0)


def test_of_one_application_and_since_then(database_url: str) -> None:
    rows = [session("old", app="line") | {"at_ms": 5}, session("new", app="line"), session("other", app="desk")]
    matrix = read(database_url, rows, app="line", since_ms=6)
    assert [(cell.place.app_id, cell.sessions) for cell in matrix.cells] == [("line", 1)]


def test_without_sessions_there_is_no_coverage(database_url: str) -> None:
    matrix = with_store(database_url, lambda database: read_matrix(database, since_ms=0))
    assert (list(matrix.cells), matrix.coverage, matrix.expected) == ([], None, 0)


def test_a_nudge_is_of_a_session_that_the_store_knows(database_url: str) -> None:
    async def work(database: Database) -> tuple[list[str | None], list[Any]]:
        known = {"product": "translate", "app_id": "", "codec": "", "source": "en", "target": "pt", "tier": ""}
        async with database.begin() as connection:
            for n, name in enumerate(("first", "second")):
                row = {"session_id": name, "user_id": f"u{n}", "started_ms": n, **known}
                await connection.execute(insert(SESSIONS), [row])
        named = [await note_nudge(database, "late", session=name, at_ms=7) for name in ("first", "last", "third")]
        async with database.begin() as connection:
            rows = await connection.execute(select(NUDGES.c.session_id, NUDGES.c.user_id, NUDGES.c.at_ms))
            return named, sorted(map(tuple, rows))

    named, rows = with_store(database_url, work)
    assert named == ["first", "second", None]
    assert rows == [("first", "u0", 7), ("second", "u1", 7)]
