"""How far back a report goes, as the command line says it."""

from __future__ import annotations

import re
import time

import typer

_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SINCE = re.compile(r"(\d+(?:\.\d+)?)([mhd])")


def since_ms(text: str) -> int:
    """The moment since 1970 that is 90m, 24h or 7d ago. Raises BadParameter for what is written otherwise."""
    if (match := _SINCE.fullmatch(text)) is None:
        raise typer.BadParameter("write it like 90m, 24h or 7d", param_hint="--since")
    since = round(time.time() * 1000 - float(match[1]) * _MS[match[2]])
    if since < 0:
        raise typer.BadParameter("that is before 1970", param_hint="--since")
    return since
