"""`vivavoce cost`: what an hour costs, by leg, and whether that is what was published; the same from real usage."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vivavoce.cli.since import since_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from rich.console import RenderableType

    from vivavoce.config.settings import Settings
    from vivavoce.cost.actual import Actual
    from vivavoce.cost.report import CostReport
    from vivavoce.cost.what_if import Known
    from vivavoce.ledger.prices import Fee, Prices

MARGINS = ("0", "50")


def cost(
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE: stt.price=x2, tts.engine=elevenlabs, duty=0.8 …; a wrong key lists all. Repeatable.",
            show_default=False,
        ),
    ] = None,
    profile: Annotated[str, typer.Option(help="The set of published defaults: newer or older.")] = "newer",
    plan: Annotated[
        list[str] | None,
        typer.Option(help="What a user pays a month, in dollars; repeatable.", show_default="the published plan"),
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(help="A gross margin to be kept, in percent; repeatable.", show_default=", ".join(MARGINS)),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this SVG file.", show_default=False)] = None,
    prices: Annotated[
        Path | None, typer.Option(help="A file of prices instead of the packaged one.", show_default=False)
    ] = None,
    at: Annotated[str, typer.Option(help="The day whose prices hold: 2026-05-31.", show_default="today")] = "",
    actual: Annotated[bool, typer.Option("--actual", help="The same from real usage, beside the model's.")] = False,
    since: Annotated[str, typer.Option(help="With --actual, how far back: 90m, 24h, 30d.")] = "30d",
    user: Annotated[str, typer.Option(help="With --actual, of one user.", show_default=False)] = "",
    reprice: Annotated[
        bool, typer.Option("--reprice", help="With --actual, at the prices in force now instead of each row's own.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Print what an hour costs by leg, each published sensitivity beside the model's own, and what plans carry."""
    from vivavoce.cli.cost_actual import actual_page
    from vivavoce.cli.cost_page import page
    from vivavoce.config.load import load_settings
    from vivavoce.cost.report import cost_report
    from vivavoce.cost.what_if import parse_what_ifs
    from vivavoce.ledger.prices import packaged_prices, read_prices

    settings = load_settings(config)
    if not actual and (user or reprice):
        raise typer.BadParameter("only with --actual", param_hint="--user, --reprice")
    charged = packaged_prices() if prices is None else read_prices(prices)
    known = _known(settings, charged)
    report = partial(
        cost_report,
        charged,
        profile=profile,
        at_ms=_moment_ms(at) if at else None,
        what_ifs=parse_what_ifs(what_if or (), known),
        plans=[_plan(text) for text in plan or ()],
        margins=[_margin(text) for text in margin or MARGINS],
    )
    model = report()
    if not actual:
        _draw(model, None, plot)
        _show(
            "vivavoce cost", settings, model.to_json(), len(model.sensitivities), lambda: page(model), as_json=as_json
        )
    else:
        found = asyncio.run(_read(settings.store.url, since_ms(since), user))
        repriced = charged if reprice else None
        use = found.as_use(model.use, repriced, at_ms=model.model.at_ms)
        measured = None if use is None else report(use=use)
        if measured is not None:
            _draw(measured, model, plot)
        elif plot is not None:
            typer.echo(f"not drawn: {found.lacks}", err=True)
            plot = None
        figures = {
            "since": since,
            "user": user,
            **found.to_json(model.use, repriced, at_ms=model.model.at_ms),
            "report": None if measured is None else measured.to_json(),
            "model": model.to_json(),
        }
        _show(
            "vivavoce cost --actual",
            settings,
            figures,
            found.rows,
            lambda: actual_page(found, measured, model, since, user, repriced),
            as_json=as_json,
            void_reason=None if found.rows else "no usage",
        )
    if plot is not None and not as_json:
        typer.echo(f"drawn into {plot}")


def _show(
    command: str,
    settings: Settings,
    figures: dict[str, Any],
    n: int,
    page: Callable[[], RenderableType],
    *,
    as_json: bool,
    void_reason: str | None = None,
) -> None:
    from rich.console import Console

    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose

    if as_json:
        envelope = enclose(command, figures, config_hash=config_hash(settings), n=n, void_reason=void_reason)
        typer.echo(envelope.to_text(), nl=False)
    else:
        Console(highlight=False).print(page())


async def _read(store: str, since_ms: float, user: str) -> Actual:
    from vivavoce.cost.actual import read_actual
    from vivavoce.store.database import Database

    async with aclosing(Database(store)) as database:
        return await read_actual(database, since_ms=since_ms, user_id=user)


def _known(settings: Settings, prices: Prices) -> Known:
    """Engines that have a price or are configured, and who comes first in each tier."""
    from vivavoce.config.routes import TIERS
    from vivavoce.cost.what_if import USUAL_TIER, Known

    tiers = {
        tier: {
            leg: route.order_of("" if tier == USUAL_TIER else tier)[0] for leg, route in settings.routes.legs.items()
        }
        for tier in (USUAL_TIER, *TIERS)
    }
    names = [*prices.engines, *settings.engines.paths, *(name for name in prices.identities if "@" in name)]
    return Known(tuple(dict.fromkeys(names)), tiers)


def _plan(text: str) -> Fee:
    from vivavoce.ledger.prices import Fee, nano_dollars

    return Fee(f"${text.lstrip('$')}", "", nano_dollars(text.lstrip("$")), "", "")


def _margin(text: str) -> Fraction:
    from fractions import Fraction

    try:
        share = Fraction(text.removesuffix("%")) / 100
    except (ValueError, ZeroDivisionError):
        share = Fraction(1)
    if share >= 1:
        raise typer.BadParameter(f"{text} is no margin below 100 percent", param_hint="--margin")
    return share


def _moment_ms(day: str) -> float:
    """The end of a day (UTC)."""
    from datetime import UTC, datetime, timedelta

    try:
        begins = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise typer.BadParameter("write it like 2026-05-31", param_hint="--at") from None
    return (begins + timedelta(days=1)).timestamp() * 1000 - 1


def _draw(report: CostReport, beside: CostReport | None, path: Path | None) -> None:
    if path is None:
        return
    from vivavoce.audio.sinks import check_output, output_error
    from vivavoce.cli.cost_plot import drawing

    check_output(path)
    try:
        path.write_text(drawing(report, beside), encoding="utf-8")
    except OSError as error:
        raise output_error(path, error) from None
