"""`vivavoce store`: where sessions and usage are kept, how it is, and what it takes to keep it so."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vivavoce.config.settings import Settings
    from vivavoce.errors import StoreError
    from vivavoce.store.database import Database

app = typer.Typer(help="Where sessions and their usage are kept.", no_args_is_help=True)

Config = Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


@dataclass(frozen=True, slots=True)
class _Spool:
    """What waits for the store on this machine, and what the store has refused."""

    files: int
    size_bytes: int
    refused_rows: int


@app.command()
def status(config: Config = None, as_json: Json = False) -> None:
    """Print where the store is, its schema, rows by table and what waits for it. Exit code 13 when it is away."""
    from contextlib import aclosing

    from vivavoce.config.load import load_settings
    from vivavoce.folders import state_dir
    from vivavoce.store.database import SCHEMA, Database

    settings = load_settings(config)
    spool = _spool(state_dir() / "spool")

    async def look() -> tuple[str, str, dict[str, int], StoreError | None]:
        async with aclosing(Database(settings.store.url)) as database:
            return str(database), *await _look(database)

    where, schema, rows, error = asyncio.run(look())
    if as_json:
        _print_json(
            "vivavoce store status",
            {
                "store": where,
                "schema": schema,
                "schema_newest": SCHEMA,
                "rows": rows,
                "spool": {"files": spool.files, "bytes": spool.size_bytes, "refused_rows": spool.refused_rows},
            },
            settings,
            n=len(rows),
            void_reason=error.message if error else None,
        )
    else:
        than = "" if schema == SCHEMA else f", newer than {SCHEMA}" if schema > SCHEMA else f", older than {SCHEMA}"
        typer.echo(f"store   {where}\nschema  {'unknown' if error else schema + than if schema else 'none yet'}")
        typer.echo(f"spool   {spool.files} files, {spool.size_bytes} bytes wait for the store")
        if spool.refused_rows:
            typer.echo(f"        {spool.refused_rows} rows were refused: see {state_dir() / 'spool' / 'refused.jsonl'}")
        _print_rows("rows", rows)
    if error is not None:
        raise error


@app.command()
def upgrade(config: Config = None) -> None:
    """Make the store, or bring its schema up to this program's; a session does so by itself when it begins."""
    from contextlib import aclosing

    from vivavoce.config.load import load_settings
    from vivavoce.store.database import SCHEMA, Database

    settings = load_settings(config)

    async def work() -> tuple[str, str]:
        async with aclosing(Database(settings.store.url)) as database:
            before = await database.revision()
            await database.ready()
            return str(database), before

    where, before = asyncio.run(work())
    typer.echo(f"{where}: schema {SCHEMA}" + ("" if before == SCHEMA else f", was {before or 'none'}"))


@app.command()
def sweep(config: Config = None, as_json: Json = False) -> None:
    """Delete what has outlived itself (`[store.lifetime_days]`); what runs for long does so by itself."""
    from contextlib import aclosing

    from vivavoce.config.load import load_settings
    from vivavoce.store.database import Database
    from vivavoce.store.lifetimes import sweep as swept

    settings = load_settings(config)

    async def work() -> dict[str, int]:
        async with aclosing(Database(settings.store.url)) as database:
            return await swept(database, settings.store.lifetime_days.model_dump(), now_ms=time.time_ns() // 1_000_000)

    rows = asyncio.run(work())
    if as_json:
        _print_json("vivavoce store sweep", {"rows": rows}, settings, n=sum(rows.values()))
    else:
        _print_rows("deleted", rows)


def erase(
    session: Annotated[str, typer.Option(help="A session's identity.", show_default=False)] = "",
    user: Annotated[str, typer.Option(help="A user's name.", show_default=False)] = "",
    call: Annotated[str, typer.Option(help="A telephone call's CallSid: its state.", show_default=False)] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Erase from the store what is known of one session, user or call. What waits in spools is not let in later."""
    from contextlib import aclosing

    from vivavoce.config.load import load_settings
    from vivavoce.store.database import Database
    from vivavoce.store.erasure import Erased, erase_call, erase_session, erase_user

    if [bool(session), bool(user), bool(call)].count(True) != 1:
        raise typer.BadParameter("name one of them", param_hint="--session, --user or --call")
    settings = load_settings(config)
    if not yes:
        whose = f"session {session}" if session else f"user {user}" if user else f"call {call}"
        typer.confirm(f"Erase everything of {whose} from the store for good?", abort=True, err=True)

    async def work() -> Erased:
        now_ms = time.time_ns() // 1_000_000
        async with aclosing(Database(settings.store.url)) as database:
            if session:
                return await erase_session(database, session, now_ms=now_ms)
            if user:
                return await erase_user(database, user, now_ms=now_ms)
            return await erase_call(database, call)

    erased = asyncio.run(work())
    if as_json:
        figures = {"rows": dict(erased.rows), "scrubbed": erased.scrubbed}
        _print_json("vivavoce erase", figures, settings, n=sum(erased.rows.values()))
        return
    _print_rows("erased", erased.rows)
    if not call:
        typer.echo("Rows that still wait in spools, here or elsewhere, will be left out of the store.")
    if not erased.scrubbed:
        typer.echo("Another process reads the store: its log on disk holds what was erased until that is done.")


async def _look(database: Database) -> tuple[str, dict[str, int], StoreError | None]:
    """The schema's revision, rows by table where it is the newest, and what is wrong with the store."""
    from sqlalchemy import func, select

    from vivavoce.errors import StoreError
    from vivavoce.store.database import SCHEMA
    from vivavoce.store.tables import METADATA

    try:
        schema = await database.revision()
        if schema != SCHEMA:
            return schema, {}, None
        async with database.begin(read_only=True) as connection:
            rows = {
                name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                for name, table in METADATA.tables.items()
            }
        return schema, rows, None
    except StoreError as error:
        return "", {}, error


def _spool(folder: Path) -> _Spool:
    files = [path.stat().st_size for path in folder.glob("*/*.rows")]
    try:
        refused = (folder / "refused.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        refused = 0
    return _Spool(len(files), sum(files), refused)


def _print_rows(title: str, rows: Mapping[str, int]) -> None:
    for number, (name, count) in enumerate(rows.items()):
        typer.echo(f"{'' if number else title:7} {count:>9} {name}")


def _print_json(
    command: str, figures: dict[str, Any], settings: Settings, *, n: int, void_reason: str | None = None
) -> None:
    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose

    envelope = enclose(command, figures, config_hash=config_hash(settings), n=n, void_reason=void_reason)
    typer.echo(envelope.to_text(), nl=False)
