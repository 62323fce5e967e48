"""What Promptfoo calls for each row of `evals/mt.yaml`, in a Python of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vivavoce.gate.promptfoo_rows import graded


def get_assert(output: str, context: Mapping[str, Any]) -> dict[str, Any]:
    return graded((context.get("providerResponse") or {}).get("metadata") or {})
