"""`vivavoce eval promptfoo`: the gate's verdict on what Promptfoo wrote, beside Promptfoo's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def promptfoo(
    output: Annotated[Path, typer.Argument(help="The file that `promptfoo eval --output` wrote.")],
    *,
    clips: Annotated[
        Path | None, typer.Option(help="Folder of the clips that it was over, not the clip set.", show_default=False)
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Hold against this baseline, not the one of the package.", show_default=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Judge the translations of a run of `evals/mt.yaml` again. `make eval-promptfoo` does both.

    The exit code is the gate's. It is 15, too, where the two verdicts are not the same.
    """
    from vivavoce.cli.bench_output import progress
    from vivavoce.cli.eval_clips import eval_clips
    from vivavoce.cli.eval_verdict import refuse, show_page
    from vivavoce.cli.figures import print_figures
    from vivavoce.config.load import load_settings
    from vivavoce.errors import GateUndecided
    from vivavoce.evals.packages import require_eval_packages
    from vivavoce.gate.baseline import chosen_baseline
    from vivavoce.gate.page import verdict_page
    from vivavoce.gate.plan import chosen
    from vivavoce.gate.promptfoo import read_told, run_of, verdict_on

    require_eval_packages()
    settings, told = load_settings(config), read_told(output)
    with progress() as on_progress:
        found = chosen(eval_clips([str(clips)] if clips else None, on_progress))
    run = run_of(told.alone, found, settings)
    verdict = verdict_on(run, chosen_baseline(baseline))
    show_page(verdict_page(verdict, run), as_json=as_json)
    theirs = "passed" if told.passed else f"failed, {told.failures} of {told.rows} rows"
    typer.echo(f"promptfoo: {theirs}; the gate: {verdict.summary}", err=as_json)
    if as_json:
        figures = {"promptfoo": {"rows": told.rows, "failures": told.failures}, **verdict.to_json()}
        print_figures("vivavoce eval promptfoo", figures, settings, n=len(told.alone))
    if told.passed != (verdict.outcome == "passed"):
        raise GateUndecided(
            "Promptfoo's verdict is not the gate's", hint="look for rows with errors in what Promptfoo printed"
        )
    refuse(verdict)
