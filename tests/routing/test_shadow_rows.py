from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta

import pytest

from vivavoce.errors import OutputError
from vivavoce.routing.shadow_rows import Row, ShadowRows, stamp

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def row(session: str = "s1", **more: object) -> Row:
    fields = {"leg": "stt", "primary": "deepgram", "shadow": "moonshine", "at": stamp(NOON.timestamp()), **more}
    return Row(session=session, **fields)  # type: ignore[arg-type]


def rows_at(tmp_path, when: datetime, **more: float) -> ShadowRows:
    return ShadowRows(tmp_path / "shadow", now_s=when.timestamp, **more)


def test_what_is_written_is_read(tmp_path):
    written = [row(primary_ms=1.5, shadow_quantities={"seconds": 2.0}), row("s2", void="LegLost")]
    rows_at(tmp_path, NOON).append(written)
    assert rows_at(tmp_path, NOON).read() == written


def test_rows_of_before_are_left_out(tmp_path):
    old, new = row(at=stamp(NOON.timestamp() - 100)), row(at=stamp(NOON.timestamp()))
    rows = rows_at(tmp_path, NOON)
    rows.append([old, new])
    assert rows.read(since_s=NOON.timestamp() - 50) == [new]


def test_a_file_goes_once_it_has_outlived_its_lifetime(tmp_path):
    rows_at(tmp_path, NOON).append([row()])
    assert rows_at(tmp_path, NOON + timedelta(days=7), lifetime_days=7).read() == [row()]
    assert rows_at(tmp_path, NOON + timedelta(days=8), lifetime_days=7).read() == []
    assert not list((tmp_path / "shadow").glob("*.jsonl"))


def test_a_session_is_erased_and_what_is_torn_with_it(tmp_path):
    rows = rows_at(tmp_path, NOON)
    rows.append([row("s1"), row("s2"), row("s1")])
    rows_at(tmp_path, NOON + timedelta(days=1)).append([row("s1")])
    (path, _) = sorted((tmp_path / "shadow").glob("*.jsonl"))
    with path.open("a") as file:
        file.write('{"session": "s1", "leg"')
    assert rows.read() == [row("s1"), row("s2"), row("s1"), row("s1")]
    assert rows.erase("s1") == 3
    assert rows.read() == [row("s2")]
    assert [each.read_text().count("s1") for each in (tmp_path / "shadow").glob("*.jsonl")] == [0]
    assert rows.erase("s1") == 0


def test_files_of_others_stay(tmp_path):
    folder = tmp_path / "shadow"
    folder.mkdir()
    for name in ("notes.jsonl", "2026-99-99.jsonl"):
        (folder / name).write_text("mine")
    rows_at(tmp_path, NOON, lifetime_days=0).erase("s1")
    assert {path.name for path in folder.glob("*.jsonl")} == {"notes.jsonl", "2026-99-99.jsonl"}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_rows_are_their_owners_alone(tmp_path):
    rows_at(tmp_path, NOON).append([row()])
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "shadow", *(tmp_path / "shadow").glob("*"))]
    assert not any(mode & 0o077 for mode in modes)


def test_where_no_folder_can_be_the_error_says_so(tmp_path):
    (tmp_path / "shadow").write_text("a file")
    with pytest.raises(OutputError, match="shadow"):
        rows_at(tmp_path, NOON)
