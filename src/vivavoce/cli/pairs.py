"""`vivavoce translate --pairs`: what can be translated into what, and how well."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.table import Table

from vivavoce.providers.pairs import PairTable


def print_pairs(*, as_json: bool) -> None:
    routes = PairTable.load().routes()
    if as_json:
        rows = [
            {
                "source": route.source,
                "target": route.target,
                "hops": [str(hop) for hop in route.hops],
                "chrf": route.chrf,
                "measured_n": route.measured_n,
                "measured_on": route.measured_on,
            }
            for route in routes
        ]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table("pair", "route", "chrF", "n", "measured on", "note", box=None, header_style="bold")
    for route in routes:
        quality = "not measured" if route.chrf is None else f"{route.chrf:.1f}"
        hops = " → ".join(str(hop) for hop in route.hops)
        table.add_row(route.name, hops, quality, str(route.measured_n or ""), route.measured_on, route.note)
    Console().print(table)
