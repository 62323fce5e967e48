import asyncio
from pathlib import Path

import pytest

from vivavoce.clock import SystemClock, run_virtual
from vivavoce.config.holder import ConfigHolder, watched
from vivavoce.config.kept import KeptFiles
from vivavoce.config.load import default_settings
from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError


def write(path: Path, duck_db: str) -> None:
    path.write_text(f"[translate]\nduck_db = {duck_db}\n", encoding="utf-8")


def test_reload_takes_what_changed_and_tells(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    write(path, "-12")
    holder = ConfigHolder(path)
    told: list[Settings] = []
    end = holder.subscribe(told.append)
    write(path, "-6.0")
    assert holder.reload().translate.duck_db == -6
    assert told == [holder.settings]
    holder.reload()
    assert len(told) == 1
    end()
    write(path, "-3")
    holder.reload()
    assert len(told) == 1


def test_bad_file_leaves_the_running_settings(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    write(path, "-12")
    holder = ConfigHolder(path)
    told: list[Settings] = []
    holder.subscribe(told.append)
    before = holder.settings
    write(path, "'loud'")
    with pytest.raises(ConfigError, match=r"translate\.duck_db"):
        holder.poll()
    assert holder.settings is before
    assert holder.poll() is before  # the same bad file does not complain twice
    assert told == []
    write(path, "-6")
    assert holder.poll().translate.duck_db == -6


def test_poll_follows_files_that_come_and_go() -> None:
    holder = ConfigHolder()
    before = holder.settings
    assert holder.poll() is before
    path = Path("vivavoce.toml")
    write(path, "-7")
    assert holder.poll().translate.duck_db == -7
    path.unlink()
    assert holder.poll() == default_settings()


def test_named_file_that_vanishes_leaves_the_running_settings(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    write(path, "-12")
    holder = ConfigHolder(path)
    path.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        holder.poll()
    assert holder.settings.translate.duck_db == -12


def test_first_load_has_nothing_to_fall_back_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        ConfigHolder(tmp_path / "none.toml")


def test_listener_may_refuse_and_those_before_it_are_told_what_stays(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    write(path, "-12")
    holder = ConfigHolder(path)
    before, told = holder.settings, []
    holder.subscribe(told.append)

    def refuse(settings: Settings) -> None:
        if settings is not before:
            raise ConfigError("engines.parrot: there is no module parrots")

    holder.subscribe(refuse)
    write(path, "-6")
    with pytest.raises(ConfigError, match="parrot"):
        holder.poll()
    assert holder.settings is before
    assert [settings.translate.duck_db for settings in told] == [-6, -12]
    assert len(KeptFiles(path).copies()) == 1


def test_watching_takes_changes_and_tells_a_refusal_once(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    write(path, "-12")
    holder = ConfigHolder(path)
    refused: list[str] = []

    async def change() -> list[float]:
        seen = []
        async with watched(holder, clock=SystemClock(), refused=lambda error: refused.append(error.message)):
            for duck_db in ("-6", "'loud'", "-3"):
                write(path, duck_db)
                await asyncio.sleep(2.5)
                seen.append(holder.settings.translate.duck_db)
        return seen

    assert run_virtual(change()) == [-6, -6, -3]
    assert len(refused) == 1
    assert "translate.duck_db" in refused[0]
