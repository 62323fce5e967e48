"""`vivavoce bench gate`: does the evaluation find regressions that are planted, and place them on their leg?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vivavoce.cli.bench_output import pass_on, progress, show, why_void
from vivavoce.cli.eval_clips import CLIPS_HELP, eval_clips


def gate(
    *,
    clips: Annotated[list[str] | None, typer.Option(help=CLIPS_HELP, show_default=False)] = None,
    plant: Annotated[list[str] | None, typer.Option(help="Only this one; repeatable.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Plant known regressions and judge each against the same run without it.

    Nothing else should run meanwhile. Ctrl-C ends it and prints what was measured until then. Fails where a plant is
    not blocked by the figure that is meant for it, or is placed on another leg.
    """
    import asyncio

    import uvloop

    from vivavoce.cli.bench_output import among
    from vivavoce.config.load import load_settings
    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose, machine_load
    from vivavoce.errors import GateBlocked, VivavoceError
    from vivavoce.evals.packages import require_eval_packages
    from vivavoce.gate.bench import GateBench
    from vivavoce.gate.plants import plants
    from vivavoce.gate.plants_table import plants_page

    require_eval_packages()
    settings = load_settings(config)
    only = among(plant or (), [each.name for each in plants()], "--plant")
    load = machine_load()
    stopped: BaseException | None = None
    with progress() as on_progress:
        bench = GateBench(settings, eval_clips(clips, on_progress), only=only, on_progress=on_progress)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(bench.run())
        except (KeyboardInterrupt, VivavoceError, BaseExceptionGroup) as error:
            stopped = error
    figures = bench.figures()
    envelope = enclose(
        "vivavoce bench gate",
        figures,
        config_hash=config_hash(settings),
        n=bench.n,
        load=load,
        void_reason=why_void(stopped, None),
    )
    show(envelope, plants_page(figures), out=out, as_json=as_json)
    pass_on(stopped)
    if not bench.holds:
        missed = ", ".join(row["plant"] for row in figures["plants"] if not row["holds"])
        raise GateBlocked(f"not found, or not where it is: {missed}", hint="see docs/evaluation.md")
