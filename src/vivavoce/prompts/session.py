"""Which prompt a session's translators are given where the configuration names none."""

from __future__ import annotations

import inspect

from vivavoce.config.engines import engine_class
from vivavoce.config.routes import PAIRS
from vivavoce.config.settings import Settings
from vivavoce.errors import LegUnavailable
from vivavoce.prompts.deployed import in_force
from vivavoce.prompts.mt import CURRENT
from vivavoce.store.database import Database


async def session_prompt(settings: Settings, database: Database) -> str:
    """The version that was deployed last, else the newest of this program.

    The store is asked only where a translator of the configuration takes a prompt and names none. Raises ConfigError
    where what is deployed is not in this program, StoreError where the store cannot be asked.
    """
    if not unnamed(settings):
        return CURRENT
    found = await in_force(database)
    return found.version if found else CURRENT


def unnamed(settings: Settings) -> list[str]:
    """The translators of the routes, and their shadows, that take a prompt and whose options name none."""
    route = settings.routes.mt
    names = {*route.order, *(name for order in route.tiers.values() for name in order), *route.shadow} - {PAIRS}
    return sorted(
        name for name in names if "prompt" not in settings.engines.options.get(name, {}) and _takes(settings, name)
    )


def with_prompt(settings: Settings, version: str) -> Settings:
    """A copy in which the options of those translators name this version."""
    options = dict(settings.engines.options)
    for name in unnamed(settings):
        options[name] = {**options.get(name, {}), "prompt": version}
    return settings.model_copy(update={"engines": settings.engines.model_copy(update={"options": options})})


def _takes(settings: Settings, name: str) -> bool:
    try:
        return "prompt" in inspect.signature(engine_class(settings, name)).parameters
    except LegUnavailable:
        return False  # told where it is made
