"""`vivavoce routes`: who serves each leg now, how the engines are, and the way back to the configuration before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from vivavoce.config.settings import Settings
    from vivavoce.routing.board import LegStatus, ProcessStatus

app = typer.Typer(help="Who serves each leg now, and how the engines are.", invoke_without_command=True)

Config = Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)]


@app.callback()
def routes(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every second until Ctrl-C.")] = False,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Print for each leg who serves it, the engines' health, p50 and p95 against the cap, breakers and shares.

    It is what running processes tell; while nothing runs it is the order of the configuration.
    """
    if context.invoked_subcommand is not None:
        return
    if watch and as_json:
        raise typer.BadParameter("one or the other", param_hint="--watch with --json")
    from vivavoce.config.load import load_settings
    from vivavoce.routing.board import running

    settings = load_settings(config)
    if as_json:
        _print_json(settings, running())
    elif watch:
        _watch(settings)
    else:
        from rich.console import Console

        Console(highlight=False).print(_page(settings, running()))


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="A configuration file.", show_default=False)]) -> None:
    """Say whether a configuration file would be taken, without taking it."""
    from rich.console import Console
    from rich.markup import escape

    from vivavoce.config.load import read_settings

    settings = read_settings(file)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{escape(str(file))}: nothing is wrong with it")
    for leg, route in settings.routes.legs.items():
        console.print(escape(f"{leg:4} {' → '.join(route.order)}"))


@app.command("rollback")
def rollback(config: Config = None) -> None:
    """Go back to the configuration file that was in force before; running processes take it within a second."""
    from rich.console import Console
    from rich.markup import escape

    from vivavoce.config.kept import KeptFiles
    from vivavoce.config.load import find_config, read_settings
    from vivavoce.errors import ConfigError

    path = find_config(config)
    if path is None:
        raise ConfigError(
            "no configuration file is in force: the packaged settings hold", hint="name one with --config"
        )
    kept = KeptFiles(path)
    read_settings(kept.before())  # one that would be refused now does not replace anything
    copy = kept.roll_back()
    console = Console(highlight=False, soft_wrap=True)
    console.print(escape(f"{path} is again what it was before ({copy.name} of {copy.parent})"))
    if kept.replaced.exists():
        console.print(escape(f"what it was until now: {kept.replaced}"))


def _watch(settings: Settings) -> None:
    import time

    from rich.console import Console
    from rich.live import Live

    from vivavoce.routing.board import running

    with Live(console=Console(highlight=False), auto_refresh=False, screen=False) as live:
        while True:
            live.update(_page(settings, running()), refresh=True)
            time.sleep(1)


def _print_json(settings: Settings, processes: list[ProcessStatus]) -> None:
    from pydantic import TypeAdapter

    from vivavoce.cli.figures import print_figures
    from vivavoce.routing.board import ProcessStatus as Status

    figures = {
        "configured": {leg: route.order for leg, route in settings.routes.legs.items()},
        "processes": TypeAdapter(list[Status]).dump_python(processes, mode="json"),
    }
    void_reason = None if processes else "nothing is running"
    print_figures("vivavoce routes", figures, settings, n=len(processes), void_reason=void_reason)


def _page(settings: Settings, processes: list[ProcessStatus]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    if not processes:
        lines = [f"{leg:4} {' → '.join(route.order)}" for leg, route in settings.routes.legs.items()]
        return Group(Text("nothing is running; the order of the configuration:"), *map(Text, lines))
    return Group(*(part for process in processes for part in _of_process(process)))


def _of_process(process: ProcessStatus) -> list[RenderableType]:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{process.command}, process {process.pid} (ms)", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("leg", "engine", "breaker"):
        table.add_column(heading, no_wrap=True)
    for heading in ("p50 / p95", "cap", "n", "streams", "share", "failed"):
        table.add_column(heading, justify="right", no_wrap=True)
    reasons = []
    for leg in process.legs:
        _rows(table, leg)
        table.add_section()
        reasons += [Text(f"{status.engine} failed last: {status.reason}") for status in leg.engines if status.reason]
    return [table, *reasons, Text("▸ serves the leg now; the engines stand in the order of the configuration")]


def _rows(table: Table, leg: LegStatus) -> None:
    from rich.text import Text

    name = f"{leg.leg} ({leg.tier})" if leg.tier else leg.leg
    for status in leg.engines:
        serves = status.engine == leg.serving
        wait = f" {status.retry_in_s:.0f} s" if status.retry_in_s else ""
        over = status.cap_ms is not None and status.p95_ms is not None and status.p95_ms > status.cap_ms
        table.add_row(
            name if status.position == 1 else "",
            Text(f"{'▸' if serves else ' '} {status.engine}"),
            Text(f"{status.breaker}{wait}", style="green" if status.breaker == "closed" else "red"),
            Text(f"{_ms(status.p50_ms)} / {_ms(status.p95_ms)}", style="red" if over else ""),
            _ms(status.cap_ms),
            str(status.n),
            str(status.serving),
            f"{status.share:.0%}" if status.serving else "—",
            str(status.failed),
            style="bold" if serves else "",
        )


def _ms(value: float | None) -> str:
    return "—" if value is None else f"{value:.0f}"
