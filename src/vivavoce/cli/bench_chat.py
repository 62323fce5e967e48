"""`vivavoce bench chat`: the first text of a chat endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vivavoce.cli.bench_output import pass_on, progress, show, why_void


def chat(
    *,
    at_once: Annotated[str, typer.Option(help="Requests at the same time, one round each.")] = "1,20",
    requests: Annotated[int, typer.Option(min=1, help="Requests of each round.")] = 100,
    litellm: Annotated[
        str, typer.Option(help="The program litellm, to measure what its proxy adds.", show_default=False)
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Ask an emulated endpoint for translations, by ourselves and by others, and measure when the first text comes.

    The endpoint answers at once: what is measured is the way. Nothing else should run meanwhile.
    """
    import asyncio
    import shlex

    import uvloop

    from vivavoce.contract.envelope import enclose, machine_load
    from vivavoce.errors import VivavoceError
    from vivavoce.evals.bench_chat import ChatBench, ChatPlan
    from vivavoce.evals.chat_table import chat_page

    plan = ChatPlan(at_once=_counts(at_once), requests=requests, litellm=shlex.split(litellm))
    load = machine_load()
    stopped: BaseException | None = None
    with progress() as on_progress:
        bench = ChatBench(plan, on_progress=on_progress)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(bench.run())
        except (KeyboardInterrupt, VivavoceError, BaseExceptionGroup) as error:
            stopped = error
    figures = bench.figures()
    envelope = enclose(
        "vivavoce bench chat", figures, config_hash="", n=bench.n, load=load, void_reason=why_void(stopped, None)
    )
    show(envelope, chat_page(figures), out=out, as_json=as_json)
    pass_on(stopped)


def _counts(text: str) -> list[int]:
    try:
        found = [int(count) for count in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise typer.BadParameter("name it like 1,20", param_hint="--at-once")
    return found
