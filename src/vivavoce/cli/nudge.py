"""`vivavoce nudge`: a user tells what was wrong with a session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vivavoce.telemetry.kinds import Nudge


def nudge(
    session: Annotated[str, typer.Argument(help="The session's identifier, its first 8 letters, or last.")],
    kind: Annotated[
        Nudge, typer.Argument(help="The dub came too late, had to be fitted anew, or was exchanged for subtitles.")
    ],
    user: Annotated[
        str, typer.Option(help="Whose last session is meant; without it, the last of no user.", show_default=False)
    ] = "",
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
) -> None:
    """Note in your own store what was wrong with a session; nothing is noted where telemetry is off.

    `vivavoce usage --by session` lists the sessions. The last is the one that began last of those that go on or ended
    within the hour, else of all.
    """
    import time

    from vivavoce.cli.figures import on_store
    from vivavoce.config.load import load_settings
    from vivavoce.telemetry.keeping import wanted
    from vivavoce.telemetry.nudges import note_nudge

    settings = load_settings(config)
    if not wanted(settings.telemetry):
        typer.echo("telemetry is off: nothing was noted")
        return

    at_ms = round(time.time() * 1000)
    found = on_store(settings, lambda database: note_nudge(database, kind, session=session, user_id=user, at_ms=at_ms))
    if found is None:
        raise typer.BadParameter("the store knows no such session", param_hint="SESSION")
    typer.echo(f"noted: {kind}, session {found}")
