"""`vivavoce quota` on stores of its own: every command is a new program, so what was set survives it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from vivavoce.cli.main import main
from vivavoce.store.database import Database
from vivavoce.store.tables import USAGE


@pytest.fixture(autouse=True)
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "vivavoce.toml"
    file.write_text(f'[store]\nurl = "{database_url}"\n[spend]\nuser_dub_minutes = 30\nuser_day_cap_usd = 2\n', "utf-8")
    monkeypatch.setenv("VIVAVOCE_CONFIG", str(file))


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["quota", *arguments])
    assert ended.value.code == code


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    run(*arguments, "--json")
    return dict(json.loads(capsys.readouterr().out)["figures"])


def spoke(url: str, user: str, minutes: float) -> None:
    row = {
        "session_id": f"of {user}",
        "number": 1,
        "user_id": user,
        "app_id": "",
        "codec": "",
        "at_ms": round(time.time() * 1000),
        "interval_ms": 10_000,
        "leg": "tts",
        "engine": "cartesia",
        "prompt_version": "",
        "sound_ms": round(minutes * 60_000),
        "cost_nano": 2_500_000,
        "asked": 1,
        "place": 1,
        "why": "",
    }

    async def write() -> None:
        async with aclosing(Database(url)) as database, database.begin() as connection:
            await connection.execute(insert(USAGE), [row])

    asyncio.run(write())


def test_a_quota_is_set_and_topped_up_and_used(capsys: pytest.CaptureFixture[str], database_url: str) -> None:
    run("set", "ana", "--dub-minutes", "60")
    run("top-up", "ana", "--minutes", "5", "--id", "invoice-1")
    spoke(database_url, "ana", 12.5)
    assert figures(capsys, "show", "ana") == {
        "users": {
            "ana": {
                "quota_minutes": 60,
                "default": False,
                "topped_up_minutes": 5,
                "used_minutes": 12.5,
                "left_minutes": 52.5,
                "today_usd": 0.0025,
                "today_cap_usd": 2.0,
            }
        },
        "everybody": {"today_usd": 0.0025, "today_cap_usd": None},
    }


def test_a_top_up_that_comes_twice_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    for new in (True, False, False):
        found = figures(capsys, "top-up", "ana", "--minutes", "5", "--id", "invoice-1")
        assert found["new"] is new
        assert found["users"]["ana"]["left_minutes"] == 35
    run("top-up", "ana", "--minutes", "5", "--id", "invoice-1")
    assert "invoice-1 was there before" in capsys.readouterr().out
    for left in (40, 45):
        assert figures(capsys, "top-up", "ana", "--minutes", "5")["users"]["ana"]["left_minutes"] == left


def test_a_cap_is_lifted_and_the_default_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert figures(capsys, "set", "ana", "--dub-minutes", "0")["users"]["ana"]["left_minutes"] is None
    run("show", "ana")
    assert "no cap" in capsys.readouterr().out
    found = figures(capsys, "set", "ana", "--default")["users"]["ana"]
    assert (found["quota_minutes"], found["default"]) == (30, True)


def test_the_list_has_who_has_something(capsys: pytest.CaptureFixture[str], database_url: str) -> None:
    assert figures(capsys, "list")["users"] == {}
    run("set", "ana", "--dub-minutes", "60")
    run("top-up", "bo", "--minutes", "1")
    spoke(database_url, "cy", 1)
    left = {user: row["left_minutes"] for user, row in figures(capsys, "list")["users"].items()}
    assert left == {"ana": 60, "bo": 31, "cy": 29}


@pytest.mark.parametrize("minutes", ["nan", "inf", "-1", "50000"])
def test_what_is_no_time_of_a_month_is_refused(minutes: str) -> None:
    run("set", "ana", "--dub-minutes", minutes, code=2)


@pytest.mark.parametrize("minutes", ["nan", "-1", "0", "0.0000001"])
def test_a_top_up_adds_something(minutes: str) -> None:
    run("top-up", "ana", "--minutes", minutes, code=2)


@pytest.mark.parametrize("name", ["a" * 201, "a\nb"])
def test_a_user_that_no_session_has_gets_nothing(name: str) -> None:
    run("set", name, "--dub-minutes", "1", code=9)
    run("top-up", name, "--minutes", "1", code=9)


def test_a_table_shows_whole_figures_and_both_caps_of_money(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "somebody with a name that is far too long for a terminal " * 3
    spoke(database_url, name, 1234.567)
    spoke(database_url, "ana", 0.02)
    run("set", name, "--dub-minutes", "12345")
    capsys.readouterr()
    run("list")
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert "12,345.00 0.00 1,234.57 11,110.43 $0.0025 of $2.00" in [" ".join(line.split()[-7:]) for line in lines]
    assert "ana 30.00 (default) 0.00 0.02 29.98 $0.0025 of $2.00" in [" ".join(line.split()) for line in lines]
    assert lines[-1] == "everybody's day: $0.0050, which has no cap"
    with (tmp_path / "vivavoce.toml").open("a") as file:
        file.write("day_cap_usd = 500\n")
    run("show", "ana")
    assert capsys.readouterr().out.splitlines()[-1] == "everybody's day: $0.0050 of $500.00"


def test_set_needs_to_be_told_what() -> None:
    run("set", "ana", code=2)
