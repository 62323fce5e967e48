from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sqlalchemy import insert, select

from vivavoce.store.database import Database
from vivavoce.store.tables import NUDGES, SESSION_ENDS, SESSIONS, SIGNALS
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
    assert (matrix.sessions, len(matrix.cells), matrix.expected, matrix.covered) == (5, 3, 3 + 1, 1)
    assert matrix.coverage == 1 / 4
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


def test_everything_that_is_expected_can_be_covered(database_url: str) -> None:
    rows = [
        session(f"{network}{n}", app=app, codec=codec, jitter_ms=jitter_ms)
        for network, app, codec, jitter_ms in (
            ("local", "desk", "pcm16-48k", None),
            ("local", "line", "mp3", None),
            ("steady", "line", "ulaw", 3.0),
            ("uneven", "line", "ulaw", 20.0),
            ("poor", "line", "ulaw", 50.0),
        )
        for n in range(2)
        for network in [f"{network} {app}"]
    ]
    matrix = read(database_url, rows)
    assert matrix.places == {cell.place for cell in matrix.cells}
    assert (matrix.expected, matrix.coverage) == (5, 1.0)


def test_medians_are_those_of_the_sessions_that_have_the_figure(database_url: str) -> None:
    draw = random.Random(3)
    rows = []
    for n in range(60):
        row = session(f"s{n}", app="line" if n < 41 else "desk")
        for name in ("heard_p50_ms", "jitter_p95_ms", "unmute_late_p95_ms"):
            row[name] = draw.choice([None, draw.uniform(1, 900), 250.0])
        rows.append(row)
    for cell in read(database_url, rows).cells:
        for name in ("heard_p50_ms", "jitter_p95_ms", "unmute_late_p95_ms"):
            known = [row[name] for row in rows if row["app_id"] == cell.place.app_id and row[name] is not None]
            assert getattr(cell, name) == pytest.approx(median(known), rel=1e-12)


def test_it_is_read_while_somebody_writes(tmp_path: Path) -> None:
    async def work(database: Database) -> Matrix:
        await database.ready()
        async with aclosing(Database(str(tmp_path / "x.db"), wait_s=0.0)) as other, database.begin():
            return await read_matrix(other, since_ms=0)

    assert with_store(str(tmp_path / "x.db"), work).sessions == 0


def test_of_one_application_and_since_then(database_url: str) -> None:
    rows = [session("old", app="line") | {"at_ms": 5}, session("new", app="line"), session("other", app="desk")]
    matrix = read(database_url, rows, app="line", since_ms=6)
    assert [(cell.place.app_id, cell.sessions) for cell in matrix.cells] == [("line", 1)]


def test_without_sessions_there_is_no_coverage(database_url: str) -> None:
    matrix = with_store(database_url, lambda database: read_matrix(database, since_ms=0))
    assert (list(matrix.cells), matrix.coverage, matrix.expected) == ([], None, 0)


def test_the_last_session_is_the_users_own_and_one_that_goes_on(database_url: str) -> None:
    day_ms, names = 24 * HOUR_MS, ("0123456789ab-1", "0123456789ab-2", "ended-now", "ended-long-ago", "crashed", "bo")
    known = {"product": "translate", "app_id": "", "codec": "", "source": "en", "target": "pt", "tier": ""}
    begun_ms = dict(zip(names, (9 * day_ms - 5, 0, 9 * day_ms - 9, 9 * day_ms - 4, 0, 9 * day_ms), strict=True))
    rows = [{"session_id": name, "user_id": "ana", "started_ms": begun_ms[name], **known} for name in names]
    rows[-1]["user_id"] = "bo"

    async def work(database: Database) -> list[str | None]:
        async def noted(session: str, user: str = "", at_ms: int = 9 * day_ms) -> str | None:
            return await note_nudge(database, "late", session=session, user_id=user, at_ms=at_ms)

        async with database.begin() as connection:
            await connection.execute(insert(SESSIONS), rows)
            ends = {"ended-now": 9 * day_ms, "ended-long-ago": 9 * day_ms - HOUR_MS - 1, names[0]: 8 * day_ms}
            facts = {"user_id": "ana", "started_ms": 0, "outcome": "done"}
            told = [{"session_id": name, "ended_ms": at_ms, **facts} for name, at_ms in ends.items()]
            await connection.execute(insert(SESSION_ENDS), told)
        return [
            await noted("last", "ana"),
            await noted("last", "ana", at_ms=11 * day_ms),
            await noted("last", "bo"),
            await noted("last"),
            await noted("0123456789ab"),
            await noted("0123456789ab-1"),
            await noted("ended-no"),
            await noted("ended_no"),
            await noted("cra"),
        ]

    found = with_store(database_url, work)
    assert found == ["ended-now", "ended-long-ago", "bo", None, None, "0123456789ab-1", "ended-now", None, None]


def test_a_nudge_is_of_a_session_that_the_store_knows(database_url: str) -> None:
    async def work(database: Database) -> tuple[list[str | None], list[Any]]:
        known = {"product": "translate", "app_id": "", "codec": "", "source": "en", "target": "pt", "tier": ""}
        async with database.begin() as connection:
            for n, name in enumerate(("first", "second")):
                row = {"session_id": name, "user_id": f"u{n}", "started_ms": n, **known}
                await connection.execute(insert(SESSIONS), [row])
        named = [
            await note_nudge(database, "late", session=name, user_id="u1", at_ms=7)
            for name in ("first", "last", "third")
        ]
        async with database.begin() as connection:
            rows = await connection.execute(select(NUDGES.c.session_id, NUDGES.c.user_id, NUDGES.c.at_ms))
            return named, sorted(map(tuple, rows))

    named, rows = with_store(database_url, work)
    assert named == ["first", "second", None]
    assert rows == [("first", "u0", 7), ("second", "u1", 7)]
