"""A run's clips in the store: what they say, beside the figures that each has a part in."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

from sqlalchemy import select

from vivavoce.contract.envelope import this_machine
from vivavoce.evals.clips import Clip
from vivavoce.gate.metric import Metric
from vivavoce.gate.rows import eval_rows, keep_rows
from vivavoce.gate.run import ClauseRun, ClipRun, Run, UtteranceRun
from vivavoce.store.database import Database
from vivavoce.store.erasure import erase_session
from vivavoce.store.tables import EVALS


def _clip(name: str, *, reference: str = "Good day.", problem: str = "") -> ClipRun:
    return ClipRun(
        id=name,
        pair="en-pt",
        register="banter",
        reference=reference,
        reference_translation="Bom dia.",
        transcript="good day",
        speech_ms=900.0,
        clauses=(ClauseRun(text="good day", translation="bom dia", start_ms=0.0, end_ms=900.0, shown_ms=1200.0),),
        utterances=(UtteranceRun(label_start_ms=0.0, label_end_ms=900.0, wait_ms=500.0),),
        problem=problem,
    )


RUN = Run(
    id="run-1",
    at_ms=1_800_000_000_000,
    plan="whole:1",
    paced=True,
    machine=this_machine(),
    versions={},
    config_hash="",
    speed_ms=1.0,
    engines={},
    clips=(_clip("a"), _clip("b"), _clip("broken", problem="lost"), _clip("silence-en-pt", reference="")),
)
METRICS = [
    Metric(name="wer", value=10.0, unit="%", n=4, what="words", owner="stt", parts={"a": 20.0, "b": 0.0}),
    Metric(
        name="chrf.en-pt", value=60.0, unit="", n=2, what="clips", owner="mt", better="higher", parts={"a": 50.12345},
    ),
    Metric(name="failed", value=0.0, unit="clips", n=2, what="clips", owner="session"),
]  # fmt: skip
CLIPS = [Clip("b", "b.wav", "en", "Good day.", 1.0, target="pt", user_id="ana", session_id="call-7")]


def test_a_row_holds_what_a_clip_says_and_its_part_of_the_figures() -> None:
    first, second = eval_rows(RUN, METRICS, CLIPS)
    assert (first["clip"], first["user_id"], first["session_id"]) == ("a", "", "")
    assert (second["clip"], second["user_id"], second["session_id"]) == ("b", "ana", "call-7")
    assert (first["source_text"], first["reference_text"], first["hypothesis_text"]) == (
        "Good day.",
        "Bom dia.",
        "bom dia",
    )
    assert json.loads(first["quality"]) == {"wer": 20.0, "chrf.en-pt": 50.123}
    assert first["heard_p95_ms"] == 500.0
    assert all(set(row) == set(EVALS.columns.keys()) for row in (first, second))


def test_rows_are_kept_and_forgotten_with_their_session(database_url: str, tmp_path: Path) -> None:
    async def kept() -> tuple[int, list[str], list[str], int]:
        async with aclosing(Database(database_url)) as database:
            rows = eval_rows(RUN, METRICS, CLIPS)
            written = await keep_rows(database, rows)
            before = await names(database)
            await erase_session(database, "call-7", now_ms=RUN.at_ms + 1)
            return written, before, await names(database), await keep_rows(database, rows)

    async def names(database: Database) -> list[str]:
        async with database.begin(read_only=True) as connection:
            found = await connection.execute(select(EVALS.c.clip).order_by(EVALS.c.clip))
            return [row.clip for row in found]

    assert asyncio.run(kept()) == (2, ["a", "b"], ["a"], 0)
