from __future__ import annotations

import pytest

from vivavoce.prompts import Prompt, deployed, mt

V2 = Prompt(version="v2", system="Interpret from {source} into {target}.\nTerms: {terms}")


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Prompt:
    """A second version in the code, as good as stamped."""
    both = {"v1": mt.mt_prompt("v1"), "v2": V2}
    monkeypatch.setattr(mt, "_PROMPTS", both)
    monkeypatch.setattr(deployed, "stamped", lambda: {version: prompt.hash for version, prompt in both.items()})
    return V2
