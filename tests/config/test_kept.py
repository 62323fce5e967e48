import stat
from pathlib import Path

import pytest

from vivavoce.config.holder import ConfigHolder
from vivavoce.config.kept import MOST, KeptFiles
from vivavoce.errors import ConfigError, OutputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.toml"


def texts(kept: KeptFiles) -> list[str]:
    return [copy.read_text("utf-8") for copy in kept.copies()]


def duck(path: Path, duck_db: int) -> str:
    text = f"[translate]\nduck_db = {duck_db}\n"
    path.write_text(text, encoding="utf-8")
    return text


def test_files_that_were_in_force_are_kept_on_change_alone(path: Path) -> None:
    first = duck(path, -1)
    holder = ConfigHolder(path)
    holder.reload()
    ConfigHolder(path)
    second = duck(path, -2)
    holder.poll()
    path.write_text("[translate]\nduck_db = 'loud'\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        holder.poll()
    kept = KeptFiles(path)
    assert texts(kept) == [first, second]
    assert {stat.S_IMODE(copy.stat().st_mode) for copy in kept.copies()} == {0o600}


def test_only_the_last_are_kept(path: Path) -> None:
    kept = KeptFiles(path)
    for number in range(MOST + 5):
        kept.keep(str(number).encode())
    assert texts(kept) == [str(number) for number in range(5, MOST + 5)]


def test_each_file_has_its_own_copies(path: Path) -> None:
    KeptFiles(path).keep(b"a")
    assert KeptFiles(path.with_name("other.toml")).copies() == []


def test_rollback_goes_further_back_each_time_and_loses_nothing(path: Path) -> None:
    written = []
    for duck_db in (-1, -2, -3):
        written.append(duck(path, duck_db))
        ConfigHolder(path)
    path.chmod(0o644)
    kept = KeptFiles(path)
    kept.roll_back()
    assert path.read_text("utf-8") == written[1]
    assert kept.replaced.read_text("utf-8") == written[2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    ConfigHolder(path)  # it is in force again, which is no change
    kept.roll_back()
    assert path.read_text("utf-8") == written[0]
    with pytest.raises(ConfigError, match="no earlier"):
        kept.roll_back()


def test_file_that_was_never_taken_goes_back_to_the_last_that_was(path: Path) -> None:
    good = duck(path, -1)
    ConfigHolder(path)
    path.write_text("nonsense", encoding="utf-8")
    KeptFiles(path).roll_back()
    assert path.read_text("utf-8") == good


def test_file_that_was_removed_comes_back(path: Path) -> None:
    good = duck(path, -1)
    ConfigHolder(path)
    path.unlink()
    KeptFiles(path).roll_back()
    assert path.read_text("utf-8") == good


def test_running_program_takes_what_came_back(path: Path) -> None:
    duck(path, -1)
    holder = ConfigHolder(path)
    duck(path, -2)
    assert holder.poll().translate.duck_db == -2
    KeptFiles(path).roll_back()
    assert holder.poll().translate.duck_db == -1


def test_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.toml"
    written = [duck(target, -1), duck(target, -2)]
    path.symlink_to(target)
    kept = KeptFiles(path)
    for text in written:
        kept.keep(text.encode())
    kept.roll_back()
    assert path.is_symlink()
    assert target.read_text("utf-8") == written[0]


def test_no_copies_where_there_is_no_room_for_them(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "full").write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "full"))
    duck(path, -1)
    assert ConfigHolder(path).settings.translate.duck_db == -1
    assert "no copy" in caplog.text


def test_what_a_command_replaces_can_be_gone_back_to(path: Path) -> None:
    first = duck(path, -1)
    path.chmod(0o640)
    kept = KeptFiles(path)
    kept.replace(first.encode(), b"[translate]\nduck_db = -2\n")
    assert path.read_text("utf-8") == "[translate]\nduck_db = -2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with pytest.raises(ConfigError, match="changed meanwhile"):
        kept.replace(first.encode(), b"")
    kept.roll_back()
    assert path.read_text("utf-8") == first


def test_rollback_that_cannot_write_says_so(path: Path, tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path / "a-file" / "own.toml")
    kept.keep(b"a")
    (tmp_path / "a-file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="a-file"):
        kept.roll_back()
