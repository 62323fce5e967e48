"""A run's clauses before a judge that listens at a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from vivavoce.emulators.openai import served
from vivavoce.evals.judge import Judge
from vivavoce.gate.judging import cases_of, judged
from vivavoce.gate.run import ClauseRun, ClipRun, Run
from vivavoce.providers.openai_chat import OpenAIChat

CLAUSE = ClauseRun(text="It rains.", translation="Chove.", start_ms=0.0, end_ms=900.0, shown_ms=950.0)
CLIP = ClipRun(
    id="en-pt-rain", pair="en-pt", register="lecture", reference="It rains. It pours.", reference_translation="Chove.",
    transcript="It rains. It pours.", speech_ms=1800.0, clauses=(CLAUSE, replace(CLAUSE, translation="Neva e chove.")),
)  # fmt: skip


class Snow:
    """Calls snow invented."""

    async def reply(self, messages: Sequence[Mapping[str, Any]]) -> str:
        invented = "Neva" in json.loads(messages[-1]["content"])["translation"]
        return json.dumps({"invented": invented, "what": "Neva" if invented else ""})

    async def aclose(self) -> None:
        """Nothing is open."""


def test_every_clause_of_what_was_interpreted_is_judged(
    a_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-good-71c2d9")
    run = a_run(clips=(CLIP, replace(CLIP, id="broken", problem="lost")))

    async def judge_it() -> Run:
        async with served(text=Snow()).serving() as address, asyncio.timeout(20):
            judge = Judge(OpenAIChat(url=f"http://{address}/v1", model="m", key="JUDGE_KEY"))
            try:
                return await judged(run, judge)
            finally:
                await judge.aclose()

    found = asyncio.run(judge_it())
    assert found.invented == {"en-pt-rain/0": False, "en-pt-rain/1": True}
    assert found.clips == run.clips
    assert [(case.source, case.target) for case in cases_of(run)] == [("en", "pt")] * 2
