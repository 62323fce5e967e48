"""What Promptfoo calls for `evals/mt.yaml`: the cases and the provider."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from vivavoce.config.load import load_settings
from vivavoce.errors import VivavoceError
from vivavoce.evals.clip_folder import ready_clips
from vivavoce.evals.clips import Clip, read_clips
from vivavoce.gate.baseline import BASELINE, read_baseline
from vivavoce.gate.promptfoo import Provider, cases

CLIPS, PLANT, HELD_TO = "VIVAVOCE_EVAL_CLIPS", "VIVAVOCE_EVAL_PLANT", "VIVAVOCE_EVAL_BASELINE"
"""In the environment: a folder of clips instead of the set, a regression of the gate's, another baseline."""


def generate_tests(config: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    return cases(_clips())


def call_api(prompt: str, options: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _provider().answer(context["vars"]["clip"])
    except VivavoceError as error:
        return {"error": f"{error}; {error.hint}"}


@cache
def _provider() -> Provider:
    """One in a process: it keeps what it has translated."""
    baseline = read_baseline(Path(os.environ.get(HELD_TO) or BASELINE))
    return Provider(load_settings(), _clips(), baseline, plant=os.environ.get(PLANT, ""))


def _clips() -> list[Clip]:
    folder = os.environ.get(CLIPS)
    return [clip for clip in read_clips(Path(folder) if folder else ready_clips()) if clip.target]
