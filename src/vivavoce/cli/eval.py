"""`vivavoce eval`: the gate. It replays the clip set and says whether what is here may be deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vivavoce.cli.eval_add import add, correct
from vivavoce.cli.eval_clips import CLIPS_HELP
from vivavoce.cli.eval_promptfoo import promptfoo

app = typer.Typer(help="Say whether what is here may be deployed: the evaluation gate.")
app.command("add")(add)
app.command("correct")(correct)
app.command("promptfoo")(promptfoo)

_Baseline = Annotated[
    Path | None, typer.Option(help="Hold against this baseline, not the one of the package.", show_default=False)
]
_Config = Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
_Out = Annotated[
    Path | None,
    typer.Option(help="Folder for run.json, figures.json, junit.xml and report.html.", show_default=False),
]
_Store = Annotated[bool, typer.Option("--store", help="Keep each clip's texts and figures in the store, too.")]
_Runs = Annotated[list[Path], typer.Argument(help="Files run.json that --out wrote.")]


@app.callback(invoke_without_command=True)
def gate(
    context: typer.Context,
    *,
    clips: Annotated[list[str] | None, typer.Option(help=CLIPS_HELP, show_default=False)] = None,
    pair: Annotated[
        list[str] | None, typer.Option(help="Only this pair, like en-pt; repeatable.", show_default=False)
    ] = None,
    register: Annotated[
        list[str] | None, typer.Option(help="Only clips of this register; repeatable.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many clips of each pair.", show_default=False)
    ] = None,
    quality: Annotated[bool, typer.Option("--quality", help="Quality alone, faster than real time.")] = False,
    short: Annotated[
        bool, typer.Option("--short", help="A few clips, quality alone: the part that the tests run.")
    ] = False,
    out: _Out = None,
    baseline: _Baseline = None,
    store: _Store = False,
    config: _Config = None,
    as_json: _Json = False,
) -> None:
    """Replay the clip set at real time through the whole path and each leg alone, and judge every figure.

    Nothing else should run meanwhile. Ctrl-C ends it, and shows and keeps what was measured until then. The exit code
    is 14 where a figure blocks, 15 where there is not enough to say so.
    """
    if context.invoked_subcommand is not None:
        return
    import asyncio

    import uvloop

    from vivavoce.cli.bench_output import pass_on, progress, why_void
    from vivavoce.cli.eval_clips import eval_clips
    from vivavoce.cli.eval_verdict import (
        asked_about,
        keep_in_store,
        publish,
        refuse,
        require_folder,
        require_store,
        write_run,
    )
    from vivavoce.cli.evaluated import remember
    from vivavoce.cli.prompts import as_deployed
    from vivavoce.config.load import load_settings
    from vivavoce.errors import VivavoceError
    from vivavoce.evals.judge import judge_of
    from vivavoce.evals.packages import require_eval_packages
    from vivavoce.gate.baseline import chosen_baseline
    from vivavoce.gate.plan import chosen, short_plan, whole_plan
    from vivavoce.gate.runner import GateRunner

    require_eval_packages()
    settings = as_deployed(load_settings(config))
    known, asked = chosen_baseline(baseline), judge_of(settings)
    require_folder(out)
    if store:
        require_store(settings)
    stopped: BaseException | None = None
    with progress() as on_progress:
        found = chosen(eval_clips(clips, on_progress), pairs=pair or (), registers=register or (), limit=limit)
        plan = short_plan(found) if short else whole_plan(found, paced=not quality)
        runner = GateRunner(settings, plan, on_progress=on_progress)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
                loop.run(runner.run())
        except (KeyboardInterrupt, VivavoceError, BaseExceptionGroup) as error:
            stopped = error
    run = runner.result(void_reason=why_void(stopped, None))
    if asked is not None and stopped is None:
        # Written before, too: the judge may take minutes, and be interrupted.
        write_run(run, out)
        run = asked_about(run, asked)
    verdict, metrics = publish(run, known, settings=settings, out=out, as_json=as_json)
    if verdict.outcome != "blocked":
        remember(run, metrics)
    if store:
        keep_in_store(settings, run, metrics, found)
    pass_on(stopped)
    refuse(verdict)


@app.command()
def judge(
    run: Annotated[Path, typer.Argument(help="A file run.json that --out wrote.")],
    *,
    out: _Out = None,
    baseline: _Baseline = None,
    config: _Config = None,
    as_json: _Json = False,
) -> None:
    """Judge a run again, without replaying anything: against another baseline, or with other bars."""
    from vivavoce.cli.eval_verdict import publish, refuse, require_folder
    from vivavoce.config.load import load_settings
    from vivavoce.evals.packages import require_eval_packages
    from vivavoce.gate.baseline import chosen_baseline
    from vivavoce.gate.run import read_run

    require_eval_packages()
    require_folder(out)
    settings, found = load_settings(config), read_run(run)
    verdict, _ = publish(found, chosen_baseline(baseline), settings=settings, out=out, as_json=as_json)
    refuse(verdict)


@app.command()
def spread(
    runs: _Runs,
    *,
    baseline: _Baseline = None,
    config: _Config = None,
    as_json: _Json = False,
) -> None:
    """How far runs of the same thing lie apart, beside the thresholds that must be larger. Fails where one is not."""
    from vivavoce.cli.eval_verdict import show_page
    from vivavoce.cli.figures import print_figures
    from vivavoce.config.load import load_settings
    from vivavoce.errors import GateBlocked
    from vivavoce.evals.packages import require_eval_packages
    from vivavoce.gate.baseline import chosen_baseline
    from vivavoce.gate.metrics import measure
    from vivavoce.gate.page import spread_page
    from vivavoce.gate.run import read_run
    from vivavoce.gate.spread import spread as spread_of

    require_eval_packages()
    settings = load_settings(config)
    measured = [(run, measure(run)) for run in map(read_run, runs)]
    found = spread_of(measured, chosen_baseline(baseline))
    show_page(spread_page(found), as_json=as_json)
    if as_json:
        print_figures("vivavoce eval spread", found.to_json(), settings, n=len(measured))
    if not found.holds:
        wide = ", ".join(row.name for row in found.rows if not row.holds)
        raise GateBlocked(
            f"the runs lie apart: {wide or 'their verdicts differ'}", hint="a threshold must be larger than the spread"
        )


@app.command()
def baseline(
    runs: _Runs,
    *,
    to: Annotated[Path | None, typer.Option(help="Write it here, not into the package.", show_default=False)] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Forget the plans that no run is of.")] = False,
) -> None:
    """Make these runs the baseline of their plans: the mean of several runs of the same thing."""
    from vivavoce.cli.plural import plural
    from vivavoce.evals.packages import require_eval_packages
    from vivavoce.gate.baseline import BASELINE, new_baseline, read_baseline, write_baseline
    from vivavoce.gate.metrics import measure
    from vivavoce.gate.run import read_run

    require_eval_packages()
    measured = [(run, measure(run)) for run in map(read_run, runs)]
    path = to or BASELINE
    made = new_baseline(measured, None if anew else read_baseline(path))
    write_baseline(made, path)
    for label in sorted({run.plan for run, _ in measured}):
        plan = made.plans[label]
        typer.echo(f"{label}: {plural(len(plan.metrics), 'metric')} of {plural(len(plan.runs), 'run')}")
    typer.echo(f"written to {path}")
