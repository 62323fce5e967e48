"""`vivavoce bench`: benchmarks that say how fast and how good it is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.bench_agent import agent
from vivavoce.cli.bench_chat import chat
from vivavoce.cli.bench_failover import failover
from vivavoce.cli.bench_gate import gate
from vivavoce.cli.bench_ledger import ledger
from vivavoce.cli.bench_media import capacity, media
from vivavoce.cli.bench_output import pass_on, progress, show, why_void
from vivavoce.cli.bench_signs import signs

if TYPE_CHECKING:
    from vivavoce.config.settings import Settings
    from vivavoce.evals.bench_translate import PartName, TranslateBench

app = typer.Typer(help="Measure how fast and how good it is on this machine.", no_args_is_help=True)

_PARTS = "clips,espeak,continuous,silence,pairs"


@app.callback()
def _root() -> None:
    """Measure how fast and how good it is on this machine."""


@app.command()
def translate(
    *,
    clips: Annotated[Path, typer.Option(help="Folder of recordings with a manifest.json.", show_default=False)],
    pair: Annotated[str, typer.Option(help="Language spoken and language to interpret into.")] = "en-pt",
    voice: Annotated[str, typer.Option(help="Main voice and fast voice.")] = "kokoro,espeak",
    parts: Annotated[str, typer.Option(help="What to measure.")] = _PARTS,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many clips of the pair.", show_default=False)
    ] = None,
    pairs_limit: Annotated[int, typer.Option(min=1, help="Clips of each other pair.")] = 8,
    continuous_minutes: Annotated[float, typer.Option(min=0.1, help="Length of the continuous speech.")] = 10.0,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Interpret real clips at real time in one session, and hold what it took against the bars.

    Nothing else should run meanwhile. Ctrl-C ends it and prints what was measured until then.
    """
    import asyncio

    import uvloop

    from vivavoce.config.load import load_settings
    from vivavoce.contract.envelope import machine_load
    from vivavoce.errors import VivavoceError
    from vivavoce.evals.bench_translate import Plan, TranslateBench
    from vivavoce.evals.clips import read_clips
    from vivavoce.evals.packages import require_eval_packages

    require_eval_packages()
    source, target = _pair(pair)
    settings = load_settings(config)
    plan = Plan(
        source=source,
        target=target,
        clips=read_clips(clips),
        voices=[name.strip() for name in voice.split(",")],
        parts=_named_parts(parts),
        limit=limit,
        pairs_limit=pairs_limit,
        continuous_minutes=continuous_minutes,
    )
    load = machine_load()
    stopped: BaseException | None = None
    with progress() as on_progress:
        bench = TranslateBench(settings, plan, on_progress=on_progress)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(bench.run())
        except (KeyboardInterrupt, VivavoceError, BaseExceptionGroup) as error:
            stopped = error
    _publish(bench, settings=settings, load=load, stopped=stopped, out=out, as_json=as_json)
    pass_on(stopped)


def _pair(text: str) -> tuple[str, str]:
    source, _, target = text.partition("-")
    if not source or not target:
        raise typer.BadParameter("name it like en-pt", param_hint="--pair")
    return source, target


def _named_parts(text: str) -> list[PartName]:
    from vivavoce.evals.bench_translate import PartName

    try:
        return [PartName(name.strip()) for name in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{error}; there are {_PARTS}", param_hint="--parts") from error


def _publish(
    bench: TranslateBench,
    *,
    settings: Settings,
    load: tuple[float, ...],
    stopped: BaseException | None,
    out: Path | None,
    as_json: bool,
) -> None:
    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose
    from vivavoce.evals.table import bench_page

    reason = why_void(stopped, bench.void_reason)
    figures = bench.figures()
    envelope = enclose(
        "vivavoce bench translate", figures, config_hash=config_hash(settings), n=bench.n, load=load, void_reason=reason
    )
    show(envelope, bench_page(figures), out=out, as_json=as_json)


app.command()(media)
app.command()(capacity)
app.command()(agent)
app.command()(failover)
app.command()(chat)
app.command()(ledger)
app.command()(gate)
app.command()(signs)
