"""`vivavoce nudge`: a user tells what was wrong with a session."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Kind(StrEnum):
    """As `vivavoce.telemetry.keeping.Nudge` has them."""

    LATE = "late"
    RESYNC = "resync"
    MODE = "mode"


def nudge(
    session: Annotated[str, typer.Argument(help="The session's identifier, or last.")],
    kind: Annotated[
        Kind, typer.Argument(help="The dub came too late, had to be fitted anew, or was exchanged for subtitles.")
    ],
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
) -> None:
    """Note in your own store what was wrong with a session; nothing is noted where telemetry is off."""
    import asyncio
    import time
    from contextlib import aclosing

    from vivavoce.config.load import load_settings
    from vivavoce.store.database import Database
    from vivavoce.telemetry.keeping import wanted
    from vivavoce.telemetry.nudges import note_nudge

    settings = load_settings(config)
    if not wanted(settings.telemetry):
        typer.echo("telemetry is off: nothing was noted")
        return

    async def note() -> str | None:
        async with aclosing(Database(settings.store.url)) as database:
            return await note_nudge(database, kind.value, session=session, at_ms=round(time.time() * 1000))

    if (found := asyncio.run(note())) is None:
        raise typer.BadParameter("the store knows no such session", param_hint="SESSION")
    typer.echo(f"noted: {kind.value}, session {found}")
