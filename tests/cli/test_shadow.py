from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.config.load import default_settings, read_settings
from vivavoce.evals.shadow_report import LEAST_PAIRS, MOST_VOID, MOST_WER
from vivavoce.routing.shadow_rows import Row, records
from vivavoce.store.database import Database
from vivavoce.store.outbox import open_outbox
from vivavoce.store.tables import SHADOW_RESULTS


def results(session: str, age_s: float) -> list[Row]:
    """A pair and a failure of recognition, and of translation."""
    found = []
    for leg, more in (("stt", {"errors": 1, "words": 10}), ("mt", {"chrf": 61.0})):
        about = {"session_id": session, "leg": leg, "primary_engine": "one", "shadow": "other"}
        about["at_ms"] = round((time.time() - age_s) * 1000)
        figures = {"primary_ms": 100.0, "shadow_ms": 90.0, "primary_nano": 2000, "shadow_nano": 1000, **more}
        found += [Row(**about, **figures), Row(**about, void="LegLost")]
    return found


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """The store has two sessions: of now, and of two days ago."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def main() -> None:
        async with aclosing(Database()) as database, open_outbox(database) as outbox:
            for record in records([*results("new", 60.0), *results("old", 2 * 86400.0)]):
                outbox.put(SHADOW_RESULTS, record)
            assert await outbox.settled(within_s=30)

    asyncio.run(main())


def run(*args: str) -> str:
    result = CliRunner().invoke(app, ["shadow", *args])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_report_sets_the_candidate_beside_who_was_served(rows):
    told = run("report")
    for line in (
        "stt: other beside one, 1 pairs of 1 sessions",
        "10.0 % word errors against the primary's finals",
        "chrF 61.0 against the primary's text",
        "1 void: LegLost",
        "× 0.50",
        "verdict: undecided: 1 pairs, 30 are needed",
    ):
        assert line in told
    assert "-10 (-10 to -10)" in told


def test_it_goes_as_far_back_as_it_is_told_and_to_one_leg(rows):
    comparisons = json.loads(run("report", "--since", "7d", "--leg", "mt", "--json"))["figures"]["comparisons"]
    assert [(each["leg"], each["n"], each["sessions"]) for each in comparisons] == [("mt", 2, 2)]


def test_without_rows_it_says_how_to_get_some(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert "no shadow ran within 24h: name candidates under [routes.stt.shadow]" in run("report")
    envelope = json.loads(run("report", "--json"))
    assert (envelope["valid"], envelope["void_reason"], envelope["n"]) == (False, "no shadow ran", 0)


@pytest.mark.parametrize("args", [("report", "--since", "soon"), ("report", "--leg", "vad")])
def test_what_it_does_not_know_is_refused(rows, args):
    assert CliRunner().invoke(app, ["shadow", *args]).exit_code == 2


def test_a_session_is_shadowed_by_those_that_it_allows(program, short):
    config = program.folder / "vivavoce.toml"
    config.write_text("[routes]\ntts.shadow = { espeak = 1.0 }\nmt.shadow = { pairs = 1.0 }\n")
    arguments = ("translate", short, "--from", "en", "--voice", "espeak", "--config", config)
    run = program.run(*arguments, "--allow-shadow", "espeak")
    assert run.returncode == 0, run.stderr
    assert "comparing what espeak (tts) made of it" in run.stdout + run.stderr
    told = program.run("shadow", "report", "--json", "--config", config)
    (found,) = json.loads(told.stdout)["figures"]["comparisons"]
    assert (found["leg"], found["primary"], found["shadow"], found["void"]) == ("tts", "espeak", "espeak", {})
    assert found["length_ratio"] == pytest.approx(1.0, abs=0.05)
    session = re.search(r"vivavoce erase --session (\w{32})", run.stdout + run.stderr)
    assert session
    assert "1 shadow_results" in program.run("erase", "--session", session[1], "--yes").stdout
    assert "no shadow ran" in program.run("shadow", "report").stdout


def test_a_consent_to_nobody_there_is_is_refused(program, short):
    run = program.run("translate", short, "--from", "en", "--allow-shadow", "nobody")
    assert run.returncode == 9
    assert "no engine is named nobody" in run.stderr


def test_the_guide_says_what_is_so(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "shadow.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "x.toml").write_text(example)
    assert read_settings(tmp_path / "x.toml").routes.stt.shadow == {"moonshine": 0.05}
    numbers = f"wants {LEAST_PAIRS} pairs, at most {MOST_VOID:.0%} void", f"under {MOST_WER:.0f} % of words"
    assert all(number.replace("5%", "5 %") in " ".join(page.split()) for number in numbers)
    assert f"for {default_settings().store.lifetime_days.shadow_results} days" in page
