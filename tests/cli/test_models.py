"""`vivavoce models` on a cache of its own; nothing here needs a network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from vivavoce.cli.main import main
from vivavoce.models import Manifest, Model, WeightFile, load_manifest
from vivavoce.models.manifest import UrlSource


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIVAVOCE_CACHE", str(tmp_path))
    return tmp_path


def _run(*args: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["models", *args])
    return int(str(stopped.value.code))


def test_list_shows_every_model_and_what_is_missing(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("list") == 0
    out = capsys.readouterr().out
    assert all(model_id in out for model_id in load_manifest().models)
    assert "missing" in out


def test_list_as_json_names_licence_size_and_checksum(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("list", "--json") == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    (file,) = rows["silero-vad"]["files"]
    assert rows["silero-vad"]["licence"] == "MIT"
    assert file["state"] == "missing"
    assert file["size_bytes"] == 2327524
    assert len(file["sha256"]) == 64
    assert file["path"] == str(cache / "models" / "silero-vad" / "silero_vad.onnx")


def test_verify_refuses_a_damaged_file_and_says_how_to_mend_it(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cache / "models" / "silero-vad" / "silero_vad.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 2327524)
    assert _run("verify", "silero-vad", "--json") == 6
    out, err = capsys.readouterr()
    assert [row["state"] for row in json.loads(out)] == ["damaged"]
    assert err == "1 damaged and 0 missing files\nhint: run: vivavoce models fetch silero-vad\n"


def test_verify_shows_a_table(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("verify", "silero-vad", "demo-en") == 6
    out, err = capsys.readouterr()
    assert "silero_vad.onnx" in out
    assert "2 missing files" in err


def test_path_of_what_is_missing_or_unknown_is_refused(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("path", "silero-vad") == 6
    assert "vivavoce models fetch silero-vad" in capsys.readouterr().err
    assert _run("path", "silero-vod") == 6
    assert "silero-vad" in capsys.readouterr().err


def test_fetch_of_an_unknown_model_is_refused(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("fetch", "silero-vod") == 6
    assert "silero-vad" in capsys.readouterr().err
    assert list(cache.iterdir()) == []


def test_fetch_and_path_of_what_is_there(
    cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = WeightFile("w.bin", 3, hashlib.sha256(b"abc").hexdigest(), (UrlSource("http://127.0.0.1:1/w"),))
    manifest = Manifest({"small": Model("small", "for tests", "none", (file,))})
    monkeypatch.setattr("vivavoce.models.store.load_manifest", lambda: manifest)
    path = cache / "models" / "small" / file.name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    assert _run("fetch") == 0
    assert "0 files fetched" in capsys.readouterr().out
    assert _run("path", "small", file.name) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert _run("path", "small") == 0
    assert capsys.readouterr().out.strip() == str(path.parent)
