"""`vivavoce drift`, on a store of its own."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from sqlalchemy import insert

from vivavoce.cli.main import main
from vivavoce.config.load import load_settings
from vivavoce.config.settings import config_hash
from vivavoce.store.database import Database
from vivavoce.store.tables import SESSIONS, SIGNALS
from vivavoce.telemetry.evaluated import Evaluated, save_evaluated
from vivavoce.telemetry.signals import SessionSignals


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("VIVAVOCE_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["drift", *arguments])
    assert ended.value.code == code


def heard(*ms: float) -> None:
    """A session of now in the store whose dub was heard so late."""
    signals, at_ms = SessionSignals(), round(time.time() * 1000)
    for each in ms:
        signals.utterance_done(each)
    facts = {"session_id": "s", "user_id": "u", "app_id": "a", "codec": "c"}
    known = {"product": "translate", "source": "en", "target": "pt", "tier": "", "started_ms": at_ms}

    async def put() -> None:
        async with aclosing(Database()) as database, database.begin() as connection:
            await connection.execute(insert(SIGNALS), [signals.row(**facts, at_ms=at_ms, duration_ms=1.0)])
            await connection.execute(insert(SESSIONS), [facts | known])

    asyncio.run(put())


def evaluated(config: str = "") -> None:
    """An evaluation of these settings, or of others."""
    of = config or config_hash(load_settings(None))
    save_evaluated(Evaluated(run="r7", at_ms=0, p95_ms={"heard": 400.0}, config_hash=of, engines={}, pairs=("en-pt",)))


def test_nothing_is_in_an_empty_store(capsys: pytest.CaptureFixture[str]) -> None:
    run("--strict")
    assert "no translate session of the last 7d is in the store" in capsys.readouterr().out


def test_what_has_drifted_is_told_in_words_and_figures(capsys: pytest.CaptureFixture[str]) -> None:
    heard(*[600.0] * 80)
    evaluated()
    run()
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert "slower than evaluated" in said
    assert "Held against evaluation r7 on this machine." in said
    assert "The clip set is stale for heard" in said
    run("--strict", "--json", code=1)
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert (figures["drifted"], figures["stale"]) == (["heard"], ["heard"])
    (line,) = figures["lines"]
    assert (line["n"], line["p95_ms"], line["evaluated_ms"], line["cap_ms"]) == (80, 600.0, 400.0, 700.0)


def test_what_stands_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    heard(*[410.0] * 80)
    evaluated()
    run("--strict")
    assert "within" in capsys.readouterr().out


def test_what_other_settings_gave_is_not_comparable(capsys: pytest.CaptureFixture[str]) -> None:
    heard(*[600.0] * 80)
    evaluated("another")
    run("--strict")
    said = capsys.readouterr().out
    assert "not comparable" in said
    assert "Not comparable for heard: other settings, pairs or engines were evaluated." in " ".join(said.split())
    run("--json")
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert (figures["not_comparable"], figures["stale"]) == (["heard"], [])


def test_a_baseline_without_latencies_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.json").write_text("{}")
    run("--baseline", "none.json", code=9)
    assert "none.json" in capsys.readouterr().err
