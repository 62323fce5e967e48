"""`vivavoce store`: where sessions and usage are kept, how it is, and what it takes to keep it so."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vivavoce.cli.figures import on_store, print_figures
from vivavoce.cli.plural import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vivavoce.errors import StoreError
    from vivavoce.store.database import Database

app = typer.Typer(help="Where sessions and their usage are kept.", no_args_is_help=True)

Config = Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]

_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Spool:
    """What waits for the store on this machine, and what the store has refused.

    `oldest_s` is since when nothing came into the file that waits longest, None where nothing waits.
    """

    files: int
    size_bytes: int
    oldest_s: float | None
    refused_rows: int

    def to_json(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "bytes": self.size_bytes,
            "oldest_s": self.oldest_s,
            "refused_rows": self.refused_rows,
        }

    def __str__(self) -> str:
        age = "" if self.oldest_s is None else f", the oldest for {_age(self.oldest_s)}"
        return f"{plural(self.files, 'file')}, {plural(self.size_bytes, 'byte')} wait for the store{age}"


@app.command()
def status(config: Config = None, as_json: Json = False) -> None:
    """Print where the store is, its schema, rows by table and what waits for it. Exit code 13 when it is away."""
    from vivavoce.config.load import load_settings
    from vivavoce.folders import state_dir
    from vivavoce.store.database import SCHEMA

    settings = load_settings(config)
    spool = _spool(state_dir() / "spool")
    where, schema, rows, error = on_store(settings, _look)
    if as_json:
        print_figures(
            "vivavoce store status",
            {
                "store": where,
                "schema": schema,
                "schema_newest": SCHEMA,
                "rows": rows,
                "spool": spool.to_json(),
            },
            settings,
            n=len(rows),
            void_reason=error.message if error else None,
        )
    else:
        than = "" if schema == SCHEMA else f", newer than {SCHEMA}" if schema > SCHEMA else f", older than {SCHEMA}"
        typer.echo(f"store   {where}\nschema  {'unknown' if error else schema + than if schema else 'none yet'}")
        typer.echo(f"spool   {spool}")
        if spool.refused_rows:
            refused = plural(spool.refused_rows, "refused row")
            typer.echo(f"        {refused}: see {state_dir() / 'spool' / 'refused.jsonl'}")
        _print_rows("rows", rows)
    if error is not None:
        raise error


@app.command()
def upgrade(config: Config = None) -> None:
    """Make the store, or bring its schema up to this program's; a session does so by itself when it begins."""
    from vivavoce.config.load import load_settings
    from vivavoce.store.database import SCHEMA

    async def work(database: Database) -> tuple[str, str]:
        before = await database.revision()
        await database.ready()
        return str(database), before

    where, before = on_store(load_settings(config), work)
    typer.echo(f"{where}: schema {SCHEMA}" + ("" if before == SCHEMA else f", was {before or 'none'}"))


@app.command()
def ship(config: Config = None, as_json: Json = False) -> None:
    """Put into the store what ended programs left in the spool; running ones ship their own. Exit code 13: away."""
    from vivavoce.config.load import load_settings
    from vivavoce.errors import StoreAway
    from vivavoce.folders import state_dir
    from vivavoce.store.outbox import OutboxStats, open_outbox

    async def work(database: Database) -> OutboxStats:
        await database.ready()
        async with open_outbox(database) as outbox:
            while not await outbox.swept(within_s=_PATIENCE_S):
                stats = outbox.stats()
                if (stats.away_ms or 0.0) >= 1000 * _PATIENCE_S:
                    raise StoreAway(
                        f"{database} went away; {plural(stats.shipped, 'row')} came into it before",
                        hint="the rest waits in the spool: try again",
                    )
            return outbox.stats()

    settings = load_settings(config)
    done = on_store(settings, work)
    spool = _spool(state_dir() / "spool")
    if as_json:
        figures = {"shipped": done.shipped, "refused": done.refused, "spool": spool.to_json()}
        print_figures("vivavoce store ship", figures, settings, n=done.shipped + done.refused)
        return
    typer.echo(f"shipped {plural(done.shipped, 'row')}" + (f", {done.refused} were refused" if done.refused else ""))
    typer.echo(f"spool   {spool}" + ("; running programs have them" if spool.files else ""))


@app.command()
def sweep(config: Config = None, as_json: Json = False) -> None:
    """Delete what has outlived itself (`\\[store.lifetime_days]`); what runs for long does so by itself."""
    from vivavoce.config.load import load_settings
    from vivavoce.store.lifetimes import sweep as swept

    settings = load_settings(config)
    days, now_ms = settings.store.lifetime_days.model_dump(), time.time_ns() // 1_000_000
    rows = on_store(settings, lambda database: swept(database, days, now_ms=now_ms))
    if as_json:
        print_figures("vivavoce store sweep", {"rows": rows}, settings, n=sum(rows.values()))
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
    """Erase what is known of one session, user or call, cases of the evaluation too.

    What waits in spools is not let in later.
    """
    from vivavoce.config.load import load_settings
    from vivavoce.evals.clip_cases import erase_cases, own_clips
    from vivavoce.store.erasure import Erased, erase_call, erase_session, erase_user

    if [bool(session), bool(user), bool(call)].count(True) != 1:
        raise typer.BadParameter("name one of them", param_hint="--session, --user or --call")
    settings = load_settings(config)
    whose = f"session {session}" if session else f"user {user}" if user else f"call {call}"
    if not yes:
        typer.confirm(f"Erase everything of {whose} from the store for good?", abort=True, err=True)

    async def work(database: Database) -> Erased:
        now_ms = time.time_ns() // 1_000_000
        if session:
            return await erase_session(database, session, now_ms=now_ms)
        if user:
            return await erase_user(database, user, now_ms=now_ms)
        return await erase_call(database, call)

    erased = on_store(settings, work)
    cases = erase_cases(own_clips(), user_id=user, session_id=session)
    if as_json:
        figures = {"rows": dict(erased.rows), "cases": cases, "scrubbed": erased.scrubbed}
        print_figures("vivavoce erase", figures, settings, n=sum(erased.rows.values()))
        return
    if any(erased.rows.values()):
        _print_rows("erased", erased.rows)
    elif not cases:
        typer.echo(f"nothing was known of {whose}")
    if cases:
        typer.echo(f"erased  {plural(cases, 'case')} of the evaluation, with sound")
    if not call:
        typer.echo("Rows that still wait in spools, here or elsewhere, will be left out of the store.")
    if not erased.scrubbed:
        typer.echo("Another process reads the store: its log on disk holds what was erased until that is done.")


async def _look(database: Database) -> tuple[str, str, dict[str, int], StoreError | None]:
    """Where it is, the schema's revision, rows by table where it is the newest, and what is wrong with the store."""
    from sqlalchemy import func, select

    from vivavoce.errors import StoreError
    from vivavoce.store.database import SCHEMA
    from vivavoce.store.tables import METADATA

    try:
        schema = await database.revision()
        if schema != SCHEMA:
            return str(database), schema, {}, None
        async with database.begin(read_only=True) as connection:
            rows = {
                name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                for name, table in METADATA.tables.items()
            }
        return str(database), schema, rows, None
    except StoreError as error:
        return str(database), "", {}, error


def _spool(folder: Path) -> _Spool:
    from vivavoce.store.journal import journals

    sizes, written_s = [], []
    for journal in journals(folder):
        with suppress(FileNotFoundError):  # it is shipped while we look
            for path in list(journal.glob("*.rows")):
                with suppress(FileNotFoundError):
                    found = path.stat()
                    if found.st_size:
                        sizes.append(found.st_size)
                        written_s.append(found.st_mtime)
    try:
        refused = (folder / "refused.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        refused = 0
    oldest_s = max(0.0, time.time() - min(written_s)) if written_s else None
    return _Spool(len(sizes), sum(sizes), oldest_s, refused)


def _age(seconds: float) -> str:
    for unit, length_s in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _print_rows(title: str, rows: Mapping[str, int]) -> None:
    for number, (name, count) in enumerate(rows.items()):
        typer.echo(f"{'' if number else title:7} {count:>9} {name}")
