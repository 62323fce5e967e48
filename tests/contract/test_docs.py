import doctest
import re
import tomllib
from pathlib import Path

from vivavoce.config.load import read_settings
from vivavoce.contract.profile import PROFILES, Stage

PAGE = Path(__file__).parents[2] / "docs" / "contract.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_examples_run_as_printed() -> None:
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks("pycon")), {}, PAGE.name, str(PAGE), 0)
    results = doctest.DocTestRunner(verbose=False).run(examples)
    assert results.attempted >= 10
    assert results.failed == 0


def test_table_says_what_the_profiles_say() -> None:
    table = re.findall(
        r"^\| \**(\w+)\** \| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    rows = {name: cells for name, *cells in table if name != "stage"}
    assert set(rows) == set(Stage)
    for stage in Stage:
        ends, *budgets = rows[stage]
        assert ends == " → ".join(stage.ends)
        for profile, cell in zip(("hosted", "embedded"), budgets, strict=True):
            budget = PROFILES[profile].stages[stage]
            numbers = [float(number) for number in re.findall(r"\d+", cell)]
            assert numbers == [value for value in (budget.target_ms, budget.cap_ms) if value is not None]


def test_configuration_example_is_accepted(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    assert tomllib.loads(example)["contract"]["profile"] == "embedded"
    path = tmp_path / "vivavoce.toml"
    path.write_text(example, encoding="utf-8")
    assert read_settings(path).profile().stages[Stage.STT].target_ms == 140
