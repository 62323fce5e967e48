from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vivavoce.errors import OutputError
from vivavoce.telemetry.evaluated import FILE_NAME, Evaluated, load_evaluated, save_evaluated

FOUND = Evaluated(
    run="r1",
    at_ms=1,
    p95_ms={"heard": 640.0},
    config_hash="c",
    engines={"stt": "whisper"},
    pairs=("en-pt",),
)


def test_the_last_one_is_kept(tmp_path: Path) -> None:
    assert load_evaluated(folder=tmp_path) is None
    save_evaluated(replace(FOUND, run="r0"), folder=tmp_path / "new")
    save_evaluated(FOUND, folder=tmp_path / "new")
    assert load_evaluated(folder=tmp_path / "new") == FOUND
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("text", ["{", '{"run": "r1", "at_ms": 1, "p95_ms": {"heard": 640.0}}'])
def test_a_file_that_is_damaged_or_does_not_say_of_what_it_is_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    assert load_evaluated(folder=tmp_path) is None


@pytest.mark.parametrize(
    ("config_hash", "pairs", "is_like"),
    [
        ("c", ["en-pt"], True),
        ("c", [], True),
        ("c", ["auto-pt"], True),
        ("c", ["en-pt", "en-es"], False),
        ("c", ["auto-es"], False),
        ("d", ["en-pt"], False),
    ],
)
def test_what_it_is_comparable_with(config_hash: str, pairs: list[str], is_like: bool) -> None:
    assert FOUND.is_like(config_hash=config_hash, pairs=pairs) is is_like


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as refused:
        save_evaluated(FOUND, folder=tmp_path / "file" / "folder")
    assert refused.value.hint
