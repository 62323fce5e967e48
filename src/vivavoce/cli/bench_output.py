"""What every benchmark shows: how far it is, and in the end a page, JSON, and why it is not valid."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vivavoce.contract.envelope import Envelope
    from vivavoce.evals.bench_capacity import Other

T = TypeVar("T")

INTERRUPTED = 130
_PAGE_WIDTH = 120


def among(found: Sequence[str], known: Iterable[T], option: str) -> list[T]:
    """What was named, checked. Raises BadParameter that names what there is."""
    by_name = {str(one): one for one in known}
    for name in found:
        if name not in by_name:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(by_name)}", param_hint=option)
    return [by_name[name] for name in found]


def other_servers(texts: Iterable[str] | None, *, path: str) -> list[Other]:
    """`--server` as NAME=COMMAND. Raises BadParameter for what is not."""
    from vivavoce.evals.bench_capacity import Other

    found = []
    for text in texts or ():
        name, _, command = text.partition("=")
        if not name or "{port}" not in command:
            raise typer.BadParameter(f"{text!r} is not like NAME=COMMAND with {{port}} in it", param_hint="--server")
        found.append(Other(name=name, words=shlex.split(command), path=path))
    return found


@contextmanager
def progress() -> Iterator[Callable[[str, float, float], None]]:
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


def why_void(stopped: BaseException | None, reason: str | None) -> str | None:
    """Why the figures are not valid: what ended the run early, or what the benchmark says of itself."""
    if stopped is None:
        return reason
    return "interrupted" if isinstance(stopped, KeyboardInterrupt) else f"broken off: {stopped}"


def pass_on(stopped: BaseException | None) -> None:
    """End the command as the run ended."""
    if isinstance(stopped, KeyboardInterrupt):
        raise typer.Exit(INTERRUPTED)
    if stopped is not None:
        raise stopped


def show(envelope: Envelope, page: RenderableType, *, out: Path | None, as_json: bool) -> None:
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
