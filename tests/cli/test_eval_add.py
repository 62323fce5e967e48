"""`vivavoce eval add` and `eval correct`, as a user types them, on a store and state of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from vivavoce.cli.main import main
from vivavoce.evals.clips import read_clips


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "vivavoce.toml"
    file.write_text(f'[store]\nurl = "{database_url}"\n', "utf-8")
    monkeypatch.setenv("VIVAVOCE_CONFIG", str(file))
    return tmp_path / "state" / "vivavoce"


@pytest.fixture
def sound(tmp_path: Path) -> str:
    noise = np.zeros(32000)
    noise[8000:24000] = np.random.default_rng(0).standard_normal(16000) * 0.1
    soundfile.write(tmp_path / "said.wav", noise, 16000)
    return str(tmp_path / "said.wav")


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code


def figures(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out)["figures"])


TEXTS = "--pair", "en-pt", "--transcript", "Beat the boss.", "--reference", "Vença o chefão."


def test_a_correction_becomes_a_case_that_goes_with_its_user(
    state: Path, sound: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "--said", "Beat the boss.", "--became", "Bata no patrão.", "--corrected", "Vença o chefão."
    run("eval", "correct", "--pair", "en-pt", *said, "--user", "ann", "--session", "s1", "--json")
    correction = figures(capsys)["id"]
    run("eval", "add", sound, "--correction", correction, "--register", "banter", "--term", "boss=chefão", "--json")
    added = figures(capsys)
    assert added["folder"] == str(state / "clips")
    (clip,) = read_clips(state / "clips")
    assert (clip.id, clip.pair, clip.transcript, clip.reference) == (
        added["id"],
        "en-pt",
        "Beat the boss.",
        "Vença o chefão.",
    )
    assert (clip.user_id, clip.session_id, clip.terms) == ("ann", "s1", {"boss": "chefão"})

    run("erase", "--user", "ann", "--yes", "--json")
    erased = figures(capsys)
    assert (erased["cases"], erased["rows"]["corrections"]) == (1, 1)
    assert read_clips(state / "clips") == []
    assert not list((state / "clips").glob("*.flac"))
    run("eval", "add", sound, "--correction", correction, code=13)


def test_a_case_is_added_by_hand_to_any_folder(
    state: Path, sound: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("eval", "add", sound, *TEXTS, "--to", str(tmp_path / "own"))
    assert f"vivavoce eval --clips {tmp_path / 'own'}" in capsys.readouterr().out
    (clip,) = read_clips(tmp_path / "own")
    assert (clip.register, clip.user_id) == ("conversational", "")
    assert not state.exists()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--to", "own", "--user", "ann"), 9),
        (("--to", "own", "--session", "s1"), 9),
        (("--term", "boss"), 2),
        (("--term", "boss=chefe"), 9),
        (("--correction", "c1"), 2),
        (("--pair", "en-xx"), 5),
    ],
)
def test_what_contradicts_itself_is_refused(state: Path, sound: str, more: tuple[str, ...], code: int) -> None:
    run("eval", "add", sound, *TEXTS, *more, code=code)
    assert not (state / "clips").exists()


def test_a_correction_without_words_or_route_is_refused(state: Path) -> None:
    run("eval", "correct", "--pair", "en-pt", "--said", " ", "--corrected", "Olá", code=9)
    run("eval", "correct", "--pair", "pt-xx", "--said", "Olá", "--corrected", "Hello", code=5)
