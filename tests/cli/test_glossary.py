"""`vivavoce glossary` on stores of its own: every command is a new program, so what was locked survives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vivavoce.cli.main import main


@pytest.fixture(autouse=True)
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "vivavoce.toml"
    file.write_text(f'[store]\nurl = "{tmp_path / "store.db"}"\n', "utf-8")
    monkeypatch.setenv("VIVAVOCE_CONFIG", str(file))


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["glossary", *arguments])
    assert ended.value.code == code


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    run(*arguments, "--json")
    return dict(json.loads(capsys.readouterr().out)["figures"])


def test_a_glossary_from_a_file_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, back = tmp_path / "terms.csv", tmp_path / "back.tsv"
    file.write_text("term;rendering\nheat pump;bomba de calor\nboiler;caldeira\n", encoding="utf-8")
    run("add", "boiler", "esquentador", "--pair", "en-pt", "--user", "bob")
    imported = figures(capsys, "import", str(file), "--pair", "en-pt", "--user", "bob")
    assert imported == {"new": 1, "replaced": 1, "removed": 0}
    run("add", "key", "tecla", "--pair", "en-pt")
    assert figures(capsys, "list", "--user", "bob")["entries"] == [
        {"user": "bob", "pair": "en-pt", "term": "boiler", "rendering": "caldeira"},
        {"user": "bob", "pair": "en-pt", "term": "heat pump", "rendering": "bomba de calor"},
    ]
    assert len(figures(capsys, "list")["entries"]) == 3
    run("export", str(back), "--pair", "en-pt", "--user", "bob")
    assert back.read_text("utf-8") == "term\trendering\nboiler\tcaldeira\nheat pump\tbomba de calor\n"
    assert figures(capsys, "import", str(back), "--pair", "en-pt", "--replace") == {
        "new": 2,
        "replaced": 0,
        "removed": 1,
    }
    run("list")
    assert "(everybody)" in capsys.readouterr().out


def test_a_file_without_terms_empties_no_glossary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("add", "a", "x", "--pair", "en-pt")
    for text in ("", "term,rendering\n", "# nothing\n"):
        (tmp_path / "none.csv").write_text(text, "utf-8")
        run("import", str(tmp_path / "none.csv"), "--pair", "en-pt", "--replace", code=9)
        assert "has no terms" in capsys.readouterr().err
    assert len(figures(capsys, "list")["entries"]) == 1


def test_terms_are_removed_by_name_or_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    for term in ("a", "b", "c"):
        run("add", term, "x", "--pair", "en-pt")
    assert figures(capsys, "remove", "A", "--pair", "en-pt") == {"removed": 1}
    run("remove", "a", "b", "--pair", "en-pt", code=9)
    assert "removed 1 term" in capsys.readouterr().out
    run("add", "New York", "Nova Iorque", "--pair", "en-pt")
    assert figures(capsys, "remove", "new  york", "New York", "--pair", "en-pt") == {"removed": 1}
    run("remove", "--pair", "en-pt", code=2)
    assert figures(capsys, "remove", "--all", "--pair", "en-pt") == {"removed": 1}
    run("list")
    assert "no term is locked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "a", "b", "--pair", "english"], "'english' is no language"),
        (["add", "a", "", "--pair", "en-pt"], "empty rendering"),
        (["add", ".", "ponto", "--pair", "en-pt"], "punctuation alone"),
        (["import", "nothing.csv", "--pair", "en-pt"], "nothing.csv"),
        (["add", "a", "b", "--pair", "en-pt", "--user", "x" * 201], "no name of a user"),
    ],
)
def test_what_is_refused_says_what_to_do(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(*arguments, code=9)
    told = capsys.readouterr().err
    assert says in told
    assert "hint:" in told
