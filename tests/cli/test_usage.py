from __future__ import annotations

import asyncio
import io
import json
import time
from contextlib import aclosing
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import insert
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.cli.usage import print_report
from vivavoce.ledger.usage_report import UsageLine, UsageReport
from vivavoce.store.database import Database
from vivavoce.store.tables import USAGE


def row(number: int, age_s: float = 60.0, **more: Any) -> dict[str, Any]:
    plain = dict.fromkeys(column.name for column in USAGE.columns)
    about = {"session_id": "s1", "number": number, "user_id": "ana", "app_id": "", "codec": "", "prompt_version": ""}
    at = {"at_ms": round((time.time() - age_s) * 1000), "interval_ms": 10_000, "asked": 2, "place": 1, "why": ""}
    return plain | about | at | more


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Recognition that moved to this machine, a translation without its tokens, and what is eight days old."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    heard = {"leg": "stt", "sound_ms": 61_500, "p50_ms": 210.0, "p95_ms": 290.0}
    hosted = heard | {"engine": "deepgram", "price": "deepgram@2026-05", "cost_nano": 9_430_000}
    here = heard | {"engine": "whisper", "price": "embedded", "cost_nano": 0, "place": 2, "why": "LegLost [503]"}
    said = {
        "leg": "mt",
        "engine": "gemini",
        "characters": 1234,
        "price": "gemini@2026-05",
        "p50_ms": 9.0,
        "p95_ms": 9.0,
    }
    rows = [row(1, **hosted), row(2, **here), row(3, **said), row(4, user_id="bo", age_s=8 * 86400.0, **hosted)]

    async def main() -> None:
        async with aclosing(Database()) as database, database.begin() as connection:
            await connection.execute(insert(USAGE), rows)

    asyncio.run(main())


def run(*args: str) -> str:
    result = CliRunner().invoke(app, ["usage", *args])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_has_what_was_used_and_what_it_cost(ledger):
    assert (
        "\n".join(" ".join(line.split()) for line in run().splitlines())
        == """\
p50 p95
engine leg n requests seconds chars ms ms cost $
deepgram stt 1 2 61.5 210 290 0.0094
gemini mt 1 2 1,234 9 9 ?
whisper stt 1 2 61.5 210 290 0.0000

n: sessions. all: $ 0.0094; ?: 1 row without a known cost
$ 0.0094 at deepgram@2026-05
$ 0.0000 at embedded
1 × stt to whisper: connection lost [503]"""
    )


def test_a_line_is_of_a_leg_alone_where_that_is_asked_for(ledger):
    assert [line.split()[:3] for line in run("--by", "leg", "--since", "30d").splitlines()[1:4]] == [
        ["leg", "n", "requests"],
        ["mt", "1", "2"],
        ["stt", "1", "6"],
    ]


@pytest.mark.parametrize(("width", "by"), [(80, "engine"), (80, "session"), (80, "user"), (100, "user")])
def test_a_terminal_shows_whole_figures(width, by):
    names = {"engine": "openai-chat", "session": "0123456789abcdef" * 2, "user": "somebody with a long name"}
    line = UsageLine(
        name=names[by],
        leg="mt",
        sessions=120,
        rows=1000,
        sound_ms=12_345_600,
        characters=123_456,
        tokens_in=23_456,
        tokens_out=2_345,
        requests=12_345,
        p50_ms=1234.0,
        p95_ms=2345.0,
        cost_nano=12_345_678_900,
        prices={"x@2026-05": 12_345_678_900},
        unknown_rows=1,
    )
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None, _environ={})
    print_report(console, UsageReport(lines=[line], changes=[]), by)
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert max(map(len, out.getvalue().splitlines())) <= width
    whole = ["12,345", "12,345.6", "123,456", "23,456/2,345", "1,234", "2,345", "12.3457+?"]
    assert lines[2][-len(whole) :] == whole
    assert lines[2][0] in ("openai-chat", "01234567", "somebody")


def test_the_figures_as_json(ledger):
    envelope = json.loads(run("--json", "--since", "30d", "--user", "bo", "--by", "user"))
    figures = envelope["figures"]
    assert (envelope["valid"], envelope["n"], figures["since"], figures["by"]) == (True, 1, "30d", "user")
    (line,) = figures["lines"]
    assert (line["name"], line["leg"], line["prices"]) == ("bo", "stt", {"deepgram@2026-05": 9_430_000})
    assert (figures["cost_nano"], figures["unknown_rows"], figures["changes"]) == (9_430_000, 0, [])


def test_where_nothing_was_used_it_says_so(ledger):
    assert run("--session", "s9") == "nothing was used within 7d\n"
    envelope = json.loads(run("--session", "s9", "--json"))
    assert (envelope["valid"], envelope["void_reason"], envelope["n"]) == (False, "nothing was used", 0)


@pytest.mark.parametrize("args", [("--since", "soon"), ("--by", "moon")])
def test_what_it_does_not_know_is_refused(ledger, args):
    assert CliRunner().invoke(app, ["usage", *args]).exit_code == 2
