"""Shadows of one `vivavoce translate`, and the wait for their comparison."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console

from vivavoce.clock import SystemClock
from vivavoce.config.routes import PAIRS
from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError
from vivavoce.evals.shadow_judge import ScoreJudge
from vivavoce.routing.shadow import Consent, Shadows
from vivavoce.routing.shadow_engines import ShadowEngines
from vivavoce.store.outbox import Outbox


@asynccontextmanager
async def shadowing(
    settings: Settings, consent: Consent, console: Console, *, session: str, user: str, outbox: Outbox, prompt: str
) -> AsyncIterator[Shadows]:
    """The shadows that are drawn for a session; where there are any, its identifier is told.

    Raises ConfigError for a consent to what is no engine.
    """
    unknown = (consent.providers or frozenset()) - {*settings.engines.paths, PAIRS}
    if unknown:
        raise ConfigError(
            f"--allow-shadow: no engine is named {', '.join(sorted(unknown))}",
            hint=f"there are {', '.join(settings.engines.paths)}",
        )
    engines = ShadowEngines(settings, prompt)
    shadows = Shadows(
        settings.routes.legs,
        session=session,
        user=user,
        consent=consent,
        make=engines.make,
        hosted=engines.hosted,
        clock=SystemClock(),
    )
    try:
        shadows.begin()
        yield shadows
    finally:
        await shadows.end()
    if shadows.runs:
        await _compare(shadows, console, outbox, settings.store.url)


async def _compare(shadows: Shadows, console: Console, outbox: Outbox, store: str) -> None:
    names = ", ".join(dict.fromkeys(f"{run.engine} ({run.leg})" for run in shadows.runs))
    console.print(f"comparing what {names} made of it; Ctrl-C leaves that out")
    task = asyncio.create_task(shadows.compare(outbox, store=store, judge=ScoreJudge()))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        await asyncio.wait([task])
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
    if isinstance(outcome, Exception):
        raise outcome
    if outcome is None:
        console.print(f"to forget it: vivavoce erase --session {shadows.session}")
