"""`vivavoce eval add` and `vivavoce eval correct`: a user's correction, and the case that it becomes."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vivavoce.cli.figures import on_store, print_figures

if TYPE_CHECKING:
    from vivavoce.store.corrections import Correction
    from vivavoce.store.database import Database

_Pair = Annotated[str, typer.Option(help="Languages, as in en-pt.", show_default=False)]
_User = Annotated[str, typer.Option(help="Whose correction it is; nobody's without.", show_default=False)]
_Session = Annotated[str, typer.Option(help="The session that it was in.", show_default=False)]
_Config = Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


def add(
    sound: Annotated[Path, typer.Argument(help="What was said, up to two minutes of it.", show_default=False)],
    register: Annotated[str, typer.Option(help="conversational, lecture or banter.")] = "conversational",
    pair: _Pair = "",
    transcript: Annotated[str, typer.Option(help="Every word of it, as it was said.", show_default=False)] = "",
    reference: Annotated[str, typer.Option(help="Its translation, as it should be.", show_default=False)] = "",
    term: Annotated[
        list[str] | None,
        typer.Option(help="TERM=RENDERING that it must keep; repeatable.", show_default=False),
    ] = None,
    correction: Annotated[
        str, typer.Option(help="Take pair, texts and user from this correction.", show_default=False)
    ] = "",
    user: _User = "",
    session: _Session = "",
    to: Annotated[
        Path | None, typer.Option(help="Folder of clips, in place of one in your state folder.", show_default=False)
    ] = None,
    config: _Config = None,
    as_json: _Json = False,
) -> None:
    """Make a case of a sound and what it should have become: `vivavoce eval --clips FOLDER` replays it.

    The sound is copied. What is of a user or a session stays in the state folder, where `vivavoce erase` reaches it.
    """
    from vivavoce.config.load import load_settings
    from vivavoce.errors import ConfigError
    from vivavoce.evals.clip_cases import Case, add_case, own_clips
    from vivavoce.store.corrections import find_correction

    settings = load_settings(config)
    if correction:
        if pair or transcript or reference or user or session:
            raise typer.BadParameter("it tells pair, texts and user itself", param_hint="--correction")
        found = on_store(settings, lambda database: find_correction(database, correction))
        pair, user, session = f"{found.source}-{found.target}", found.user_id, found.session_id
        transcript, reference = found.source_text, found.corrected_text
    if to is not None and (user or session):
        raise ConfigError(
            "what is of a user or a session cannot go to another folder: `vivavoce erase` would not find it",
            hint="leave out --to, or --user and --session",
        )
    case = Case(
        sound=sound,
        pair=pair,
        register=register,
        transcript=transcript,
        reference=reference,
        terms=dict(_term(text) for text in term or ()),
        user_id=_name(user),
        session_id=session,
    )
    folder = to or own_clips()
    clip = add_case(case, folder)
    if as_json:
        figures = {"id": clip.id, "folder": str(folder), "duration_s": clip.duration_s, "sha256": clip.sha256}
        print_figures("vivavoce eval add", figures, settings, n=1)
        return
    typer.echo(f"{clip.id} ({clip.duration_s:.1f} s) is in {folder}\nreplay it with: vivavoce eval --clips {folder}")


def correct(
    pair: _Pair,
    said: Annotated[str, typer.Option(help="What was said.", show_default=False)],
    corrected: Annotated[str, typer.Option(help="What it should have become.", show_default=False)],
    became: Annotated[str, typer.Option(help="What it became.", show_default=False)] = "",
    user: _User = "",
    session: _Session = "",
    config: _Config = None,
    as_json: _Json = False,
) -> None:
    """Keep a user's correction in your own store; `vivavoce eval add SOUND --correction ID` makes a case of it."""
    from vivavoce.config.load import load_settings
    from vivavoce.errors import ConfigError
    from vivavoce.providers.pairs import PairTable
    from vivavoce.store.corrections import Correction

    source, _, target = pair.partition("-")
    PairTable.load().route(source, target)
    if not said.strip() or not corrected.strip():
        raise ConfigError("a correction without words", hint="give --said and --corrected")
    settings = load_settings(config)
    row = Correction(
        id=uuid.uuid4().hex,
        session_id=session,
        user_id=_name(user),
        at_ms=round(time.time() * 1000),
        source=source,
        target=target,
        source_text=said,
        hypothesis_text=became,
        corrected_text=corrected,
    )
    kept = on_store(settings, lambda database: _keep(database, row))
    if not kept:
        raise ConfigError("the session was erased: nothing is kept of it", hint="leave out --session")
    if as_json:
        print_figures("vivavoce eval correct", {"id": row.id}, settings, n=1)
    else:
        typer.echo(f"kept: {row.id}\nmake a case of it with: vivavoce eval add SOUND --correction {row.id}")


async def _keep(database: Database, row: Correction) -> bool:
    from vivavoce.store.corrections import keep_correction

    await database.ready()
    return await keep_correction(database, row)


def _term(text: str) -> tuple[str, str]:
    term, equals, rendering = text.partition("=")
    if not (term.strip() and equals and rendering.strip()):
        raise typer.BadParameter(f"TERM=RENDERING is needed, not {text!r}", param_hint="--term")
    return term.strip(), rendering.strip()


def _name(user: str) -> str:
    """The name itself. Raises ConfigError for one that no session takes."""
    from vivavoce.accounts.accounts import SessionFacts

    return SessionFacts("", "", user_id=user).user_id
