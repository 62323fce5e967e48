"""`vivavoce prompts`: which versions of the translation prompt there are, and which is deployed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vivavoce.cli.figures import on_store, print_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vivavoce.config.settings import Settings
    from vivavoce.prompts.deployed import Deployment
    from vivavoce.store.database import Database

app = typer.Typer(help="Versions of the translation prompt, and which is deployed.", no_args_is_help=True)

Config = Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
_SHOWN = 12
"""Digits of a hash."""


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """Print the versions in the code, which of them is deployed, since when, and the house glossary's hash of then."""
    from vivavoce.config.load import load_settings
    from vivavoce.prompts import versions
    from vivavoce.prompts.mt import CURRENT

    settings = load_settings(config)
    rows, glossary = on_store(settings, _look)
    last = {row.version: row for row in rows}
    found = [_version(version, last.get(version), rows) for version in dict.fromkeys((*versions(), *last))]
    if as_json:
        figures = {
            "versions": found,
            "deployed": rows[-1].version if rows else None,
            "current": CURRENT,
            "house_glossary_hash": glossary,
            "deployments": [_row(row) for row in rows],
        }
        print_figures("vivavoce prompts list", figures, settings, n=len(found))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("", "version", "hash", "deployed (UTC)", "house glossary", "", box=SIMPLE_HEAD, pad_edge=False)
    for each in found:
        table.add_row(
            "▸" if each["in_force"] else "",
            each["version"],
            (each["hash"] or "")[:_SHOWN],
            _when(each["deployed_ms"]),
            "" if each["deployed_ms"] is None else each["glossary_hash"][:_SHOWN] or "none",
            each["problem"],
            style="bold" if each["in_force"] else "",
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    if not rows:
        console.print(f"none is deployed: sessions take {CURRENT}, the newest of this program")
    elif rows[-1].glossary_hash != glossary:
        console.print(f"the house glossary has changed since, to {glossary[:_SHOWN] or 'none'}")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A version.", show_default=False)],
    after: Annotated[str, typer.Argument(help="Another.", show_default=False)],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two versions' templates."""
    import difflib

    from vivavoce.prompts import mt_prompt

    one, other = mt_prompt(before), mt_prompt(after)
    lines = list(
        difflib.unified_diff(one.system.splitlines(), other.system.splitlines(), before, after, lineterm="", n=1)
    )
    if as_json:
        from vivavoce.config.load import load_settings

        hashes = {each.version: each.hash for each in (one, other)}
        changed = sum(line[0] in "+-" for line in lines[2:])
        figures = {"before": before, "after": after, "hashes": hashes, "diff": lines}
        print_figures("vivavoce prompts diff", figures, load_settings(config), n=changed)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for number, line in enumerate(lines):
        console.print(Text(line, style="bold" if number < 2 else colours.get(line[0], "")))
    if not lines:
        console.print(f"{before} and {after} are the same")


@app.command()
def stamp(
    version: Annotated[str, typer.Argument(help="The version to deploy.", show_default=False)],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Deploy a version: sessions that begin from now on take it. Those under way keep theirs.

    It is refused where its text is not what was stamped under that name before.
    """
    from vivavoce.config.load import load_settings
    from vivavoce.prompts.deployed import deploy

    settings = load_settings(config)
    row, new = on_store(settings, lambda database: deploy(database, version, now_ms=_now_ms()))
    if as_json:
        print_figures("vivavoce prompts stamp", {"deployed": _row(row), "new": new}, settings, n=1)
        return
    since = f"since {_when(row.deployed_ms)} UTC"
    typer.echo(f"{version} is deployed" + ("" if new else f", as it was {since}: nothing changed"))


@app.command()
def rollback(config: Config = None, as_json: Json = False) -> None:
    """Deploy again the version that was in force before the present one; twice is two back."""
    from vivavoce.config.load import load_settings
    from vivavoce.prompts.deployed import roll_back

    settings = load_settings(config)
    was, row = on_store(settings, lambda database: roll_back(database, now_ms=_now_ms()))
    if as_json:
        print_figures("vivavoce prompts rollback", {"was": _row(was), "deployed": _row(row)}, settings, n=1)
        return
    typer.echo(f"{row.version} is deployed again; {was.version} was, since {_when(was.deployed_ms)} UTC")


async def _look(database: Database) -> tuple[list[Deployment], str]:
    from vivavoce.prompts.deployed import deployments
    from vivavoce.prompts.house import house_hash

    rows = await deployments(database)
    async with database.begin(read_only=True) as connection:
        return rows, await house_hash(connection)


def as_deployed(settings: Settings) -> Settings:
    """A copy that names the prompt a session would have now. Raises ConfigError, StoreError."""
    from vivavoce.prompts.session import session_prompt, with_prompt

    version = on_store(settings, lambda database: session_prompt(settings, database))
    return with_prompt(settings, version)


def _version(version: str, row: Deployment | None, rows: Sequence[Deployment]) -> dict[str, Any]:
    """What is known of a version of the code, the store or both; `row` is its last."""
    from vivavoce.errors import ConfigError
    from vivavoce.prompts import mt_prompt, versions

    problem = ""
    try:
        if row is not None:
            row.prompt()
    except ConfigError:
        problem = "not what was stamped" if version in versions() else "not in this program"
    return {
        "version": version,
        "hash": mt_prompt(version).hash if version in versions() else None,
        "in_force": bool(rows) and rows[-1].version == version,
        "deployed_ms": row.deployed_ms if row else None,
        "glossary_hash": row.glossary_hash if row else None,
        "problem": problem,
    }


def _row(row: Deployment) -> dict[str, Any]:
    return {"version": row.version, "deployed_ms": row.deployed_ms, "glossary_hash": row.glossary_hash}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _when(at_ms: int | None) -> str:
    return "" if at_ms is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at_ms / 1000))
