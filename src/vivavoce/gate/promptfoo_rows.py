"""How Promptfoo grades a row. Promptfoo starts a Python for every row, so this imports nothing that takes time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_PASSED: Final = frozenset({"pass", "held", "new", "told"})


def graded(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Promptfoo's grading result of what the provider gave as metadata.

    A clip's scores are told and never fail: the bars are for the whole set. The verdict's row fails as the verdict.
    Source: https://www.promptfoo.dev/docs/configuration/expected-outputs/python
    """
    if (verdict := answer.get("verdict")) is not None:
        passed = verdict["outcome"] == "passed"
        components = [_component(finding) for finding in verdict["findings"]]
        return _grade(passed, float(passed), verdict["summary"]) | {"componentResults": components}
    if "scores" not in answer:
        return _grade(False, 0.0, "the provider gave no scores")
    reason = "; ".join(answer["signs"]) or "no sign of anything that nobody said"
    chrf = next((value for name, value in answer["scores"].items() if name.startswith("mt.chrf.")), 0.0)
    return _grade(True, chrf / 100.0, reason) | {"namedScores": answer["scores"]}


def _grade(passed: bool, score: float, reason: str) -> dict[str, Any]:
    return {"pass": passed, "score": score, "reason": reason}


def _component(finding: Mapping[str, Any]) -> dict[str, Any]:
    passed = finding["status"] in _PASSED
    told = f"{finding['name']} {finding['value']} {finding['unit']}".strip()
    return _grade(passed, float(passed), f"{told}: {finding['status']}, {finding['reason']}")
