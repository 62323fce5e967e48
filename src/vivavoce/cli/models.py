"""`vivavoce models`: what weights there are, fetching and checking them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.errors import ModelDamaged, ModelMissing
from vivavoce.models import Model, ModelStore, State, WeightFile
from vivavoce.models.store import remedy

if TYPE_CHECKING:
    from vivavoce.models.web import Report

app = typer.Typer(help="List, fetch and check the weights of models.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Models; all of them by default.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list")
def list_models(*, as_json: Json = False) -> None:
    """Show every model: size, licence, and whether it is on this machine."""
    store = ModelStore()
    rows = {model: [store.check(model, file) for file in model.files] for model in store.manifest.models.values()}
    if as_json:
        _print_json([_model_row(store, model, states) for model, states in rows.items()])
        return
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(
        "model", "state", "MB", "licence", "about", title=f"cache: {store.root}", title_justify="left", box=SIMPLE
    )
    table.columns[2].justify = "right"
    for model, states in rows.items():
        table.add_row(model.id, _summary(states), f"{model.size_bytes / 1e6:.1f}", model.licence, model.about)
    _print_table(table)


@app.command()
def fetch(ids: Ids = None) -> None:
    """Bring models into the cache; what is there and whole is left alone, what was cut off goes on."""
    from vivavoce.models.fetch import fetch as fetch_into

    store = ModelStore()
    with _progress() as report:
        fetched = fetch_into(store, ids or (), report=report)
    size_mb = sum(path.stat().st_size for path in fetched) / 1e6
    typer.echo(f"{len(fetched)} files fetched ({size_mb:.1f} MB), all are in {store.root}")


@app.command()
def verify(ids: Ids = None, *, as_json: Json = False) -> None:
    """Read every file whole and compare its checksum. Exit code 6 when one is missing or damaged."""
    store = ModelStore()
    chosen = [store.model(model_id) for model_id in ids or store.manifest.models]
    rows = [(model, file, store.check(model, file, whole=True)) for model in chosen for file in model.files]
    if as_json:
        _print_json([_file_row(store, model, file, state) | {"model": model.id} for model, file, state in rows])
    else:
        from rich.box import SIMPLE
        from rich.table import Table

        table = Table("model", "file", "state", "MB", "SHA-256", box=SIMPLE)
        table.columns[3].justify = "right"
        for model, file, state in rows:
            table.add_row(model.id, file.name, _coloured(state), f"{file.size_bytes / 1e6:.1f}", file.sha256[:16])
        _print_table(table)
    _refuse_unless_whole(rows)


@app.command()
def path(
    model_id: Annotated[str, typer.Argument(metavar="ID")],
    file: Annotated[str | None, typer.Argument(help="One of the model's files; its folder when left out.")] = None,
) -> None:
    """Print where a model, or one of its files, lies."""
    store = ModelStore()
    typer.echo(store.path(model_id, file) if file else store.folder(model_id))


def _refuse_unless_whole(rows: list[tuple[Model, WeightFile, State]]) -> None:
    count = Counter(state for _, _, state in rows)
    wrong = [(model, file) for model, file, state in rows if state is not State.HERE]
    hint = "run: " + " && ".join(dict.fromkeys(remedy(model, file) for model, file in wrong))
    if count[State.DAMAGED]:
        raise ModelDamaged(f"{count[State.DAMAGED]} damaged and {count[State.MISSING]} missing files", hint=hint)
    if count[State.MISSING]:
        raise ModelMissing(f"{count[State.MISSING]} missing files", hint=hint)


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar for each download, and what is told of it."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
    from rich.table import Column

    name = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    with Progress(name, BarColumn(16), DownloadColumn(), TransferSpeedColumn(), expand=True) as progress:
        tasks: dict[str, TaskID] = {}

        def report(label: str, done_bytes: int, total_bytes: int | None) -> None:
            if label not in tasks:
                tasks[label] = progress.add_task(label, total=total_bytes)
            progress.update(tasks[label], completed=done_bytes, total=total_bytes)

        yield report


def _summary(states: list[State]) -> str:
    count = Counter(states)
    if len(count) == 1:
        return _coloured(states[0])
    return ", ".join(f"{count[state]} {_coloured(state)}" for state in State if count[state])


def _coloured(state: State) -> str:
    colour = {State.HERE: "green", State.MISSING: "yellow", State.DAMAGED: "red"}[state]
    return f"[{colour}]{state}[/{colour}]"


def _model_row(store: ModelStore, model: Model, states: list[State]) -> dict[str, object]:
    return {
        "id": model.id,
        "about": model.about,
        "licence": model.licence,
        "size_bytes": model.size_bytes,
        "files": [_file_row(store, model, file, state) for file, state in zip(model.files, states, strict=True)],
    }


def _file_row(store: ModelStore, model: Model, file: WeightFile, state: State) -> dict[str, object]:
    return {
        "file": file.name,
        "state": state,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "path": str(store.location(model, file)),
        "sources": [str(source) for source in file.sources],
    }


def _print_json(rows: list[dict[str, object]]) -> None:
    typer.echo(json.dumps(rows, indent=2))


def _print_table(table: object) -> None:
    from rich.console import Console

    Console().print(table)
