"""Sums over rows of the ledger, on both stores."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert

from vivavoce.ledger.sums import Scope
from vivavoce.ledger.usage_report import By, RouteChange, UsageLine, UsageReport, read_usage
from vivavoce.store.database import Database
from vivavoce.store.tables import USAGE

DAY_MS = 86_400_000
MORNING_MS = 20_000 * DAY_MS + 9 * 3_600_000  # on 2024-10-04


def row(number: int = 1, **more: Any) -> dict[str, Any]:
    """An interval of recognition by deepgram in session s1 of user ana."""
    return {
        "session_id": "s1",
        "number": number,
        "user_id": "ana",
        "app_id": "",
        "codec": "",
        "at_ms": MORNING_MS + 10_000 * number,
        "interval_ms": 10_000,
        "leg": "stt",
        "engine": "deepgram",
        "prompt_version": "",
        "sound_ms": 10_000,
        "characters": None,
        "tokens_in": None,
        "tokens_out": None,
        "price": "deepgram@2026-05",
        "cost_nano": 1_500_000,
        "asked": 1,
        "p50_ms": 100.0,
        "p95_ms": 100.0,
        "place": 1,
        "why": "",
        **more,
    }


def clause(number: int, **more: Any) -> dict[str, Any]:
    about = {"leg": "mt", "engine": "gemini", "prompt_version": "v1", "sound_ms": None, "characters": 40}
    money = {"tokens_in": 100, "tokens_out": 10, "price": "gemini@2026-05", "cost_nano": 14_000}
    return row(number, **about | money | more)


def report(url: str, rows: Sequence[dict[str, Any]], *, by: By = By.ENGINE, **scope: Any) -> UsageReport:
    async def main() -> UsageReport:
        async with aclosing(Database(url)) as database:
            if rows:
                async with database.begin() as connection:
                    await connection.execute(insert(USAGE), list(rows))
            return await read_usage(database, Scope(**scope), by=by)

    return asyncio.run(main())


def test_a_line_has_the_sums_of_its_rows(database_url: str) -> None:
    rows = [
        row(1),
        row(2, session_id="s2", p50_ms=300.0, p95_ms=300.0),
        clause(3),
        clause(4, tokens_in=None, tokens_out=None, cost_nano=None),
        clause(5, price="gemini@2026-06", cost_nano=20_000, asked=0, p50_ms=None, p95_ms=None),
    ]
    found = report(database_url, rows)
    assert found.lines == [
        UsageLine(
            name="deepgram",
            leg="stt",
            sessions=2,
            rows=2,
            sound_ms=20_000,
            characters=None,
            tokens_in=None,
            tokens_out=None,
            requests=2,
            p50_ms=100.0,
            p95_ms=300.0,
            cost_nano=3_000_000,
            prices={"deepgram@2026-05": 3_000_000},
            unknown_rows=0,
        ),
        UsageLine(
            name="gemini",
            leg="mt",
            sessions=1,
            rows=3,
            sound_ms=None,
            characters=120,
            tokens_in=200,
            tokens_out=20,
            requests=2,
            p50_ms=100.0,
            p95_ms=100.0,
            cost_nano=34_000,
            prices={"gemini@2026-05": 14_000, "gemini@2026-06": 20_000},
            unknown_rows=1,
        ),
    ]
    assert (found.cost_nano, found.rows, found.unknown_rows) == (3_034_000, 5, 1)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (By.LEG, [("mt", "mt", 1), ("stt", "stt", 3)]),
        (By.ENGINE, [("deepgram", "stt", 2), ("gemini", "mt", 1), ("whisper", "stt", 1)]),
        (By.DAY, [("2024-10-04", "mt", 1), ("2024-10-04", "stt", 2), ("2024-10-05", "stt", 1)]),
        (By.USER, [("ana", "mt", 1), ("ana", "stt", 2), ("bo", "stt", 1)]),
        (By.SESSION, [("s1", "mt", 1), ("s1", "stt", 2), ("s2", "stt", 1)]),
    ],
)
def test_lines_are_by_what_is_asked_for_and_legs_stay_apart(
    database_url: str, by: By, names: list[tuple[str, str, int]]
) -> None:
    rows = [
        row(1),
        row(2, engine="whisper", price="embedded", cost_nano=0),
        clause(3),
        row(1, session_id="s2", user_id="bo", at_ms=MORNING_MS + DAY_MS),
    ]
    assert [(line.name, line.leg, line.rows) for line in report(database_url, rows, by=by).lines] == names


@pytest.mark.parametrize(
    ("scope", "numbers"),
    [
        ({}, 4),
        ({"since_ms": MORNING_MS + 20_000}, 3),
        ({"until_ms": MORNING_MS + 20_000}, 1),
        ({"user_id": "bo"}, 1),
        ({"user_id": ""}, 0),
        ({"session_id": "s1", "since_ms": MORNING_MS + 30_000}, 1),
    ],
)
def test_only_what_is_asked_for_counts(database_url: str, scope: dict[str, Any], numbers: int) -> None:
    rows = [row(1), row(2), row(3), row(1, session_id="s2", user_id="bo", at_ms=MORNING_MS + DAY_MS)]
    assert report(database_url, rows, **scope).rows == numbers


def test_changes_are_counted_by_reason(database_url: str) -> None:
    lost = {"engine": "whisper", "place": 2, "why": "LegLost"}
    rows = [row(1), row(2, **lost), row(3, why="tried again"), row(4, **lost), row(5, engine="whisper", place=2)]
    assert report(database_url, rows).changes == [
        RouteChange(leg="stt", engine="whisper", why="LegLost", count=2),
        RouteChange(leg="stt", engine="deepgram", why="tried again", count=1),
    ]
    assert report(database_url, [], user_id="bo").changes == []


def test_without_rows_there_are_no_lines(database_url: str) -> None:
    found = report(database_url, [])
    assert found.to_json() == {"lines": [], "changes": [], "cost_nano": 0, "rows": 0, "unknown_rows": 0}


@pytest.mark.parametrize("each", [1, 3, 30])
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_percentiles_come_near_those_of_all_requests(database_url: str, each: int, spread: float) -> None:
    random = np.random.default_rng(7)
    count = 1000
    latencies_ms = np.exp(random.normal(5, 0.4, (count, each)) + random.normal(0, spread, (count, 1)))
    of_rows = np.quantile(latencies_ms, (0.5, 0.95), axis=1)
    rows = [
        row(number, asked=each, p50_ms=float(p50), p95_ms=float(p95))
        for number, (p50, p95) in enumerate(of_rows.T, start=1)
    ]
    (line,) = report(database_url, rows).lines
    p50_ms, p95_ms = np.quantile(latencies_ms, (0.5, 0.95))
    assert line.requests == count * each
    assert line.p50_ms == pytest.approx(p50_ms, rel=0.04)
    assert line.p95_ms == pytest.approx(p95_ms, rel=0.10)
