"""`vivavoce profiles` and `vivavoce nudge`, on a store of their own."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import insert, select

from vivavoce.cli.main import main
from vivavoce.store.database import Database
from vivavoce.store.tables import NUDGES, SESSIONS, SIGNALS
from vivavoce.telemetry.signals import Packets, SessionSignals

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("VIVAVOCE_CONFIG", "VIVAVOCE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | Path, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == code


def fill(*sessions: tuple[str, str, float | None]) -> None:
    """Sessions of now in the store, as (application, codec, jitter)."""

    async def put() -> None:
        at_ms = round(time.time() * 1000)
        async with aclosing(Database()) as database, database.begin() as connection:
            for n, (app, codec, jitter_ms) in enumerate(sessions):
                signals = SessionSignals()
                signals.speech_started()
                signals.utterance_done(700.0 + n)
                if jitter_ms is not None:
                    signals.packets_came(Packets(count=50, gaps=0, jitter_p50_ms=1.0, jitter_p95_ms=jitter_ms))
                facts = {"session_id": f"s{n}", "user_id": "u", "app_id": app, "codec": codec}
                row = signals.row(**facts, at_ms=at_ms, duration_ms=60_000.0)
                await connection.execute(insert(SIGNALS), [row])
                known = {"product": "agent", "source": "en", "target": "en", "tier": "", "started_ms": at_ms + n}
                await connection.execute(insert(SESSIONS), [facts | known])

    asyncio.run(put())


def nudges() -> list[Any]:
    async def read() -> list[Any]:
        async with aclosing(Database()) as database, database.begin() as connection:
            return [tuple(row) for row in await connection.execute(select(NUDGES.c.session_id, NUDGES.c.kind))]

    return asyncio.run(read())


def test_the_matrix_fits_eighty_columns_and_tells_its_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    fill(("line", "ulaw", 5.0), ("line", "ulaw", 5.0), ("com.example.a-name-too-long-for-it", "pcm16-48k", None))
    run("profiles", "--least", "2")
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert "ulaw, steady" in said
    assert "1 of 4 cells are covered (25%) by 2 sessions or more; 2 have any" in said


def test_figures_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    fill(("line", "ulaw", 5.0), ("desk", "mp3", None))
    run("profiles", "--json", "--app", "line", "--least", "1")
    envelope = json.loads(capsys.readouterr().out)
    assert (envelope["n"], envelope["valid"], envelope["figures"]["coverage"]) == (1, True, 1 / 3)
    (cell,) = envelope["figures"]["cells"]
    assert cell["place"] == {"app_id": "line", "codec": "ulaw", "network": "steady"}
    assert (cell["covered"], cell["heard_p95_ms"]) == (True, 700.0)


def test_an_empty_store_has_no_figures(capsys: pytest.CaptureFixture[str]) -> None:
    run("profiles")
    assert capsys.readouterr().out == "no session's signals are in the store of the last 90d\n"
    run("profiles", "--json", "--app", "nope")
    envelope = json.loads(capsys.readouterr().out)
    nothing = "no session's signals of nope are in the store of the last 90d"
    assert (envelope["valid"], envelope["void_reason"]) == (False, nothing)


@pytest.mark.parametrize("name", ["profiles.svg", "profiles.html"])
def test_the_picture_has_a_box_for_every_cell_there_could_be(tmp_path: Path, name: str) -> None:
    fill(("line & <co>", "ulaw", 5.0), ("line & <co>", "pcm16-16k", 40.0), ("desk", "mp3", None))
    run("profiles", "--plot", tmp_path / name, "--least", "1")
    text = (tmp_path / name).read_text("utf-8")
    drawing = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    boxes = [box.get("class") for box in drawing.iter(f"{SVG}rect") if box.get("rx")]
    assert len(boxes) == 3 + 3 + 1
    assert sum(kind != "none" for kind in boxes) == 3
    width = float(drawing.get("width") or 0)
    assert all(0 <= float(text.get("x") or -1) <= width for text in drawing.iter(f"{SVG}text"))
    assert "line & <co>" in [text.text for text in drawing.iter(f"{SVG}text")]


def test_a_picture_of_nothing_can_be_drawn(tmp_path: Path) -> None:
    run("profiles", "--plot", tmp_path / "none.svg")
    assert ElementTree.fromstring((tmp_path / "none.svg").read_text("utf-8")).get("width")


def test_what_cannot_be_asked_for_is_refused(tmp_path: Path) -> None:
    run("profiles", "--plot", "picture.png", code=2)
    run("profiles", "--plot", tmp_path / "nowhere" / "p.svg", code=8)
    run("profiles", "--since", "soon", code=2)
    run("nudge", "last", "early", code=2)
    run("nudge", "unknown", "late", code=2)


def test_nudges_come_into_the_store(capsys: pytest.CaptureFixture[str]) -> None:
    fill(("line", "ulaw", 5.0), ("line", "ulaw", 5.0))
    run("nudge", "s0", "late")
    run("nudge", "last", "mode", "--user", "u")
    run("nudge", "last", "mode", code=2)
    assert capsys.readouterr().out == "noted: late, session s0\nnoted: mode, session s1\n"
    assert sorted(nudges()) == [("s0", "late"), ("s1", "mode")]


@pytest.mark.parametrize("way", ["file", "variable", "do not track"])
def test_who_opted_out_leaves_no_nudge(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(("line", "ulaw", 5.0))
    if way == "file":
        (tmp_path / "vivavoce.toml").write_text("[telemetry]\nprofiles = false\n", "utf-8")
    else:
        monkeypatch.setenv(*(("VIVAVOCE_TELEMETRY", "off") if way == "variable" else ("DO_NOT_TRACK", "1")))
    run("nudge", "last", "late")
    assert capsys.readouterr().out == "telemetry is off: nothing was noted\n"
    assert nudges() == []
