"""`vivavoce bench ledger`: the way of usage into the store, and crashes on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vivavoce.cli.bench_output import among, pass_on, progress, show, why_void


def ledger(
    *,
    stores: Annotated[str, typer.Option(help="Stores to measure.")] = "postgres,sqlite",
    parts: Annotated[str, typer.Option(help="What to measure.")] = "speed,programs,servers,away",
    postgres: Annotated[
        str,
        typer.Option(
            help="URL of an empty Postgres, which is not killed, instead of a server of its own.", show_default=False
        ),
    ] = "",
    programs: Annotated[
        int, typer.Option(min=1, help="Programs that are killed while they write, on each store.")
    ] = 50,
    servers: Annotated[int, typer.Option(min=1, help="Times that Postgres is killed.")] = 20,
    away: Annotated[float, typer.Option(min=1, help="Seconds that the store is away.")] = 60.0,
    rows: Annotated[int, typer.Option(min=1000, help="Rows at once, for the rate.")] = 50_000,
    seconds: Annotated[float, typer.Option(min=2, help="Length of each round at the rate of 500 calls.")] = 15.0,
    seed: Annotated[int, typer.Option(help="Draws the moments of the crashes.")] = 6,
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Write usage into Postgres and SQLite: how fast, what it costs, and what is lost when something is killed.

    Nothing else should run meanwhile. Ctrl-C ends it and prints what was measured until then.
    """
    import asyncio

    import uvloop

    from vivavoce.contract.envelope import enclose, machine_load
    from vivavoce.errors import VivavoceError
    from vivavoce.evals.bench_ledger import PARTS, STORES, LedgerBench, LedgerPlan
    from vivavoce.evals.ledger_table import ledger_page

    plan = LedgerPlan(
        stores=among(stores.split(","), STORES, "--stores"),
        parts=among(parts.split(","), PARTS, "--parts"),
        postgres=postgres,
        programs=programs,
        servers=servers,
        away_s=away,
        rows=rows,
        seconds=seconds,
        seed=seed,
    )
    load = machine_load()
    stopped: BaseException | None = None
    with progress() as on_progress:
        bench = LedgerBench(plan, report=on_progress)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(bench.run())
        except (KeyboardInterrupt, VivavoceError) as error:
            stopped = error
    figures = bench.figures()
    envelope = enclose(
        "vivavoce bench ledger",
        figures,
        config_hash="",
        n=bench.n,
        load=load,
        void_reason=why_void(stopped, None),
    )
    show(envelope, ledger_page(figures), out=out, as_json=as_json)
    pass_on(stopped)
