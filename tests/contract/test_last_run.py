import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vivavoce.contract.envelope import Envelope, enclose
from vivavoce.contract.last_run import FILE_NAME, LastRun, load_last_run, save_last_run
from vivavoce.errors import OutputError


@pytest.fixture
def envelope() -> Envelope:
    return enclose("vivavoce translate", {"stages": {"mt": {"p50": 9.0, "p95": 12.0}}}, config_hash="abc", n=4)


def test_comes_back_as_it_was(tmp_path: Path, envelope: Envelope) -> None:
    at = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
    folder = tmp_path / "state" / "vivavoce"
    path = save_last_run(envelope, source="talk.wav", at=at, folder=folder)
    assert path == folder / FILE_NAME
    assert load_last_run(folder=folder) == LastRun(at, "talk.wav", envelope)


def test_the_latest_replaces_the_one_before_and_leaves_no_scraps(tmp_path: Path, envelope: Envelope) -> None:
    for source in ("one.wav", "two.wav"):
        save_last_run(envelope, source=source, folder=tmp_path)
    last = load_last_run(folder=tmp_path)
    assert last is not None
    assert last.source == "two.wav"
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("text", [None, "", '{"at": "2026-01-01", "source": "x"}'])
def test_nothing_usable_is_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    assert load_last_run(folder=tmp_path) is None


def test_what_cannot_be_written_is_said_and_the_old_one_stays(
    tmp_path: Path, envelope: Envelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_last_run(envelope, source="old.wav", folder=tmp_path)

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        save_last_run(envelope, source="new.wav", folder=tmp_path)
    last = load_last_run(folder=tmp_path)
    assert last is not None
    assert last.source == "old.wav"
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_folder_that_is_a_file_is_said(tmp_path: Path, envelope: Envelope) -> None:
    blocked = tmp_path / "blocked"
    blocked.touch()
    with pytest.raises(OutputError):
        save_last_run(envelope, source="x", folder=blocked)


def test_state_folder_is_the_users(tmp_path: Path, envelope: Envelope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert save_last_run(envelope, source="x") == tmp_path / "vivavoce" / FILE_NAME
