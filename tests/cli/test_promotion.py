"""Promotion over a real store, with the chat emulator as both engines and a gate of a few sentences."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import pytest
from typer.testing import CliRunner

from vivavoce.cli import promotion
from vivavoce.cli.main import app
from vivavoce.config.load import read_settings
from vivavoce.emulators.openai import served
from vivavoce.errors import ConfigError, GateBlocked, GateUndecided
from vivavoce.evals.clips import Clip
from vivavoce.evals.shadow_report import LEAST_PAIRS
from vivavoce.gate.baseline import new_baseline
from vivavoce.gate.metrics import measure
from vivavoce.gate.plan import Plan
from vivavoce.gate.promotion import Proof, prove
from vivavoce.gate.runner import GateRunner
from vivavoce.prompts.session import with_prompt
from vivavoce.routing.shadow_rows import Row, records
from vivavoce.store.database import Database
from vivavoce.store.outbox import open_outbox
from vivavoce.store.tables import SHADOW_RESULTS

STAND_IN = """
class Deaf:
    def __init__(self, **parts): pass
    async def warm_up(self): pass
    async def aclose(self): pass
    async def open(self, **how): raise NotImplementedError
"""
PLACES = ["garden", "cellar", "attic", "kitchen", "office", "station", "harbour", "library", "museum", "theatre"]
TEXTS = [
    f"The heat pump in the {place} was repaired on Monday. Nobody heard it hum near the {place} again."
    for place in PLACES
]


class Loud:
    """In capitals, which is what the reference wants; and more than was said, where it invents."""

    def __init__(self, more: str = "") -> None:
        self._more = more

    async def reply(self, messages: Sequence[Mapping[str, Any]]) -> str:
        return str(messages[-1]["content"]).upper() + self._more

    async def aclose(self) -> None: ...


def small_plan(clips: object, on_progress: object) -> Plan:
    clips = [
        Clip(
            id=f"clip-{number}",
            file="",
            language="en",
            transcript=text,
            duration_s=1.0,
            references={"pt": text.upper()},
            register=("conversational", "lecture")[number % 2],
            target="pt",
            terms={"heat pump": "HEAT PUMP"},
        )
        for number, text in enumerate(TEXTS)
    ]
    return Plan(name="short-mt", read=tuple(clips), paced=False)


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stand_ins_of_promotion.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THE_KEY", "sk-any")
    monkeypatch.delenv("VIVAVOCE_CONFIG", raising=False)
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setattr(promotion, "plan_of", small_plan)


def write(*, good: str = "127.0.0.1:9", cand: str = "127.0.0.1:9") -> Path:
    path = Path("vivavoce.toml")
    chat = "vivavoce.providers.openai_chat:OpenAIChat"
    path.write_text(
        f'[engines]\ndeaf = "stand_ins_of_promotion:Deaf"\ngood = "{chat}"\ncand = "{chat}"\n'
        + "".join(
            f'[engines.options.{name}]\nurl = "http://{address}/v1"\nmodel = "m"\nkey = "THE_KEY"\n'
            for name, address in (("good", good), ("cand", cand))
        )
        + '[routes]\nstt.order = ["deaf"]\nmt.order = ["good"]  # the best first\n'
        'mt.cap_ms = 1000\nmt.shadow = { cand = 0.1 }\n[translate]\ndetector = "deaf"\n',
        encoding="utf-8",
    )
    return path


def pairs(count: int, *, primary: str = "good", shadow_ms: float = 90.0) -> None:
    about = {"leg": "mt", "primary_engine": primary, "shadow": "cand", "at_ms": round((time.time() - 60) * 1000)}
    rows = [
        Row(**about, session_id=f"s{number}", primary_ms=100.0, shadow_ms=shadow_ms, chrf=60.0)
        for number in range(count)
    ]

    async def main() -> None:
        async with aclosing(Database()) as database, open_outbox(database) as outbox:
            for record in records(rows):
                outbox.put(SHADOW_RESULTS, record)
            assert await outbox.settled(within_s=30)

    asyncio.run(main())


def run(*args: str) -> click.testing.Result:
    return CliRunner().invoke(app, ["shadow", "promote", "mt", "cand", *args])


def with_engines(cand: Loud, *calls: Sequence[str]) -> list[click.testing.Result]:
    async def main() -> list[click.testing.Result]:
        async with asyncio.timeout(60), served().serving() as good, served(text=cand).serving() as address:
            write(good=good, cand=address)
            return [await asyncio.to_thread(run, *call) for call in calls]

    return asyncio.run(main())


def order() -> list[str]:
    return read_settings(Path("vivavoce.toml")).routes.mt.order


def test_a_candidate_that_the_gate_passes_comes_first_and_one_command_goes_back() -> None:
    pairs(LEAST_PAIRS)
    tried, done = with_engines(Loud(), ["--dry-run"], [])
    assert tried.exit_code == 0, tried.output
    assert "routes.mt.order would be cand, good" in tried.output
    assert done.exit_code == 0, done.output
    assert "promising" in done.output
    assert "the way back: vivavoce routes rollback" in done.output
    assert order() == ["cand", "good"]
    text = Path("vivavoce.toml").read_text("utf-8")
    assert 'mt.order = ["cand", "good"]  # the best first\n' in text
    back = CliRunner().invoke(app, ["routes", "rollback"])
    assert back.exit_code == 0, back.output
    assert order() == ["good"]
    assert text.replace('["cand", "good"]', '["good"]') == Path("vivavoce.toml").read_text("utf-8")


def test_a_candidate_that_invents_is_refused_and_the_metric_is_named() -> None:
    pairs(LEAST_PAIRS)
    (result,) = with_engines(Loud(" AND THIS IS WHAT NOBODY EVER SAID, NOT EVEN 77 TIMES OVER."), ["--json"])
    figures = json.loads(result.stdout)["figures"]
    assert isinstance(result.exception, GateBlocked)
    assert not figures["promoted"]
    assert "mt.hallucination" in figures["gate"]["verdict"]["blocked"]
    assert "mt.hallucination" in str(result.exception)
    assert figures["refused"] in result.exception.message
    assert order() == ["good"]


def test_a_baseline_of_the_present_configuration_spares_its_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    async def work(self: GateRunner) -> None:
        begun.append(self.result().engines["mt"])
        await run_of(self)

    run_of = GateRunner.run
    monkeypatch.setattr(GateRunner, "run", work)

    async def main() -> Proof:
        async with asyncio.timeout(60), served().serving() as good, served().serving() as cand:
            settings, plan = read_settings(write(good=good, cand=cand)), small_plan(None, None)
            runner = GateRunner(settings, plan)
            await runner.run()
            measured = runner.result()
            baseline = new_baseline([(measured, measure(measured))])
            held = await prove(settings, leg="mt", engine="cand", plan=plan, baseline=baseline)
            other = with_prompt(settings, "v0")
            with pytest.raises(ConfigError, match="no prompt 'v0'"):
                await prove(other, leg="mt", engine="cand", plan=plan, baseline=baseline)
            return held

    held = asyncio.run(main())
    assert held.against == "the baseline"
    assert (held.started, held.failed) == (30, 0)  # 20 sentences, and the 10 with a locked term again
    assert begun == ["good", "cand", "good"]


def test_a_candidate_that_does_not_answer_is_not_promoted_on_anothers_figures() -> None:
    pairs(LEAST_PAIRS)

    async def main() -> click.testing.Result:
        async with asyncio.timeout(60), served().serving() as good:
            write(good=good)
            return await asyncio.to_thread(run)

    result = asyncio.run(main())
    assert isinstance(result.exception, GateBlocked)
    assert "it failed" in result.exception.message
    assert order() == ["good"]


def test_a_candidate_in_whose_place_others_answered_is_not_promoted_on_their_figures() -> None:
    async def main() -> Proof:
        async with asyncio.timeout(60), served().serving() as good, served().serving() as cand:
            settings = read_settings(write(good=good, cand=cand))
            return await prove(settings, leg="mt", engine="cand", plan=small_plan(None, None))

    proof = asyncio.run(main())
    assert (proof.refusal, proof.by_others) == (None, 0)
    refusal = replace(proof, by_others=30).refusal
    assert isinstance(refusal, GateBlocked)
    assert "others were asked 30 times in its place" in refusal.message


@pytest.mark.parametrize(
    ("count", "more", "kind", "told"),
    [
        (0, {}, GateUndecided, "no live pairs of it beside good, 30 are needed"),
        (LEAST_PAIRS, {"primary": "gone"}, GateUndecided, "no live pairs of it beside good"),
        (LEAST_PAIRS - 1, {}, GateUndecided, "29 live pairs beside good, 30 are needed"),
        (
            LEAST_PAIRS,
            {"shadow_ms": 9000.0},
            GateBlocked,
            "its 30 live pairs beside good: no: p95 9000 ms over the cap of 1000",
        ),
    ],
)
def test_without_enough_promising_pairs_the_gate_is_not_even_run(count: int, more: Any, kind: type, told: str) -> None:
    write()
    pairs(count, **more)
    result = run()
    assert isinstance(result.exception, kind)
    assert f"cand stays a shadow of mt: {told}" in result.exception.message
    assert order() == ["good"]


def test_what_cannot_be_promoted_is_said_before_anything_is_run(tmp_path: Path) -> None:
    for arguments, match in (
        (("mt", "good"), "the first choice of mt already"),
        (("mt", "nobody"), "no engine is named 'nobody'"),
    ):
        write()
        with pytest.raises(ConfigError, match=match):
            CliRunner().invoke(app, ["shadow", "promote", *arguments], catch_exceptions=False)
    Path("vivavoce.toml").unlink()
    with pytest.raises(ConfigError, match="no configuration file is in force"):
        CliRunner().invoke(app, ["shadow", "promote", "mt", "gemini"], catch_exceptions=False)
    assert CliRunner().invoke(app, ["shadow", "promote", "vad", "cand"]).exit_code == 2
