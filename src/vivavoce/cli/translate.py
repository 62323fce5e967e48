"""`vivavoce translate`: a file or a microphone, interpreted live."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vivavoce.cli.tiers import TierOption


class Mode(StrEnum):
    DUB = "dub"
    SUBTITLES = "subtitles"


def translate(
    source: Annotated[str | None, typer.Argument(help="A sound or video file, or mic.", show_default=False)] = None,
    from_: Annotated[str, typer.Option("--from", help="Language that is spoken, or auto.")] = "auto",
    to: Annotated[str, typer.Option("--to", help="Language to interpret into.")] = "pt",
    voice: Annotated[
        str, typer.Option(help="Engine, voice, or engine:voice (kokoro:pm_alex, espeak).", show_default=False)
    ] = "",
    dub: Annotated[Path | None, typer.Option(help="Write the dub here (WAV).", show_default=False)] = None,
    mix: Annotated[
        Path | None, typer.Option(help="Write the dub over the ducked original here (WAV).", show_default=False)
    ] = None,
    subtitles: Annotated[Path | None, typer.Option(help="Write WebVTT here.", show_default=False)] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.", show_default=False)] = None,
    mode: Annotated[Mode, typer.Option(help="dub, or subtitles only.")] = Mode.DUB,
    pace: Annotated[
        bool, typer.Option("--pace/--no-pace", help="Play a file as live, or take it as fast as it goes.")
    ] = True,
    play: Annotated[
        bool,
        typer.Option("--play", help="Play the mix on the speaker. With mic the dub is played anyway: wear headphones."),
    ] = False,
    device: Annotated[str | None, typer.Option(help="Microphone to use with mic.", show_default=False)] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="List the language pairs and leave.")] = False,
    tier: TierOption = None,
    user: Annotated[
        str, typer.Option(help="Whose glossary holds, and whom usage and caps are counted for.", show_default=False)
    ] = "",
    glossary: Annotated[
        Path | None,
        typer.Option(help="Lock the terms of this file too (CSV or TSV: term,rendering).", show_default=False),
    ] = None,
    app: Annotated[
        str, typer.Option(help="Application whose sound this is, for the ledger and profiles.", show_default=False)
    ] = "",
    allow_shadow: Annotated[
        str,
        typer.Option(
            help="Candidates that may hear this session unheard: all, or NAME,NAME; none by default.",
            show_default=False,
        ),
    ] = "",
    metrics: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of this machine for Prometheus, meanwhile.", show_default=False),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Interpret speech: a dubbed voice and subtitles in another language while someone speaks.

    Exit codes: 3 the sound cannot be read, 4 no speech in it, 5 language or pair, 6 models, 7 device, 8 an output could
    not be written, 9 configuration, 10 an engine, 130 interrupted. What was finished before is kept.
    """
    if pairs:
        from vivavoce.cli.pairs import print_pairs

        print_pairs(as_json=as_json)
        return
    if source is None:
        raise typer.BadParameter("name a file, or mic", param_hint="SOURCE")
    if mode is Mode.SUBTITLES and (dub or mix):
        raise typer.BadParameter("subtitles only: there is no dub to write", param_hint="--mode")
    if play and not pace:
        raise typer.BadParameter("a speaker plays at its own pace", param_hint="--play with --no-pace")
    from vivavoce.cli.live import Job, run_job
    from vivavoce.routing.shadow import Consent

    run_job(
        Job(
            source=source,
            spoken=from_,
            target=to,
            voice=voice,
            dub=dub,
            mix=mix,
            subtitles=subtitles,
            report=report,
            dubbed=mode is Mode.DUB,
            paced=pace,
            play=play,
            device=device,
            config=config,
            tier=tier or "",
            user=user,
            glossary=glossary,
            app=app,
            consent=Consent.parse(allow_shadow),
            as_json=as_json,
            metrics_port=metrics,
        )
    )
