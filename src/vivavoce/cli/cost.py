"""`vivavoce cost`: what an hour costs, by leg, and whether that is what was published; or what was really spent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.since import since_ms

if TYPE_CHECKING:
    from fractions import Fraction

    from vivavoce.config.settings import Settings
    from vivavoce.ledger.actual import Actual
    from vivavoce.ledger.cost_report import CostReport
    from vivavoce.ledger.prices import Fee, Prices
    from vivavoce.ledger.what_if import Known

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
    actual: Annotated[bool, typer.Option("--actual", help="What was really spent, from the usage ledger.")] = False,
    since: Annotated[str, typer.Option(help="With --actual, how far back: 90m, 24h, 30d.")] = "30d",
    user: Annotated[str, typer.Option(help="With --actual, of one user.", show_default=False)] = "",
    reprice: Annotated[
        bool, typer.Option("--reprice", help="With --actual, what the same would cost at today's prices, beside it.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Print what an hour costs by leg, each published sensitivity beside the model's own, and what plans carry."""
    from vivavoce.config.load import load_settings
    from vivavoce.ledger.cost_report import cost_report
    from vivavoce.ledger.prices import packaged_prices, read_prices
    from vivavoce.ledger.what_if import parse_what_ifs

    settings = load_settings(config)
    charged = packaged_prices() if prices is None else read_prices(prices)
    if actual:
        if what_if or plot or plan or margin or at:
            raise typer.BadParameter("it takes --since, --user, --reprice and --profile alone", param_hint="--actual")
        _actual(settings, charged, profile, since, user, reprice, as_json)
        return
    if user or reprice:
        raise typer.BadParameter("only with --actual", param_hint="--user, --reprice")
    known = _known(settings, charged)
    report = cost_report(
        charged,
        profile=profile,
        at_ms=_moment_ms(at) if at else None,
        what_ifs=parse_what_ifs(what_if or (), known),
        plans=[_plan(text) for text in plan or ()],
        margins=[_margin(text) for text in margin or MARGINS],
    )
    if plot is not None:
        _draw(report, plot)
    _show(report, settings, as_json=as_json)
    if plot is not None and not as_json:
        typer.echo(f"drawn into {plot}")


def _show(report: CostReport, settings: Settings, *, as_json: bool) -> None:
    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose

    if not as_json:
        from rich.console import Console

        from vivavoce.cli.cost_page import page

        Console(highlight=False).print(page(report))
        return
    envelope = enclose(
        "vivavoce cost", report.to_json(), config_hash=config_hash(settings), n=len(report.sensitivities)
    )
    typer.echo(envelope.to_text(), nl=False)


def _actual(
    settings: Settings, prices: Prices, profile: str, since: str, user: str, reprice: bool, as_json: bool
) -> None:
    import asyncio

    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose
    from vivavoce.ledger.actual import read_actual
    from vivavoce.ledger.cost_report import cost_report
    from vivavoce.store.database import Database

    begin_ms = since_ms(since)

    async def read() -> Actual:
        database = Database(settings.store.url)
        try:
            return await read_actual(database, since_ms=begin_ms, user_id=user)
        finally:
            await database.aclose()

    found = asyncio.run(read())
    model = cost_report(prices, profile=profile)
    if as_json:
        envelope = enclose(
            "vivavoce cost --actual",
            {"since": since, "user": user, **found.to_json(model.use, prices if reprice else None)},
            config_hash=config_hash(settings),
            n=found.rows,
            void_reason=None if found.rows else "no usage",
        )
        typer.echo(envelope.to_text(), nl=False)
        return
    from rich.console import Console

    from vivavoce.cli.cost_actual import page

    Console(highlight=False).print(page(found, model, since, user, prices if reprice else None))


def _known(settings: Settings, prices: Prices) -> Known:
    """Engines that have a price or are configured, and who comes first in each tier."""
    from vivavoce.config.routes import TIERS
    from vivavoce.ledger.what_if import USUAL_TIER, Known

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


def _draw(report: CostReport, path: Path) -> None:
    from vivavoce.cli.cost_plot import drawing
    from vivavoce.errors import OutputError

    try:
        path.write_text(drawing(report), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}", hint="name a file that can be written") from None
