"""`vivavoce bench failover`: what a session notices when its providers fail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vivavoce.cli.bench_output import among, pass_on, progress, show, why_void


def failover(
    *,
    clips: Annotated[Path, typer.Option(help="Folder of recordings with a manifest.json.", show_default=False)],
    runs: Annotated[int, typer.Option(min=1, help="Sessions with a fault.")] = 100,
    recordings: Annotated[int, typer.Option(min=1, help="Recordings, of at most 8 s, that they are over.")] = 10,
    emulators: Annotated[
        str, typer.Option(help="Emulators that know the words, or that embedded models stand behind.")
    ] = "scripted,models",
    seed: Annotated[int, typer.Option(help="Draws the moments of the faults.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Interpret real clips at real time over emulated providers, one of which fails, and over the same without fault.

    Nothing else should run meanwhile. Ctrl-C ends it and prints what was measured until then.
    """
    import asyncio

    import uvloop

    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose, machine_load
    from vivavoce.errors import VivavoceError
    from vivavoce.evals.bench_failover import FailoverBench, FailoverPlan
    from vivavoce.evals.clips import read_clips
    from vivavoce.evals.failover_stage import Backing
    from vivavoce.evals.failover_table import failover_page
    from vivavoce.evals.packages import require_eval_packages

    require_eval_packages()
    backings = [Backing(name) for name in among(emulators.split(","), tuple(Backing), "--emulators")]
    plan = FailoverPlan(clips=read_clips(clips), runs=runs, recordings=recordings, backings=backings, seed=seed)
    load = machine_load()
    stopped: BaseException | None = None
    with progress() as on_progress:
        bench = FailoverBench(plan, report=on_progress)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(bench.run())
        except (KeyboardInterrupt, VivavoceError, BaseExceptionGroup) as error:
            stopped = error
    hashed = config_hash(bench.settings) if bench.settings else ""
    figures = bench.figures()
    envelope = enclose(
        "vivavoce bench failover",
        figures,
        config_hash=hashed,
        n=bench.n,
        load=load,
        void_reason=why_void(stopped, None),
    )
    show(envelope, failover_page(figures), out=out, as_json=as_json)
    pass_on(stopped)
