"""What every command of the gate does with a run: measure it, judge it, show and write that, and end as it says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console, RenderableType

from vivavoce.cli.eval_report import write_eval_report
from vivavoce.cli.figures import on_store
from vivavoce.cli.plural import plural
from vivavoce.config.settings import Settings
from vivavoce.contract.envelope import Envelope
from vivavoce.errors import GateBlocked, GateUndecided, LegError, OutputError
from vivavoce.evals.clips import Clip
from vivavoce.evals.judge import Judge
from vivavoce.gate.baseline import Baseline
from vivavoce.gate.judging import judged
from vivavoce.gate.junit import write_junit
from vivavoce.gate.metric import Metric
from vivavoce.gate.metrics import measure
from vivavoce.gate.page import WIDTH, verdict_page
from vivavoce.gate.rows import eval_rows, keep_rows
from vivavoce.gate.run import Run
from vivavoce.gate.verdict import Verdict
from vivavoce.gate.verdict import judge as judge_run
from vivavoce.store.database import Database


def require_folder(out: Path | None) -> None:
    """Make the folder before anything is measured. Raises OutputError."""
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out}: {error.strerror}", hint="name another folder with --out") from error


def require_store(settings: Settings) -> None:
    """Open the store before anything is measured. Raises StoreError."""
    on_store(settings, Database.ready)


def asked_about(run: Run, judge: Judge) -> Run:
    """The run with the judge's word on its clauses, or why there is none. Ctrl-C ends the asking alone."""

    async def ask() -> Run:
        try:
            return await judged(run, judge)
        finally:
            await judge.aclose()

    try:
        return asyncio.run(ask())
    except (LegError, KeyboardInterrupt) as error:
        return replace(run, judge_problem=error.message if isinstance(error, LegError) else "interrupted")


def publish(
    run: Run, baseline: Baseline | None, *, settings: Settings, out: Path | None, as_json: bool
) -> tuple[Verdict, list[Metric]]:
    """The verdict on a run, shown and written to the folder. The run is written first: it can be judged again."""
    write_run(run, out)
    metrics = measure(run)
    verdict = judge_run(metrics, run, baseline)
    show_page(verdict_page(verdict, run), as_json=as_json)
    envelope = _envelope(verdict, run)
    if as_json:
        sys.stdout.write(envelope.to_text())
    if out is not None:
        _write(out / "figures.json", envelope.to_text())
        write_junit(out / "junit.xml", verdict, run)
        write_eval_report(out / "report.html", verdict, run)
    return verdict, metrics


def write_run(run: Run, out: Path | None) -> None:
    """Raises OutputError."""
    if out is not None:
        _write(out / "run.json", json.dumps(run.to_json(), ensure_ascii=False, indent=1) + "\n")


def show_page(page: RenderableType, *, as_json: bool) -> None:
    """On stdout, or beside the JSON that goes there; as wide as a table needs where no terminal is."""
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(page)


def refuse(verdict: Verdict) -> None:
    """End the command as the verdict says. Raises GateBlocked, GateUndecided."""
    if verdict.outcome == "blocked":
        raise GateBlocked(verdict.summary, hint="the report's waterfalls show where; see docs/evaluation.md")
    if verdict.outcome == "undecided":
        raise GateUndecided(verdict.summary, hint="run the whole set, with nothing else on the machine")


def keep_in_store(settings: Settings, run: Run, metrics: Sequence[Metric], clips: Sequence[Clip]) -> None:
    """Write the clips' rows. Raises StoreError."""
    rows = eval_rows(run, metrics, clips)
    written = on_store(settings, lambda database: keep_rows(database, rows))
    Console(stderr=True, highlight=False).print(f"{plural(written, 'clip')} of run {run.id} kept in the store")


def _envelope(verdict: Verdict, run: Run) -> Envelope:
    """Of the machine that ran it, which need not be this one; its load then is not known."""
    return Envelope(
        command="vivavoce eval",
        machine=run.machine,
        versions=dict(run.versions),
        config_hash=run.config_hash,
        load=(),
        n=sum(len(clip.utterances) for clip in run.clips),
        valid=run.void_reason is None,
        void_reason=run.void_reason,
        figures={"run": run.id, "at_ms": run.at_ms, "paced": run.paced, **verdict.to_json()},
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}", hint="name another folder with --out") from error
