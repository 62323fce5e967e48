"""`vivavoce budget`: the latency contract on one page, beside what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vivavoce.contract.envelope import Envelope


def budget(
    profile: Annotated[
        str | None, typer.Option(help="hosted or embedded; the configured one when not given.", show_default=False)
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(help="Figures that --json has written; the last session's when not given.", show_default=False),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Print what each stage owes, what it took, and what is left."""
    from rich.console import Console

    from vivavoce.cli.figures import print_figures
    from vivavoce.config.load import load_settings
    from vivavoce.config.settings import config_hash
    from vivavoce.contract.figures import measured_stages
    from vivavoce.contract.page import BudgetPage

    settings = load_settings(config)
    chosen = settings.profile(profile)
    report, source = _measurements(measured)
    if report and report.config_hash != config_hash(settings):
        source += ", under another configuration"
    if report and not report.valid:
        source += f", void: {report.void_reason}"
    page = BudgetPage(chosen, measured_stages(report.figures) if report else {}, source)
    if not as_json:
        Console().print(page)
        return
    void_reason = report.void_reason if report else "not measured"
    print_figures("vivavoce budget", page.to_json(), settings, n=report.n if report else 0, void_reason=void_reason)


def _measurements(path: Path | None) -> tuple[Envelope | None, str]:
    """The figures to show, if any, and where they come from."""
    from vivavoce.contract.envelope import read_envelope
    from vivavoce.contract.last_run import load_last_run

    if path is not None:
        return read_envelope(path), str(path)
    last = load_last_run()
    if last is None:
        return None, ""
    return last.envelope, f"{last.envelope.command} of {last.source}, {last.at:%Y-%m-%d %H:%M} UTC"
