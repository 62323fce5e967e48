"""`vivavoce bench media` and `vivavoce bench capacity`: telephone calls under load."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from vivavoce.cli.bench_output import among, other_servers, pass_on, progress, show, why_void


def media(
    *,
    calls: Annotated[int, typer.Option(min=1, help="Calls at the same time.")] = 500,
    seconds: Annotated[float, typer.Option(min=2, help="Length of each round.")] = 60.0,
    interpreter: Annotated[str, typer.Option(help="What the interpreter does meanwhile: none, spin, gc.")] = "none",
    scheduling: Annotated[str, typer.Option(help="What is asked for: real-time, short-slice, default.")] = "real-time",
    baseline: Annotated[str, typer.Option(help="Another server in the same run: asyncio.", show_default=False)] = "",
    recording: Annotated[
        Path | None, typer.Option(help="What callers say, instead of the demo's recording.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Let many callers talk to an agent at real time: the agent on one core, the callers on another.

    Nothing else should run meanwhile. Ctrl-C ends it and prints the rounds that are done.
    """
    import asyncio

    from vivavoce.contract.envelope import enclose, machine_load
    from vivavoce.errors import VivavoceError
    from vivavoce.evals.bench_media import MediaBench, MediaPlan
    from vivavoce.evals.media_agent import Interpreter
    from vivavoce.evals.media_table import media_page
    from vivavoce.evals.packages import require_eval_packages
    from vivavoce.media.engine import Scheduling

    require_eval_packages()
    plan = MediaPlan(
        calls=calls,
        seconds=seconds,
        interpreters=among(interpreter.split(","), get_args(Interpreter), "--interpreter"),
        scheduling=among([scheduling], get_args(Scheduling), "--scheduling")[0],
        baseline=bool(among([baseline], ("", "asyncio"), "--baseline")[0]),
        recording=recording,
    )
    load = machine_load()
    stopped: BaseException | None = None
    with progress() as on_progress:
        bench = MediaBench(plan, on_progress=on_progress)
        try:
            asyncio.run(bench.run())
        except (KeyboardInterrupt, VivavoceError) as error:
            stopped = error
    reason = why_void(stopped, bench.void_reason or None)
    envelope = enclose(
        "vivavoce bench media", bench.figures(), config_hash="", n=bench.n, load=load, void_reason=reason
    )
    show(envelope, media_page(envelope.figures), out=out, as_json=as_json)
    pass_on(stopped)


def capacity(
    *,
    server: Annotated[
        list[str] | None,
        typer.Option(help="Another server, as NAME=COMMAND with {port} in it; may be given more than once."),
    ] = None,
    path: Annotated[str, typer.Option(help="The path at which those servers take Twilio's streams.")] = "/ws",
    interpreter: Annotated[
        str, typer.Option(help="What the interpreter of ours and of asyncio does meanwhile: none, spin, gc.")
    ] = "none",
    seconds: Annotated[float, typer.Option(min=2, help="Length of each step.")] = 10.0,
    most: Annotated[int, typer.Option(min=10, help="Calls at most.")] = 2000,
    recording: Annotated[
        Path | None, typer.Option(help="What callers say, instead of the demo's recording.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Find how many calls one core carries: sound less than 20 ms late at p99, and who interrupts is heard in a second.

    Nothing else should run meanwhile. Ctrl-C ends it and prints the servers that are done.
    """
    import asyncio

    from vivavoce.contract.envelope import enclose, machine_load
    from vivavoce.errors import VivavoceError
    from vivavoce.evals.bench_capacity import CapacityBench, CapacityPlan
    from vivavoce.evals.media_agent import Interpreter
    from vivavoce.evals.media_table import capacity_page
    from vivavoce.evals.packages import require_eval_packages

    require_eval_packages()
    plan = CapacityPlan(
        others=other_servers(server, path=path),
        interpreters=among(interpreter.split(","), get_args(Interpreter), "--interpreter"),
        seconds=seconds,
        most=most,
        recording=recording,
    )
    load = machine_load()
    stopped: BaseException | None = None
    with progress() as on_progress:
        bench = CapacityBench(plan, on_progress=on_progress)
        try:
            asyncio.run(bench.run())
        except (KeyboardInterrupt, VivavoceError) as error:
            stopped = error
    envelope = enclose(
        "vivavoce bench capacity",
        bench.figures(),
        config_hash="",
        n=bench.n,
        load=load,
        void_reason=why_void(stopped, None),
    )
    show(envelope, capacity_page(envelope.figures), out=out, as_json=as_json)
    pass_on(stopped)
