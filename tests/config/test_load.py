from pathlib import Path

import pytest

from vivavoce.config.load import default_settings, find_config, load_settings, read_settings
from vivavoce.errors import ConfigError, ContractError


def test_search_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_config() is None
    users = home / "config" / "vivavoce" / "vivavoce.toml"
    users.parent.mkdir(parents=True)
    users.touch()
    assert find_config() == users
    local = Path("vivavoce.toml")
    local.touch()
    assert find_config() == local
    monkeypatch.setenv("VIVAVOCE_CONFIG", "elsewhere.toml")
    assert find_config() == Path("elsewhere.toml")
    assert find_config(Path("named.toml")) == Path("named.toml")


def test_without_a_file_the_packaged_one_holds() -> None:
    assert load_settings() == default_settings()


def test_own_file_is_merged_over_the_packaged_one(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        '[engines]\nparrot = "parrots:Parrot"\n[engines.options.parrot]\nvoice = "green"\n'
        '[routes.tts]\norder = ["parrot"]\n[translate]\nduck_db = -12\n',
        encoding="utf-8",
    )
    settings = read_settings(path)
    default = default_settings()
    assert settings.engines.paths == {**default.engines.paths, "parrot": "parrots:Parrot"}
    assert settings.engines.options == {**default.engines.options, "parrot": {"voice": "green"}}
    assert settings.translate == default.translate.model_copy(update={"duck_db": -12.0})
    assert settings.routes.tts == default.routes.tts.model_copy(update={"order": ["parrot"]})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[translate]\nduck_db = \n", ["line 2"]),
        ("[translate]\nduck_db = 'loud'\n", ["translate.duck_db: ", "valid number"]),
        ("[contract.stages.stt]\ntarget_ms = -1\n", ["contract.stages.stt.target_ms: "]),
        ("[engines]\nwhisper = 'no path'\n", ["engines.whisper: "]),
        ("translate = 3\n", ["translate: "]),
        ("[translat]\nduck_db = -3\n", ["translat: ", "Extra inputs"]),
        ("[translate]\ndetector = 'parrot'\n", ["translate.detector: ", "parrot"]),
        ("[routes.stt]\norder = ['parrot']\n", ["routes.stt.order: ", "parrot"]),
        ("[translate]\nduck_db = 1\nmax_speed = 2\n", ["translate.duck_db: ", "translate.max_speed: "]),
    ],
)
def test_refusal_names_file_place_and_reason(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    assert all(part in caught.value.message for part in [str(path), *parts])


def test_broken_contract_is_refused_with_file_and_path(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[contract.stages.tts]\ntarget_ms = 300\n", encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        read_settings(path)
    assert str(path) in caught.value.message
    assert "max(endpoint 320, trigger 130 + stt 150 + mt 10 + tts 300) + route 25 = 615 ms" in caught.value.message
    path.write_text("[contract.stages.heard]\ncap_ms = 800\n", encoding="utf-8")
    with pytest.raises(ContractError, match="heard is capped at 700 ms"):
        read_settings(path)
    path.write_text('[contract]\nprofile = "fast"\n', encoding="utf-8")
    with pytest.raises(ContractError, match="no latency profile 'fast'"):
        read_settings(path)


def test_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_settings(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_settings(tmp_path)
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[translate] # caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8 text at byte 17"):
        load_settings(path)
