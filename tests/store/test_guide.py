"""The page on the store: its examples are taken, and its lifetimes are the packaged ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vivavoce.config.load import default_settings, read_settings
from vivavoce.store.database import Database

GUIDE = (Path(__file__).parents[2] / "docs" / "store.md").read_text("utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_taken(tmp_path: Path, example: str) -> None:
    path = tmp_path / "vivavoce.toml"
    path.write_text(example, encoding="utf-8")
    store = read_settings(path).store
    assert store != default_settings().store
    assert str(Database(store.url)).endswith(("/vivavoce", "/vivavoce.db"))


def test_table_says_what_is_packaged() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| (\d+) \|", GUIDE, re.MULTILINE)
    told = {name: int(days) for names, days in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == default_settings().store.lifetime_days.model_dump()
