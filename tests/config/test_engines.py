from pathlib import Path

import pytest

from vivavoce.config.engines import engine_class, load_engine
from vivavoce.config.load import read_settings
from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError, LegUnavailable

MODULE = """
class Parrot:
    def __init__(self, *, voice: str = "grey", threads: int = 1) -> None:
        self.voice, self.threads = voice, threads
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "parrot_engine.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "needy_engine.py").write_text("import a_package_nobody_has\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "own.toml"
    path.write_text(
        """
        [engines]
        parrot = "parrot_engine:Parrot"
        needy = "needy_engine:Needy"
        lost = "no_such_module_here.inside:Lost"
        nameless = "parrot_engine:Cockatoo"
        wrong = "parrot_engine:Parrot"
        [engines.options.parrot]
        voice = "green"
        [engines.options.wrong]
        colour = "green"
        """,
        encoding="utf-8",
    )
    return read_settings(path)


def test_engine_is_made_from_options_and_parts(settings: Settings) -> None:
    parrot = load_engine(settings, "parrot", threads=2, voice="red", cage="not wanted")
    assert (type(parrot).__name__, parrot.voice, parrot.threads) == ("Parrot", "green", 2)
    assert engine_class(settings, "parrot") is type(parrot)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("owl", "engines.owl: no engine has that name"),
        ("lost", "engines.lost: there is no module no_such_module_here.inside"),
        ("nameless", "engines.nameless: parrot_engine has no class Cockatoo"),
        ("wrong", "engines.options.wrong: got an unexpected keyword argument 'colour'"),
    ],
)
def test_what_configuration_got_wrong_is_named(settings: Settings, name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_engine(settings, name)


def test_engine_whose_package_is_missing_is_unavailable(settings: Settings) -> None:
    with pytest.raises(LegUnavailable, match="engine needy needs a_package_nobody_has"):
        load_engine(settings, "needy")
