from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from vivavoce.errors import LegTimeout, LegUnavailable
from vivavoce.providers import apertium
from vivavoce.providers.apertium import MODES, Apertium, ApertiumPipeline

if not (MODES / "pt-es.mode").is_file():
    pytest.skip("Apertium with apertium-es-pt is not installed", allow_module_level=True)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it, and see that it leaves neither process nor task."""
    children = set(psutil.Process().children())

    async def watched() -> None:
        await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(watched())
    assert set(psutil.Process().children()) <= children


@asynccontextmanager
async def pipeline(mode: str = "pt-es", modes: Path = MODES) -> AsyncIterator[ApertiumPipeline]:
    made = ApertiumPipeline(mode, modes=modes)
    try:
        yield made
    finally:
        await made.aclose()


def mode_file(folder: Path, text: str) -> Path:
    (folder / "x-y.mode").write_text(text)
    return folder


async def _translates() -> None:
    async with pipeline() as pt_es:
        assert await pt_es.text("Eu não sei. Está o carro na RUA?") == "Yo no sé. Está el coche en la CALLE?"
        pids = pt_es.pids
        assert await pt_es.text("Olá") == "Hola"
        assert await pt_es.text("Olá.") == "Hola."
        assert pt_es.pids == pids


def test_a_pipeline_stays_up_and_keeps_case_and_punctuation() -> None:
    run(_translates())


def test_it_runs_on_uvloop() -> None:
    uvloop.run(_translates())


@pytest.mark.parametrize(
    "text",
    [
        "[a] {b} ^c$ </d> \\ x/z xyz@example.com",
        "http://example.com/a?b=c&d=e",
        "#1 *2 5*3 C# 50 %",
        "😀 日本語",
        "^",
        "\\",
        "Xyzwq",
        "x" * 2000,
    ],
)
def test_what_it_does_not_know_passes_unharmed(text: str) -> None:
    async def main() -> None:
        async with pipeline() as pt_es:
            assert (await pt_es.text(text)).casefold() == text.casefold()
            assert await pt_es.text("Olá.") == "Hola."

    run(main())


def test_odd_text_is_survived() -> None:
    async def main() -> None:
        async with pipeline() as pt_es:
            assert await pt_es.text(" \n\t") == ""
            assert pt_es.pids == []
            assert await pt_es.text("Olá.\nOlá.\0Olá.\ud800") == "Hola. Hola. Hola."
            long = await pt_es.text("Eu não sei. " * 400)
            assert long == " ".join(["Yo no sé."] * 400)

    run(main())


def test_marks_of_failed_words_are_stripped() -> None:
    assert apertium._plain(r"#casa \@no C# 5*3 *perro.[][" + "\n]") == "casa @no C# 5*3 perro"


def test_answers_go_to_those_who_asked() -> None:
    async def main() -> None:
        async with pipeline() as pt_es:
            abandoned = asyncio.create_task(pt_es.text("O cachorro."))
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(pt_es.text(f"Olá {n}.")) for n in range(5)]
                await asyncio.to_thread(lambda: None)
                abandoned.cancel()
            assert [task.result() for task in asked] == [f"Hola {n}." for n in range(5)]
            assert abandoned.cancelled()

    run(main())


def test_a_question_cancelled_under_way_does_not_shift_the_answers() -> None:
    async def main() -> None:
        async with pipeline() as pt_es:
            assert await pt_es.text("Olá.") == "Hola."
            pids = pt_es.pids
            abandoned = asyncio.create_task(pt_es.text("O carro."))
            await asyncio.sleep(0)
            abandoned.cancel()
            assert await pt_es.text("Olá.") == "Hola."
            assert pt_es.pids == pids

    run(main())


@pytest.mark.parametrize("which", [0, 2, -1])
def test_dead_processes_are_started_again(which: int) -> None:
    async def main() -> None:
        async with pipeline() as pt_es:
            assert await pt_es.text("Olá.") == "Hola."
            before = pt_es.pids
            os.kill(before[which], signal.SIGKILL)
            assert await pt_es.text("Olá.") == "Hola."
            assert not set(before) & set(pt_es.pids)

    run(main())


def test_a_mode_that_keeps_dying_is_unavailable(tmp_path: Path) -> None:
    async def main() -> None:
        async with pipeline("x-y", mode_file(tmp_path, "lt-proc '/nonexistent' | cat")) as broken:
            with pytest.raises(LegUnavailable, match="dies"):
                await broken.text("a")

    run(main())


def test_a_mode_whose_program_is_missing_names_the_package(tmp_path: Path) -> None:
    async def main() -> None:
        async with pipeline("x-y", mode_file(tmp_path, "cat | vivavoce-no-such-program")) as broken:
            with pytest.raises(LegUnavailable, match="vivavoce-no-such-program did not start") as caught:
                await broken.text("a")
            assert "apertium-(x-y|y-x)" in caught.value.hint

    run(main())


def test_a_mode_that_does_not_answer_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apertium, "_START_S", 0.2)
    (tmp_path / "mute.sh").write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    (tmp_path / "mute.sh").chmod(0o755)

    async def main() -> None:
        async with pipeline("x-y", mode_file(tmp_path, f"{tmp_path}/mute.sh")) as mute:
            with pytest.raises(LegTimeout):
                await mute.text("a")
            assert mute.pids == []

    run(main())


def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    async def main() -> None:
        async with pipeline() as pt_es:
            task = asyncio.create_task(pt_es.text("Olá."))
            for _ in range(4):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())


def test_closing_ends_those_who_wait() -> None:
    async def main() -> None:
        pt_es = ApertiumPipeline("pt-es")
        assert await pt_es.text("Olá.") == "Hola."
        pids = pt_es.pids
        waiting = asyncio.create_task(pt_es.text("O carro. " * 2000))
        await asyncio.sleep(0)
        await pt_es.aclose()
        with pytest.raises(LegUnavailable, match="closed"):
            await waiting
        assert not any(psutil.pid_exists(pid) for pid in pids)

    run(main())


def test_a_mode_that_is_not_installed_names_the_package() -> None:
    with pytest.raises(LegUnavailable, match="xxx-yyy_ZZ is not installed") as caught:
        ApertiumPipeline("xxx-yyy_ZZ")
    assert "apertium-(xxx-yyy|yyy-xxx)" in caught.value.hint


def test_the_engine_shares_a_pipeline_between_those_who_use_its_mode() -> None:
    async def main() -> None:
        engine = Apertium()
        try:
            await engine.warm_up("pt-es")
            started = len(psutil.Process().children())
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(engine.translate_text("pt-es", "Olá.")) for _ in range(3)]
            assert {task.result() for task in asked} == {"Hola."}
            assert len(psutil.Process().children()) == started
        finally:
            await engine.aclose()

    run(main())
