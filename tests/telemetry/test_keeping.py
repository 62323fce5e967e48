from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import Table, func, select

from vivavoce.config.load import default_settings
from vivavoce.store.database import Database
from vivavoce.store.outbox import open_outbox
from vivavoce.store.tables import NUDGES, SIGNALS
from vivavoce.telemetry.keeping import Telemetry, wanted
from vivavoce.telemetry.kinds import Nudge
from vivavoce.telemetry.signals import SessionSignals

FACTS: dict[str, Any] = {"session_id": "s1", "user_id": "u1", "at_ms": 1000}


def keep(telemetry: Telemetry) -> None:
    telemetry.session(SessionSignals(), app_id="app", codec="ulaw", duration_ms=5000.0, **FACTS)
    for kind in get_args(Nudge):
        telemetry.nudge(kind, **FACTS)


@pytest.mark.parametrize(
    ("profiles", "environment", "expected"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"VIVAVOCE_TELEMETRY": "off"}, False),
        (True, {"VIVAVOCE_TELEMETRY": "OFF "}, False),
        (True, {"VIVAVOCE_TELEMETRY": "on"}, True),
        (False, {"VIVAVOCE_TELEMETRY": "on"}, False),
        (True, {"DO_NOT_TRACK": "1"}, False),
        (True, {"DO_NOT_TRACK": "yes"}, False),
        (True, {"DO_NOT_TRACK": "0"}, True),
        (True, {"DO_NOT_TRACK": ""}, True),
    ],
)
def test_any_of_the_ways_to_opt_out_is_enough(profiles: bool, environment: Mapping[str, str], expected: bool) -> None:
    settings = default_settings().telemetry.model_copy(update={"profiles": profiles})
    assert wanted(settings, environment) is expected


def test_who_opted_out_leaves_no_row() -> None:
    put: list[Table] = []
    keep(Telemetry(lambda table, row: put.append(table), wanted=lambda: False))
    assert put == []


@pytest.mark.parametrize("wants", [True, False])
def test_rows_come_into_the_store_unless_they_are_not_wanted(database_url: str, tmp_path: Path, wants: bool) -> None:
    async def main() -> tuple[int, int]:
        async with aclosing(Database(database_url)) as database:
            async with open_outbox(database, tmp_path / "spool") as outbox:
                keep(Telemetry(outbox.put, wanted=lambda: wants))
                assert await outbox.settled(within_s=30)
            async with database.begin() as connection:
                counts = [
                    await connection.scalar(select(func.count()).select_from(table)) for table in (SIGNALS, NUDGES)
                ]
        return counts[0] or 0, counts[1] or 0

    assert asyncio.run(main()) == ((1, 3) if wants else (0, 0))
