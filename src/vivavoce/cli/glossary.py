"""`vivavoce glossary`: terms whose renderings are locked, for everybody or for one user."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.figures import on_store, print_figures
from vivavoce.cli.plural import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vivavoce.accounts.glossaries import Entry
    from vivavoce.config.settings import Settings
    from vivavoce.store.database import Database

app = typer.Typer(help="Terms whose renderings are locked.", no_args_is_help=True)

Pair = Annotated[str, typer.Option(help="Languages, as in en-pt.", show_default=False)]
AnyPair = Annotated[str, typer.Option(help="Languages, as in en-pt; all pairs without.", show_default=False)]
User = Annotated[str, typer.Option(help="Whose glossary; everybody's without.", show_default=False)]
File = Annotated[Path, typer.Argument(help="A CSV or TSV file: term,rendering.", show_default=False)]
Config = Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


@app.command()
def add(
    term: Annotated[str, typer.Argument(help="As it is said.", show_default=False)],
    rendering: Annotated[str, typer.Argument(help="What it is in the other language.", show_default=False)],
    pair: Pair,
    user: User = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Lock a term, in place of its entry if there is one. Sessions that begin from now on take it."""
    from vivavoce.accounts.glossaries import entry_of

    source, target = _languages(pair)
    _check(user)
    entry = entry_of(term, rendering, source=source, target=target, user_id=user)
    _put("add", [entry], config=config, as_json=as_json)


@app.command()
def remove(
    pair: Pair,
    terms: Annotated[list[str] | None, typer.Argument(help="What to remove.", show_default=False)] = None,
    user: User = "",
    all_: Annotated[bool, typer.Option("--all", help="The whole glossary of the pair.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Unlock terms, whatever their case. Exit code 9 where one of them is not in the glossary."""
    from vivavoce.accounts import glossaries
    from vivavoce.errors import ConfigError

    if bool(terms) is all_:
        raise typer.BadParameter("one of the two", param_hint="TERMS and --all")
    source, target = _languages(pair)
    settings = _settings(config)
    wanted = None if all_ else terms
    count = on_store(settings, lambda database: glossaries.remove(database, user, source, target, wanted))
    if as_json:
        print_figures("vivavoce glossary remove", {"removed": count}, settings, n=count)
    else:
        typer.echo(f"removed {plural(count, 'term')}")
    asked = {" ".join(term.split()).casefold() for term in terms or ()}
    if count < len(asked):
        raise ConfigError(
            f"{len(asked) - count} of them were not in the glossary", hint="`vivavoce glossary list` shows what is"
        )


@app.command("list")
def list_(
    pair: AnyPair = "",
    user: Annotated[
        str | None, typer.Option(help='Whose glossary, "" for everybody\'s; all without.', show_default=False)
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print what is locked, by user and pair."""
    settings = _settings(config)
    found = _look(settings, user, pair)
    if as_json:
        rows = [
            {
                "user": entry.user_id,
                "pair": f"{entry.source}-{entry.target}",
                "term": entry.term,
                "rendering": entry.rendering,
            }
            for entry in found
        ]
        print_figures("vivavoce glossary list", {"entries": rows}, settings, n=len(rows))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not found:
        typer.echo("no term is locked")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("user", "pair", "term", "rendering"):
        table.add_column(heading)
    for entry in found:
        cells = (entry.user_id or "(everybody)", f"{entry.source}-{entry.target}", entry.term, entry.rendering)
        table.add_row(*map(Text, cells))
    Console(highlight=False).print(table)


@app.command("import")
def import_(
    file: File,
    pair: Pair,
    user: User = "",
    replace: Annotated[bool, typer.Option("--replace", help="Remove the pair's other terms.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Lock the terms of a file, all of them or, where a line is wrong, none."""
    from vivavoce.accounts.glossaries import entry_of
    from vivavoce.accounts.glossary_file import read_glossary
    from vivavoce.errors import ConfigError

    source, target = _languages(pair)
    _check(user)
    entries = [
        entry_of(term, rendering, source=source, target=target, user_id=user)
        for term, rendering in read_glossary(file).items()
    ]
    if not entries:
        raise ConfigError(f"{file} has no terms", hint="`vivavoce glossary remove --all` removes a glossary")
    _put("import", entries, config=config, as_json=as_json, only=(user, source, target) if replace else None)


@app.command()
def export(
    pair: Pair,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; the terminal without. Tabs for .tsv.", show_default=False)
    ] = None,
    user: User = "",
    config: Config = None,
) -> None:
    """Write a glossary as `import` reads it."""
    from vivavoce.accounts.glossary_file import has_tabs, write_glossary
    from vivavoce.errors import OutputError

    found = {entry.term: entry.rendering for entry in _look(_settings(config), user, pair)}
    text = write_glossary(found, tabs=file is not None and has_tabs(file))
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{file}: {error.strerror}", hint="name a file that can be written") from error


def _put(
    name: str,
    entries: Sequence[Entry],
    *,
    config: Path | None,
    as_json: bool,
    only: tuple[str, str, str] | None = None,
) -> None:
    from vivavoce.accounts import glossaries

    settings = _settings(config)
    now_ms = time.time_ns() // 1_000_000
    new, replaced, removed = on_store(
        settings, lambda database: glossaries.add(database, entries, now_ms=now_ms, only=only)
    )
    if as_json:
        figures = {"new": new, "replaced": replaced, "removed": removed}
        print_figures(f"vivavoce glossary {name}", figures, settings, n=len(entries))
        return
    gone = f", {removed} removed" if removed else ""
    typer.echo(f"{plural(new, 'new term')}, {replaced} replaced{gone}")


def _look(settings: Settings, user: str | None, pair: str) -> list[Entry]:
    from vivavoce.accounts import glossaries

    wanted = _languages(pair) if pair else None

    async def work(database: Database) -> list[Entry]:
        return await glossaries.entries(database, user, pair=wanted)

    return on_store(settings, work)


def _languages(pair: str) -> tuple[str, str]:
    from vivavoce.accounts.glossaries import check_pair

    source, _, target = pair.partition("-")
    check_pair(source, target)
    return source, target


def _check(user: str) -> None:
    """Raises ConfigError for a name that no session takes."""
    from vivavoce.accounts.accounts import SessionFacts

    SessionFacts("", "", user_id=user)


def _settings(config: Path | None) -> Settings:
    from vivavoce.config.load import load_settings

    return load_settings(config)
