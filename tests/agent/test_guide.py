"""The guide's script is one."""

from __future__ import annotations

import re
from pathlib import Path

from vivavoce.agent.load import read_script

GUIDE = Path(__file__).parents[2] / "docs" / "script.md"


def test_the_guides_script_has_no_flaw() -> None:
    found = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert [read_script(text).name for text in found] == ["table"]
