"""`vivavoce shadow promote`: a candidate becomes its leg's first choice, once its live pairs and the gate allow it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.eval_clips import CLIPS_HELP
from vivavoce.cli.figures import on_store, print_figures
from vivavoce.cli.shadow import caps_of
from vivavoce.cli.since import since_ms

if TYPE_CHECKING:
    from rich.console import Console

    from vivavoce.config.settings import Settings
    from vivavoce.evals.shadow_report import Comparison
    from vivavoce.gate.plan import Plan
    from vivavoce.gate.promotion import Proof

_LEGS = ("stt", "mt", "tts")


def promote(
    leg: Annotated[str, typer.Argument(help="stt, mt or tts.", show_default=False)],
    engine: Annotated[str, typer.Argument(help="The candidate.", show_default=False)],
    since: Annotated[str, typer.Option(help="How far back live pairs count: 90m, 24h, 7d.")] = "7d",
    clips: Annotated[list[str] | None, typer.Option(help=CLIPS_HELP, show_default=False)] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Hold against this baseline, not the one of the package.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do all but change the file.")] = False,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Put a candidate first in its leg's order: refused until its live pairs are promising and the gate passes it.

    The gate replays the clip set with the candidate first, and before that as things are, where no baseline is of that.
    Nothing else should run meanwhile. `vivavoce routes rollback` goes back.

    Exit codes: 14 pairs or gate speak against it, 15 there is not enough to say so. The file is then as it was.
    """
    from rich.console import Console
    from rich.markup import escape

    from vivavoce.config.edit import put_first
    from vivavoce.config.kept import KeptFiles
    from vivavoce.config.load import find_config, load_settings, settings_of
    from vivavoce.errors import ConfigError, GateUndecided
    from vivavoce.evals.packages import require_eval_packages
    from vivavoce.gate.promotion import check_names, refused_by_pairs

    if leg not in _LEGS:
        raise typer.BadParameter(f"there are {', '.join(_LEGS)}", param_hint="LEG")
    begin_ms = since_ms(since)
    require_eval_packages()
    settings = load_settings(config)
    check_names(settings, leg, engine)
    path = find_config(config)
    if path is None:
        raise ConfigError(
            "no configuration file is in force: the packaged settings hold", hint="name one with --config"
        )
    # What could only fail once the gate has run fails now.
    before, order = path.read_bytes(), settings.routes.legs[leg].order
    after = put_first(before.decode(), leg, engine, order).encode()
    led = settings_of(after.decode(), path).routes.legs[leg].order

    found = _live(settings, leg, engine, begin_ms)
    refusal, proof = refused_by_pairs(found, primary=order[0], shadow=engine), None
    if refusal is None:
        try:
            proof = _prove(settings, leg, engine, clips, baseline)
            refusal = proof.refusal
        except GateUndecided as undecided:
            refusal = undecided
    promoted = refusal is None and not dry_run
    if promoted:
        KeptFiles(path).replace(before, after)
    if as_json:
        figures = {
            "leg": leg,
            "engine": engine,
            "live": [each.to_json() for each in found],
            "gate": proof.to_json() if proof else None,
            "refused": refusal.message if refusal else None,
            "promoted": promoted,
            "order": {"before": order, "after": led},
        }
        print_figures("vivavoce shadow promote", figures, settings, n=sum(each.n for each in found))
    else:
        console = Console(highlight=False, soft_wrap=True)
        _tell(console, found, proof)
        if refusal is None:
            console.print(escape(f"routes.{leg}.order {'is now' if promoted else 'would be'} {', '.join(led)}"))
        if promoted:
            console.print(escape(f"{path} is changed; the way back: vivavoce routes rollback"))
    if refusal is not None:
        raise type(refusal)(f"{engine} stays a shadow of {leg}: {refusal.message}", hint=refusal.hint)


def plan_of(clips: list[str] | None, on_progress: Callable[[str, float, float], None]) -> Plan:
    """What the gate replays: all that `vivavoce eval` would."""
    from vivavoce.cli.eval_clips import eval_clips
    from vivavoce.gate.plan import chosen, whole_plan

    return whole_plan(chosen(eval_clips(clips, on_progress)))


def _live(settings: Settings, leg: str, engine: str, begin_ms: int) -> list[Comparison]:
    """What the candidate's live pairs say, by who was served."""
    from vivavoce.evals.shadow_report import compare
    from vivavoce.routing.shadow_rows import read_rows

    rows = on_store(settings, lambda database: read_rows(database, since_ms=begin_ms, leg=leg))
    return compare((row for row in rows if row.shadow == engine), caps_of(settings))


def _prove(settings: Settings, leg: str, engine: str, clips: list[str] | None, baseline: Path | None) -> Proof:
    """The gate, with the prompt that is deployed."""
    import asyncio

    import uvloop

    from vivavoce.cli.bench_output import progress
    from vivavoce.cli.prompts import as_deployed
    from vivavoce.gate.baseline import chosen_baseline
    from vivavoce.gate.promotion import promoted, prove

    as_served = settings.model_copy(update={"engines": as_deployed(promoted(settings, leg, engine)).engines})
    known = chosen_baseline(baseline)
    with progress() as on_progress:
        plan = plan_of(clips, on_progress)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(
                prove(as_served, leg=leg, engine=engine, plan=plan, baseline=known, on_progress=on_progress)
            )


def _tell(console: Console, found: list[Comparison], proof: Proof | None) -> None:
    from rich.markup import escape

    from vivavoce.gate.page import verdict_page

    for each in found:
        console.print(escape(f"{each.n} live pairs beside {each.primary}: {each.verdict}"))
    if proof is not None:
        console.print(verdict_page(proof.verdict, proof.run))
        console.print(escape(f"held against {proof.against}"))
