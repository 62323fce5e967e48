"""`vivavoce store` and `vivavoce erase`, on stores and a spool of their own."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from typer.testing import CliRunner

from vivavoce.cli.main import app, main
from vivavoce.store.database import SCHEMA, Database
from vivavoce.store.lines import line_of
from vivavoce.store.tables import ERASED, METADATA, NUDGES, STATES


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Database:
    """The store that the user has configured; its URL has a password."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "vivavoce.toml"
    file.write_text(f'[store]\nurl = "{database_url.replace(":@/", ":hush@/")}"\n', "utf-8")
    monkeypatch.setenv("VIVAVOCE_CONFIG", str(file))
    return Database(database_url)


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code


def figures(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out)["figures"])


def nudges(database: Database) -> None:
    """One each of two sessions, and the state of a call."""

    async def work() -> None:
        async with aclosing(database), database.begin() as connection:
            rows = [
                {"id": session, "session_id": session, "user_id": user, "at_ms": 1_000, "kind": "late"}
                for session, user in (("s1", "ann"), ("s2", "bob"))
            ]
            await connection.execute(insert(NUDGES), rows)
            await connection.execute(insert(STATES), [{"key": "CA1", "until_ms": 1 << 50, "document": "{}"}])

    asyncio.run(work())


def test_a_store_is_made_and_its_rows_are_counted(configured: Database, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(configured)
    run("store", "status")
    assert "schema  none yet" in capsys.readouterr().out
    run("store", "upgrade")
    assert capsys.readouterr().out == f"{where}: schema {SCHEMA}, was none\n"
    run("store", "upgrade")
    assert capsys.readouterr().out == f"{where}: schema {SCHEMA}\n"
    nudges(configured)
    run("store", "status")
    shown = capsys.readouterr().out
    assert f"store   {where}\nschema  {SCHEMA}\n" in shown
    assert "2 nudges" in shown
    assert "hush" not in shown
    run("store", "status", "--json")
    told = figures(capsys)
    assert told["rows"] == dict.fromkeys(METADATA.tables, 0) | {"nudges": 2, "states": 1}
    assert told["spool"] == {"files": 0, "bytes": 0, "oldest_s": None, "refused_rows": 0}


def test_what_waits_in_the_spool_is_told(
    configured: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = tmp_path / "state" / "vivavoce" / "spool"
    for name, size in (("1-1", 300), ("2-2", 40)):
        (spool / name).mkdir(parents=True)
        (spool / name / "00000001.rows").write_bytes(b"x" * size)
    (spool / name / "00000002.rows").symlink_to("gone")  # as one that is shipped just then
    (spool / "refused.jsonl").write_text("{}\n{}\n")
    since_s = time.time() - 3 * 3600
    os.utime(spool / "1-1" / "00000001.rows", (since_s, since_s))
    run("store", "status", "--json")
    told = figures(capsys)["spool"]
    assert told.pop("oldest_s") == pytest.approx(3 * 3600, abs=60)
    assert told == {"files": 2, "bytes": 340, "refused_rows": 2}
    run("store", "status")
    shown = capsys.readouterr().out
    assert "2 files, 340 bytes wait for the store, the oldest for 3 h\n" in shown
    assert "2 refused rows: see" in shown


def test_what_a_dead_program_left_is_shipped(
    configured: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = tmp_path / "state" / "vivavoce" / "spool"
    for name, lines in (("1-1", 2), ("2-2", 1)):
        (spool / name).mkdir(parents=True)
        row = {"session_id": "s", "user_id": "ann", "at_ms": 1_000, "kind": "late"}
        rows = [line_of(NUDGES, {"id": f"{name}.{n}", **row}) for n in range(lines)]
        (spool / name / "00000001.rows").write_bytes(b"".join(rows))
    lock = os.open(spool / "2-2", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # as a program that runs
    run("store", "ship")
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "shipped 2 rows"
    assert shown[1].startswith("spool   1 file, ")
    assert shown[1].endswith("; running programs have them")
    os.close(lock)
    run("store", "ship", "--json")
    told = figures(capsys)
    assert (told["shipped"], told["refused"], told["spool"]["files"]) == (1, 0, 0)
    run("store", "ship")
    assert capsys.readouterr().out == "shipped 0 rows\nspool   0 files, 0 bytes wait for the store\n"
    run("store", "status", "--json")
    assert figures(capsys)["rows"]["nudges"] == 3


def test_a_store_that_is_away_is_told_beside_what_waits(
    postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "vivavoce.toml"
    file.write_text(f'[store]\nurl = "{postgres.url}"\n', "utf-8")
    postgres.kill()
    run("store", "status", "--config", str(file), code=13)
    out, err = capsys.readouterr()
    assert "schema  unknown\nspool   0 files" in out
    assert "cannot be used now" in err
    run("store", "status", "--config", str(file), "--json", code=13)
    assert not json.loads(capsys.readouterr().out)["valid"]
    run("store", "ship", "--config", str(file), code=13)
    assert "cannot be used now" in capsys.readouterr().err


def test_a_schema_from_the_future_is_told(configured: Database, capsys: pytest.CaptureFixture[str]) -> None:
    async def age() -> None:
        async with aclosing(configured), configured.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '7777'"))

    asyncio.run(age())
    run("store", "status")
    assert f"schema  7777, newer than {SCHEMA}\n" in capsys.readouterr().out
    run("store", "upgrade", code=13)


def test_what_has_outlived_itself_is_swept(configured: Database, capsys: pytest.CaptureFixture[str]) -> None:
    nudges(configured)
    run("store", "sweep", "--json")
    assert figures(capsys)["rows"]["nudges"] == 2
    run("store", "sweep")
    assert "0 nudges" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "table", "tombstones"),
    [
        (("--session", "s1"), "nudges", [("session", "s1")]),
        (("--user", "ann"), "nudges", [("session", "s1"), ("user", "ann")]),
        (("--call", "CA1"), "states", []),
    ],
)
def test_one_is_erased(
    configured: Database,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
    option: tuple[str, str],
    table: str,
    tombstones: list[tuple[str, str]],
) -> None:
    async def buried() -> list[tuple[str, str]]:
        async with aclosing(Database(database_url)) as database, database.begin() as connection:
            statement = select(ERASED.c.kind, ERASED.c.name).order_by(ERASED.c.kind)
            return [(kind, name) for kind, name in await connection.execute(statement)]

    nudges(configured)
    run("erase", *option, "--yes")
    shown = capsys.readouterr().out
    assert f"1 {table}\n" in shown
    assert ("spools" in shown) == bool(tombstones)
    run("erase", *option, "--yes")
    assert f"nothing was known of {option[0].strip('-')} {option[1]}\n" in capsys.readouterr().out
    run("erase", *option, "--yes", "--json")
    assert figures(capsys)["rows"][table] == 0
    assert asyncio.run(buried()) == tombstones


@pytest.mark.parametrize(("answer", "left"), [("n", 2), ("y", 1)])
def test_nothing_is_erased_unless_it_is_confirmed(
    configured: Database, capsys: pytest.CaptureFixture[str], answer: str, left: int
) -> None:
    nudges(configured)
    asked = CliRunner().invoke(app, ["erase", "--user", "ann"], input=f"{answer}\n")
    assert "everything of user ann" in asked.output
    assert asked.exit_code == (answer == "n")
    run("store", "status", "--json")
    assert figures(capsys)["rows"]["nudges"] == left


@pytest.mark.parametrize("arguments", [(), ("--user", ""), ("--user", "a", "--session", "b")])
def test_one_alone_is_named(configured: Database, arguments: tuple[str, ...]) -> None:
    run("erase", "--yes", *arguments, code=2)
