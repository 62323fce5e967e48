import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vivavoce.clock import SystemClock, run_virtual
from vivavoce.config.load import default_settings
from vivavoce.errors import LegTimeout
from vivavoce.routing.board import published, running
from vivavoce.routing.route import Route


def routes() -> list[Route]:
    settings = default_settings()
    return [Route(leg, settings.routes.legs[leg], clock=SystemClock()) for leg in ("stt", "tts")]


def test_process_is_shown_once_a_second_while_it_runs(tmp_path: Path) -> None:
    async def session() -> None:
        stt, tts = routes()
        async with published([stt, tts], command="vivavoce translate", clock=SystemClock(), folder=tmp_path) as path:
            await asyncio.sleep(0)
            (process,) = running(folder=tmp_path)
            assert (process.pid, process.command) == (os.getpid(), "vivavoce translate")
            assert [(leg.leg, leg.serving) for leg in process.legs] == [("stt", "whisper"), ("tts", "kokoro")]
            tts.failed("kokoro", LegTimeout("no sound in 3 s"))
            tts.begin("espeak")
            tts.succeeded("espeak", 40)
            await asyncio.sleep(1.1)
            (process,) = running(folder=tmp_path)
            leg = process.legs[1]
            assert leg.serving == "espeak"
            assert [(each.engine, each.breaker, each.n) for each in leg.engines] == [
                ("kokoro", "half-open", 0),
                ("espeak", "closed", 1),
            ]
            assert leg.engines[0].reason == "no sound in 3 s"
            assert path.exists()

    run_virtual(session())
    assert not list(tmp_path.iterdir())


def test_it_is_removed_after_an_error_too(tmp_path: Path) -> None:
    async def session() -> None:
        async with published(routes(), command="x", clock=SystemClock(), folder=tmp_path):
            await asyncio.sleep(0)
            raise LookupError

    with pytest.raises(LookupError):
        run_virtual(session())
    assert not list(tmp_path.iterdir())


def test_processes_that_are_gone_or_silent_are_not_shown(tmp_path: Path) -> None:
    async def one_file() -> dict[str, object]:
        async with published(routes(), command="x", clock=SystemClock(), folder=tmp_path) as path:
            await asyncio.sleep(0)
            found: dict[str, object] = json.loads(path.read_text("utf-8"))
            return found

    status = run_virtual(one_file())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f"{gone.pid}.json").write_text(json.dumps(status | {"pid": gone.pid}), encoding="utf-8")
    old = status | {"at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat()}
    (tmp_path / f"{os.getpid()}.json").write_text(json.dumps(old), encoding="utf-8")
    (tmp_path / "1.json").write_text("half a fi", encoding="utf-8")
    assert running(folder=tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {f"{os.getpid()}.json", "1.json"}


def test_no_room_for_the_file_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    full = tmp_path / "full"
    full.write_text("not a folder", encoding="utf-8")

    async def session() -> str:
        async with published(routes(), command="x", clock=SystemClock(), folder=full):
            await asyncio.sleep(3)
            return "went on"

    assert run_virtual(session()) == "went on"
    assert len(caplog.records) == 1
