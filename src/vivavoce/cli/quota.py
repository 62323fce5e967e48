"""`vivavoce quota`: how much dub users may have, and have had, this month (UTC)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vivavoce.cli.figures import on_store, print_figures

if TYPE_CHECKING:
    from vivavoce.accounts.quotas import Reading, Stored
    from vivavoce.config.settings import Settings, SpendSettings
    from vivavoce.store.database import Database

app = typer.Typer(help="How much dub users may have in a month.", no_args_is_help=True)

User = Annotated[str, typer.Argument(help="The user's id.", show_default=False)]
Config = Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
_MOST_MINUTES = 31 * 24 * 60


@app.command()
def show(user: User, config: Config = None, as_json: Json = False) -> None:
    """Print what a user may have this month, has had and has left, and what today cost of its cap."""
    settings = _settings(config)
    _tell("show", settings, on_store(settings, lambda database: _look(database, [user])), as_json=as_json)


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """Print it for everybody who has a quota, a top-up of this month, or dub in it."""
    settings = _settings(config)
    _tell("list", settings, on_store(settings, lambda database: _look(database, None)), as_json=as_json)


@app.command("set")
def set_(
    user: User,
    dub_minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Dub in every month from now on; 0 for no cap.", show_default=False),
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Again what the configuration says.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Set how much dub a user may have. Sessions that run take it within \\[spend] refresh_s."""
    if (dub_minutes is None) is not default:
        raise typer.BadParameter("one of the two", param_hint="--dub-minutes and --default")
    from vivavoce.accounts.quotas import set_quota

    _check(user)
    settings = _settings(config)
    dub_ms = None if dub_minutes is None else _ms(dub_minutes)

    async def change(database: Database) -> Reading:
        await set_quota(database, user, dub_ms, now_ms=_now_ms())
        return await _look(database, [user])

    _tell("set", settings, on_store(settings, change), as_json=as_json)


@app.command("top-up")
def top_up(
    user: User,
    minutes: Annotated[float, typer.Option(help="More dub in this month.", show_default=False)],
    id_: Annotated[
        str, typer.Option("--id", help="Names the top-up: the same one again changes nothing.", show_default=False)
    ] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give a user more dub for this month. With --id it may be repeated, as a webhook of a payment may be."""
    import uuid

    from vivavoce.accounts import quotas

    _check(user)
    dub_ms = _ms(minutes)
    if dub_ms <= 0:
        raise typer.BadParameter("more than 0", param_hint="--minutes")
    settings = _settings(config)
    new = False

    async def change(database: Database) -> Reading:
        nonlocal new
        new = await quotas.top_up(database, user, dub_ms, id=id_ or uuid.uuid4().hex, now_ms=_now_ms())
        return await _look(database, [user])

    found = on_store(settings, change)
    _tell("top-up", settings, found, as_json=as_json, new=new)
    if not (new or as_json):
        typer.echo(f"{id_} was there before: nothing changed")


async def _look(database: Database, users: list[str] | None) -> Reading:
    from vivavoce.accounts.quotas import read, users_of_month

    now_ms = _now_ms()
    async with database.begin(read_only=True) as connection:
        if users is None:
            users = await users_of_month(connection, now_ms=now_ms)
        return await read(connection, now_ms=now_ms, users=users, total=True)


def _tell(name: str, settings: Settings, found: Reading, *, as_json: bool, **more: Any) -> None:
    figures = {user: _figures(stored, settings.spend) for user, stored in found.users.items()}
    everybody = _today(found.total_nano or 0, settings.spend.day_cap_usd)
    if as_json:
        shown = {"users": figures, "everybody": everybody, **more}
        print_figures(f"vivavoce quota {name}", shown, settings, n=len(figures))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="dub of this month, in minutes",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("user")
    for heading in ("quota", "added", "used", "left", "today, all legs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for user, row in figures.items():
        quota = "no cap" if row["quota_minutes"] == 0 else f"{row['quota_minutes']:,.2f}"
        left = "—" if row["left_minutes"] is None else f"{row['left_minutes']:,.2f}"
        table.add_row(
            Text(user or "(nobody)", no_wrap=True, overflow="ellipsis"),
            f"{quota} (default)" if row["default"] else quota,
            f"{row['topped_up_minutes']:,.2f}",
            f"{row['used_minutes']:,.2f}",
            left,
            _money(row),
        )
    console = Console(highlight=False)
    console.print(table)
    cap = "" if everybody["today_cap_usd"] else ", which has no cap"
    console.print(f"everybody's day: {_money(everybody)}{cap}")


def _money(today: dict[str, Any]) -> str:
    cap_usd = today["today_cap_usd"]
    return f"${today['today_usd']:,.4f}" + (f" of ${cap_usd:,.2f}" if cap_usd else "")


def _today(nano: int, cap_usd: float) -> dict[str, Any]:
    """What today cost, and its cap, None without one."""
    from vivavoce.ledger.prices import NANO_PER_DOLLAR

    return {"today_usd": nano / NANO_PER_DOLLAR, "today_cap_usd": cap_usd or None}


def _figures(stored: Stored, spend: SpendSettings) -> dict[str, Any]:
    """In minutes; `left` is None without a cap."""
    from vivavoce.accounts.quotas import MS_PER_MINUTE

    default_ms = _ms(spend.user_dub_minutes)
    allowed_ms = stored.allowed_ms(default_ms)
    left_ms = None if allowed_ms is None else max(0.0, allowed_ms - stored.used.dub_ms)
    return {
        "quota_minutes": (default_ms if stored.quota_ms is None else stored.quota_ms) / MS_PER_MINUTE,
        "default": stored.quota_ms is None,
        "topped_up_minutes": stored.top_up_ms / MS_PER_MINUTE,
        "used_minutes": stored.used.dub_ms / MS_PER_MINUTE,
        "left_minutes": None if left_ms is None else left_ms / MS_PER_MINUTE,
        **_today(round(stored.used.cost_nano), spend.user_day_cap_usd),
    }


def _check(user: str) -> None:
    """Raises ConfigError for a name that no session takes."""
    from vivavoce.accounts.accounts import SessionFacts

    SessionFacts("", "", user_id=user)


def _settings(config: Path | None) -> Settings:
    from vivavoce.config.load import load_settings

    return load_settings(config)


def _ms(minutes: float) -> int:
    if not minutes <= _MOST_MINUTES:
        raise typer.BadParameter(f"a month has at most {_MOST_MINUTES} minutes", param_hint="minutes")
    return round(minutes * 60_000)


def _now_ms() -> int:
    return round(time.time() * 1000)
