"""`vivavoce shadow`: how candidates did beside who was served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.figures import on_store, print_figures
from vivavoce.cli.since import since_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from vivavoce.config.settings import Settings
    from vivavoce.evals.shadow_report import Cap, Comparison, Spread

app = typer.Typer(help="Compare candidates that hear a share of the sessions.", no_args_is_help=True)


@app.command()
def report(
    leg: Annotated[str, typer.Option(help="stt, mt or tts; all when not given.", show_default=False)] = "",
    since: Annotated[str, typer.Option(help="How far back: 90m, 24h, 7d.")] = "24h",
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Print, for each candidate, latency, quality and cost beside those of who was served, and a verdict."""
    from rich.console import Console

    from vivavoce.config.load import load_settings
    from vivavoce.evals.shadow_report import compare
    from vivavoce.routing.shadow_rows import read_rows

    if leg not in ("", "stt", "mt", "tts"):
        raise typer.BadParameter("there are stt, mt and tts", param_hint="--leg")
    begin_ms = since_ms(since)
    settings = load_settings(config)
    rows = on_store(settings, lambda database: read_rows(database, since_ms=begin_ms, leg=leg))
    found = compare(rows, caps_of(settings))
    if as_json:
        print_figures(
            "vivavoce shadow report",
            {"since": since, "comparisons": [each.to_json() for each in found]},
            settings,
            n=sum(each.n for each in found),
            void_reason=None if found else "no shadow ran",
        )
        return
    console = Console(highlight=False, soft_wrap=True)
    if not found:
        console.print(f"no shadow ran within {since}: name candidates under \\[routes.stt.shadow]")
    for each in found:
        _print(console.print, each)


def caps_of(settings: Settings) -> Cap:
    """The caps that candidates' p95 are held against: those that would hold for them in the route."""
    from vivavoce.clock import SystemClock
    from vivavoce.routing.route import Route

    clock = SystemClock()

    def cap_ms(leg: str, engine: str) -> float | None:
        route = Route(leg, settings.routes.legs[leg], profile=settings.contract.resolve, clock=clock)
        return route.triggers(engine).cap_ms

    return cap_ms


def _print(write: Callable[..., None], each: Comparison) -> None:
    from rich.table import Table

    table = Table(
        "",
        each.primary,
        each.shadow,
        "difference",
        box=None,
        header_style="bold",
        title=f"{each.leg}: {each.shadow} beside {each.primary}, {each.n} pairs of {each.sessions} sessions",
        title_justify="left",
        title_style="bold",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name in ("p50", "p95"):
        difference = _ms(each.difference_ms, name, sign="+")
        if name == "p50" and (interval := each.difference_interval_ms) is not None:
            difference += f" ({interval.low:+.0f} to {interval.high:+.0f})"
        table.add_row(f"{name} ms", _ms(each.primary_ms, name), _ms(each.shadow_ms, name), difference)
    if each.primary_nano is not None and each.shadow_nano is not None:
        ratio = "" if each.cost_ratio is None else f"× {each.cost_ratio:.2f}"
        table.add_row("cost $", f"{each.primary_nano / 1e9:.6f}", f"{each.shadow_nano / 1e9:.6f}", ratio)
    write(table)
    told = []
    if each.wer_percent is not None:
        told.append(f"{each.wer_percent:.1f} % word errors against the primary's finals")
    if each.chrf is not None:
        told.append(f"chrF {each.chrf:.1f} against the primary's text")
    if each.length_ratio is not None:
        told.append(f"{each.length_ratio:.2f} times as long")
    told += [f"{count} void: {why}" for why, count in each.void.items()]
    for line in told:
        write(f"  {line}")
    write(f"  verdict: {each.verdict}\n")


def _ms(spread: Spread | None, name: str, *, sign: str = "") -> str:
    return "" if spread is None else f"{getattr(spread, name):{sign}.0f}"
