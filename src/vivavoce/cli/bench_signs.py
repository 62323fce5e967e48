"""`vivavoce bench signs`: how often the signs of what nobody said are wrong, and what they find."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vivavoce.cli.bench_output import pass_on, progress, show, why_void
from vivavoce.cli.eval_clips import CLIPS_HELP, eval_clips

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType


def signs(
    *,
    clips: Annotated[list[str] | None, typer.Option(help=CLIPS_HELP, show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Look for signs of hallucination in sound translations, and in the same ones with something planted in each.

    Sound are the references of the clips, both ways, and what the configured engines make of their transcripts.
    """
    import asyncio

    from vivavoce.config.load import load_settings
    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose, machine_load
    from vivavoce.errors import VivavoceError
    from vivavoce.evals.packages import require_eval_packages
    from vivavoce.gate.bench_signs import of_engines, of_people, signs_figures
    from vivavoce.gate.plan import Plan, chosen
    from vivavoce.gate.runner import GateRunner

    require_eval_packages()
    settings = load_settings(config)
    load = machine_load()
    stopped: BaseException | None = None
    with progress() as on_progress:
        found = chosen(eval_clips(clips, on_progress))
        runner = GateRunner(settings, Plan(name="signs", read=tuple(found), paced=False), on_progress=on_progress)
        try:
            asyncio.run(runner.run())
        except (KeyboardInterrupt, VivavoceError, BaseExceptionGroup) as error:
            stopped = error
    run = runner.result()
    figures = signs_figures({"engines": of_engines(run), "people": of_people(found)})
    envelope = enclose(
        "vivavoce bench signs",
        {**figures, "engines": run.engines},
        config_hash=config_hash(settings),
        n=sum(each["n"] for part in figures.values() for each in part.values()),
        load=load,
        void_reason=why_void(stopped, run.void_reason),
    )
    show(envelope, _page(figures), out=out, as_json=as_json)
    pass_on(stopped)


def _page(figures: Mapping[str, Any]) -> RenderableType:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("texts")
    table.add_column("n", justify="right")
    table.add_column("with a sign", justify="right")
    table.add_column("signs")
    titles = {"sound": "sound translations by {}", "planted": "planted: {}"}
    for part, title in titles.items():
        for name, row in figures[part].items():
            share = "–" if row["share"] is None else f"{row['share']:.1f} %"
            by_sign = ", ".join(f"{sign} {count}" for sign, count in row["by_sign"].items())
            table.add_row(title.format(name), str(row["n"]), share, by_sign)
    return table
