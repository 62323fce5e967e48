"""Production's percentiles from the store, on both kinds, and how they stand."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert

from vivavoce.store.database import Database
from vivavoce.store.tables import SESSIONS, SIGNALS, USAGE
from vivavoce.telemetry.evaluated import Evaluated
from vivavoce.telemetry.production import ProductionLine, Standing, read_production, stand
from vivavoce.telemetry.signals import SessionSignals

NOW_MS = 1_790_000_000_000


def session(name: str, product: str, heard_ms: list[float]) -> list[tuple[Any, dict[str, Any]]]:
    signals = SessionSignals()
    for ms in heard_ms:
        signals.utterance_done(ms)
    facts = {"session_id": name, "user_id": "u", "app_id": "a", "codec": "c"}
    known = {"product": product, "source": "en", "target": "pt", "tier": "", "started_ms": NOW_MS}
    return [(SESSIONS, facts | known), (SIGNALS, signals.row(**facts, at_ms=NOW_MS, duration_ms=1.0))]


def answers(name: str, number: int, leg: str, engine: str, asked: int, p50_ms: float, p95_ms: float) -> Any:
    row = dict.fromkeys(("sound_ms", "characters", "tokens_in", "tokens_out", "price", "cost_nano"))
    facts = {"session_id": name, "number": number, "user_id": "u", "app_id": "a", "codec": "c", "at_ms": NOW_MS}
    work = {"leg": leg, "engine": engine, "asked": asked, "p50_ms": p50_ms, "p95_ms": p95_ms}
    return USAGE, row | facts | work | {"interval_ms": 1, "prompt_version": "", "place": 1, "why": ""}


EVALUATED = Evaluated(
    run="r", at_ms=0, p95_ms={"stt": 100.0, "heard": 600.0}, config_hash="now", engines={}, pairs=("en-pt", "fr-pt")
)


def lines(
    url: str,
    rows: list[Any],
    *,
    product: str = "translate",
    since_ms: int = NOW_MS,
    evaluated: Evaluated = EVALUATED,
) -> list[ProductionLine]:
    async def main() -> list[ProductionLine]:
        async with aclosing(Database(url)) as database:
            async with database.begin() as connection:
                for table, row in rows:
                    await connection.execute(insert(table), [row])
            return await read_production(
                database,
                since_ms=since_ms,
                product=product,
                evaluated=evaluated,
                config_hash="now",
                caps_ms={"stt": 210.0, "mt": 30.0, "heard": 700.0},
                tolerance=0.25,
            )

    return asyncio.run(main())


def test_legs_and_heard_stand_beside_evaluation_and_cap(database_url: str) -> None:
    rows = [
        *session("t", "translate", [600.0] * 100),
        *session("a", "agent", [2000.0] * 500),
        answers("t", 1, "tts", "kokoro", 100, 200.0, 300.0),
        answers("t", 2, "stt", "whisper", 100, 90.0, 110.0),
        answers("t", 3, "mt", "pairs", 5, 10.0, 10.0),
        answers("t", 4, "stt", "deepgram", 100, 150.0, 190.0),
        answers("a", 1, "stt", "whisper", 900, 800.0, 900.0),
    ]
    found = lines(database_url, rows)
    assert [(line.stage, line.engine) for line in found] == [
        ("stt", ""),
        ("stt", "deepgram"),
        ("stt", "whisper"),
        ("mt", ""),
        ("mt", "pairs"),
        ("tts", ""),
        ("tts", "kokoro"),
        ("heard", ""),
    ]
    by_name = {(line.stage, line.engine): line for line in found}
    stt = by_name["stt", ""]
    assert (stt.n, stt.p95_ms, stt.evaluated_ms, stt.cap_ms) == (200, 190.0, 100.0, 210.0)
    assert (stt.standing, by_name["stt", "whisper"].standing) == (Standing.SLOWER, None)
    assert by_name["stt", "whisper"].p95_ms == 110.0
    assert by_name["mt", ""].standing is Standing.FEW
    assert by_name["tts", ""].standing is Standing.ALONE
    heard = by_name["heard", ""]
    assert (heard.n, heard.p50_ms, heard.p95_ms, heard.standing) == (100, 600.0, 600.0, Standing.WITHIN)
    assert lines(database_url, [], since_ms=NOW_MS + 1) == []


def test_what_others_did_is_not_comparable(database_url: str) -> None:
    """Neither other engines, nor other pairs, nor other settings."""
    rows = [
        *session("t", "translate", [900.0] * 100),
        answers("t", 1, "tts", "espeak", 100, 20.0, 24.0),
        answers("t", 2, "stt", "whisper", 100, 150.0, 200.0),
    ]
    p95_ms = {"stt": 100.0, "tts": 1418.0, "heard": 600.0}
    spoken = replace(EVALUATED, p95_ms=p95_ms, engines={"stt": "whisper", "tts": "kokoro"})

    def standings(rows: list[Any], evaluated: Evaluated) -> dict[str, Standing | None]:
        return {line.stage: line.standing for line in lines(database_url, rows, evaluated=evaluated) if not line.engine}

    unlike = Standing.UNLIKE
    assert standings(rows, spoken) == {"stt": Standing.SLOWER, "tts": unlike, "heard": Standing.OVER_CAP}
    for other in (replace(spoken, config_hash="then"), replace(spoken, pairs=("fr-pt",))):
        assert standings([], other) == {"stt": unlike, "tts": unlike, "heard": Standing.OVER_CAP}


@pytest.mark.parametrize(
    ("n", "p95_ms", "evaluated_ms", "cap_ms", "expected"),
    [
        (59, 900.0, 100.0, 200.0, Standing.FEW),
        (60, None, 100.0, 200.0, Standing.FEW),
        (60, 201.0, 100.0, 200.0, Standing.OVER_CAP),
        (60, 126.0, 100.0, 200.0, Standing.SLOWER),
        (60, 125.0, 100.0, 200.0, Standing.WITHIN),
        (60, 74.0, 100.0, None, Standing.FASTER),
        (60, 76.0, 100.0, None, Standing.WITHIN),
        (60, 5.0, 20.0, None, Standing.WITHIN),
        (60, 5.0, None, None, Standing.ALONE),
    ],
)
def test_how_a_p95_stands(
    n: int, p95_ms: float | None, evaluated_ms: float | None, cap_ms: float | None, expected: Standing
) -> None:
    standing = stand(n, p95_ms, evaluated_ms=evaluated_ms, cap_ms=cap_ms, tolerance=0.25)
    assert standing is expected
    assert standing.drifted is (expected in (Standing.OVER_CAP, Standing.SLOWER, Standing.FASTER))
