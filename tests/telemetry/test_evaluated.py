from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.errors import OutputError
from vivavoce.telemetry.evaluated import FILE_NAME, Evaluated, load_evaluated, save_evaluated

FOUND = Evaluated(run="r1", at_ms=1, p95_ms={"heard": 640.0})


def test_the_last_one_is_kept(tmp_path: Path) -> None:
    assert load_evaluated(folder=tmp_path) is None
    save_evaluated(Evaluated(run="r0", at_ms=0, p95_ms={}), folder=tmp_path / "new")
    save_evaluated(FOUND, folder=tmp_path / "new")
    assert load_evaluated(folder=tmp_path / "new") == FOUND
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE_NAME]


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    assert load_evaluated(folder=tmp_path) is None


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as refused:
        save_evaluated(FOUND, folder=tmp_path / "file" / "folder")
    assert refused.value.hint
