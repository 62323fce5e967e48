import asyncio
import json
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from vivavoce.cli import tiers
from vivavoce.cli.routes import app
from vivavoce.clock import SystemClock
from vivavoce.config.holder import ConfigHolder
from vivavoce.config.load import default_settings
from vivavoce.config.routes import Tier
from vivavoce.errors import ConfigError, LegTimeout
from vivavoce.routing.board import published
from vivavoce.routing.route import Route


@pytest.fixture(autouse=True)
def _clean_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIVAVOCE_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


async def while_running(*arguments: str) -> str:
    """What the command prints while this process has a voice that failed and one that speaks."""
    route = Route("tts", default_settings().routes.tts, clock=SystemClock())
    route.failed("kokoro", LegTimeout("gave no sound for 3000 ms"))
    for _ in range(4):
        route.begin("espeak")
        route.succeeded("espeak", 2500)
    async with published([route], command="vivavoce serve", clock=SystemClock()):
        await asyncio.sleep(0)
        return await asyncio.to_thread(run, *arguments)


def test_order_of_the_configuration_while_nothing_runs(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[routes]\nstt.order = ["deepgram", "whisper"]\n', encoding="utf-8")
    assert run("--config", str(path)).splitlines() == [
        "nothing is running; the order of the configuration:",
        "stt  deepgram → whisper",
        "mt   pairs",
        "tts  kokoro → espeak",
    ]


def test_who_serves_and_how_the_engines_are() -> None:
    lines = asyncio.run(while_running()).splitlines()
    kokoro, reason = (line for line in lines if "kokoro" in line)
    (espeak,) = (line for line in lines if "espeak" in line)
    assert any("vivavoce serve" in line for line in lines)
    assert kokoro.split()[:4] == ["tts", "kokoro", "open", "1"]
    assert reason == "kokoro failed last: gave no sound for 3000 ms"
    assert espeak.split() == ["▸", "espeak", "closed", "2500", "/", "2500", "2000", "4", "4", "100%", "0"]


def test_json_is_an_envelope() -> None:
    empty = json.loads(run("--json"))
    assert (empty["command"], empty["n"], empty["void_reason"]) == ("vivavoce routes", 0, "nothing is running")
    full = json.loads(asyncio.run(while_running("--json")))
    assert (full["n"], full["valid"]) == (1, True)
    assert full["figures"]["configured"]["tts"] == ["kokoro", "espeak"]
    (process,) = full["figures"]["processes"]
    (leg,) = process["legs"]
    assert (leg["leg"], leg["serving"]) == ("tts", "espeak")
    assert leg["engines"][1]["p95_ms"] == 2500


def test_watch_and_json_do_not_go_together() -> None:
    assert CliRunner().invoke(app, ["--watch", "--json"]).exit_code == 2


def test_watch_shows_it_until_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    def interrupted(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    result = CliRunner().invoke(app, ["--watch"])
    assert waits == [1, 1, 1]
    assert "kokoro → espeak" in result.stdout


def test_file_is_checked_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "next.toml"
    path.write_text('[routes]\nmt.order = ["gemini", "pairs"]\n', encoding="utf-8")
    assert "mt   gemini → pairs" in run("check", str(path))
    path.write_text('[routes]\nmt.order = ["parrot"]\n', encoding="utf-8")
    refused = CliRunner().invoke(app, ["check", str(path)]).exception
    assert isinstance(refused, ConfigError)
    assert "routes.mt.order: no engine is named 'parrot'" in refused.message


def test_rollback_says_what_it_did() -> None:
    path = Path("vivavoce.toml")
    texts = ["[translate]\nduck_db = -1\n", "[translate]\nduck_db = -2\n"]
    for text in texts:
        path.write_text(text, encoding="utf-8")
        ConfigHolder()
    told = run("rollback")
    assert path.read_text("utf-8") == texts[0]
    assert "vivavoce.toml is again what it was before" in told
    replaced = Path(told.splitlines()[1].removeprefix("what it was until now: "))
    assert replaced.read_text("utf-8") == texts[1]
    refused = CliRunner().invoke(app, ["rollback"]).exception
    assert isinstance(refused, ConfigError)
    assert "no earlier" in refused.message


def test_rollback_to_what_is_refused_by_now_replaces_nothing() -> None:
    path = Path("vivavoce.toml")
    for text in ("[translate]\nduck_db = -1\n", "[translate]\nduck_db = -2\n"):
        path.write_text(text, encoding="utf-8")
        ConfigHolder()
    for copy in Path("XDG_STATE_HOME").rglob("000001.toml"):
        copy.write_text("[translate]\nno_longer = 1\n", encoding="utf-8")
    assert isinstance(CliRunner().invoke(app, ["rollback"]).exception, ConfigError)
    assert "-2" in path.read_text("utf-8")


def test_rollback_needs_a_file() -> None:
    refused = CliRunner().invoke(app, ["rollback"]).exception
    assert isinstance(refused, ConfigError)
    assert "no configuration file is in force" in refused.message


def test_tiers_to_choose_from_are_those_of_the_configuration() -> None:
    assert {tier.value for tier in tiers.Tier} == set(get_args(Tier))
