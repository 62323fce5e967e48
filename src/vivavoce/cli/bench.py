"""`vivavoce bench`: benchmarks that say how fast and how good it is on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vivavoce.config.settings import Settings
    from vivavoce.contract.envelope import Envelope
    from vivavoce.evals.bench_translate import PartName, TranslateBench

app = typer.Typer(help="Measure how fast and how good it is on this machine.", no_args_is_help=True)

T = TypeVar("T")

INTERRUPTED = 130
_PAGE_WIDTH = 120
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
    with _progress() as on_progress:
        bench = TranslateBench(settings, plan, on_progress=on_progress)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(bench.run())
        except (KeyboardInterrupt, VivavoceError, BaseExceptionGroup) as error:
            stopped = error
    _publish(bench, settings=settings, load=load, stopped=stopped, out=out, as_json=as_json)
    if isinstance(stopped, KeyboardInterrupt):
        raise typer.Exit(INTERRUPTED)
    if stopped is not None:
        raise stopped


@app.command()
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
    from vivavoce.media.engine import Scheduling

    plan = MediaPlan(
        calls=calls,
        seconds=seconds,
        interpreters=_among(interpreter.split(","), get_args(Interpreter), "--interpreter"),
        scheduling=_among([scheduling], get_args(Scheduling), "--scheduling")[0],
        baseline=bool(_among([baseline], ("", "asyncio"), "--baseline")[0]),
        recording=recording,
    )
    load = machine_load()
    stopped: BaseException | None = None
    with _progress() as on_progress:
        bench = MediaBench(plan, on_progress=on_progress)
        try:
            asyncio.run(bench.run())
        except (KeyboardInterrupt, VivavoceError) as error:
            stopped = error
    reason = bench.void_reason
    if stopped is not None:
        reason = "interrupted" if isinstance(stopped, KeyboardInterrupt) else f"broken off: {stopped}"
    envelope = enclose(
        "vivavoce bench media", bench.figures(), config_hash="", n=bench.n, load=load, void_reason=reason or None
    )
    _show(envelope, media_page(envelope.figures), out=out, as_json=as_json)
    if isinstance(stopped, KeyboardInterrupt):
        raise typer.Exit(INTERRUPTED)
    if stopped is not None:
        raise stopped


def _among(found: Sequence[str], known: Iterable[T], option: str) -> list[T]:
    """What was named, checked. Raises BadParameter that names what there is."""
    by_name = {str(one): one for one in known}
    for name in found:
        if name not in by_name:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(by_name)}", param_hint=option)
    return [by_name[name] for name in found]


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


@contextmanager
def _progress() -> Iterator[Callable[[str, float, float], None]]:
    """A bar on stderr with the time that is left: what is planned is mostly real time, so it is known."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    left_column = TextColumn("{task.percentage:3.0f} %  {task.fields[left]}")
    columns = (TextColumn("{task.description}"), BarColumn(30), left_column)
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=2) as progress:
        task = progress.add_task("reading clips", total=None, left="")

        def on_progress(label: str, done_s: float, planned_s: float) -> None:
            left_s = max(0, round(planned_s - done_s))
            left = f"{left_s // 60}:{left_s % 60:02} left"
            progress.update(task, description=label, completed=done_s, total=planned_s, left=left)

        yield on_progress


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

    reason = bench.void_reason
    if stopped is not None:
        reason = "interrupted" if isinstance(stopped, KeyboardInterrupt) else f"broken off: {stopped}"
    figures = bench.figures()
    envelope = enclose(
        "vivavoce bench translate", figures, config_hash=config_hash(settings), n=bench.n, load=load, void_reason=reason
    )
    _show(envelope, bench_page(figures), out=out, as_json=as_json)


def _show(envelope: Envelope, page: RenderableType, *, out: Path | None, as_json: bool) -> None:
    from rich.console import Console

    from vivavoce.errors import OutputError

    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = _PAGE_WIDTH
    console.print(page)
    if envelope.void_reason:
        console.print(f"[yellow]not valid: {envelope.void_reason}[/yellow]")
    if as_json:
        sys.stdout.write(envelope.to_text())
    if out is not None:
        try:
            out.write_text(envelope.to_text(), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{out}: {error.strerror}", hint="name another file with --out") from error
