"""`vivavoce bench agent`: telephone calls with an agent, from the callers' side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vivavoce.cli.bench_output import among, other_servers, pass_on, progress, show, why_void

_ROWS = "turns,settings,rtt,live,interrupt,no-recognition,at-once,peers"


def agent(
    *,
    calls: Annotated[int, typer.Option(min=1, help="Calls of each row that is about one call at a time.")] = 6,
    turns: Annotated[int, typer.Option(min=1, help="What each of them says.")] = 8,
    rows: Annotated[str, typer.Option(help="What to measure.")] = _ROWS,
    clips: Annotated[
        Path | None,
        typer.Option(help="Folder of recordings with a manifest.json, instead of the demo's.", show_default=False),
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option(help="A peer, as NAME=COMMAND with {port} in it; may be given more than once."),
    ] = None,
    path: Annotated[str, typer.Option(help="The path at which peers take Twilio's streams.")] = "/ws",
    load_calls: Annotated[int, typer.Option(min=1, help="Calls at once without recognition.")] = 200,
    seconds: Annotated[float, typer.Option(min=2, help="Length of what is measured under load callers.")] = 30.0,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Let callers with real speech talk to an agent, and measure what they hear of it and when.

    Nothing else should run meanwhile. Ctrl-C ends it and prints the rows that are done.
    """
    import asyncio

    import uvloop

    from vivavoce.agent.packages import require_agent_packages
    from vivavoce.config.load import load_settings
    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose, machine_load
    from vivavoce.errors import VivavoceError
    from vivavoce.evals.agent_table import agent_page
    from vivavoce.evals.bench_agent import AgentBench, Plan, Row
    from vivavoce.evals.packages import require_eval_packages

    require_eval_packages()
    require_agent_packages()
    plan = Plan(
        calls=calls,
        turns=turns,
        clips=clips,
        config=config,
        rows=among(rows.split(","), Row, "--rows"),
        others=other_servers(server, path=path),
        load_calls=load_calls,
        seconds=seconds,
    )
    settings = load_settings(config)
    load = machine_load()
    stopped: BaseException | None = None
    with progress() as on_progress:
        bench = AgentBench(plan, on_progress=on_progress)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(bench.run())
        except (KeyboardInterrupt, VivavoceError, BaseExceptionGroup) as error:
            stopped = error
    figures, peers = bench.figures(), bench.peers()
    envelope = enclose(
        "vivavoce bench agent",
        figures,
        config_hash=config_hash(settings),
        n=bench.n,
        load=load,
        void_reason=why_void(stopped, bench.void_reason),
        peers=peers,
    )
    show(envelope, agent_page(figures, peers), out=out, as_json=as_json)
    pass_on(stopped)
