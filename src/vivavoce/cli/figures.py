"""What commands that tell figures have in common: asking the store, and the envelope of `--json`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from vivavoce.config.settings import Settings
    from vivavoce.store.database import Database

T = TypeVar("T")


def on_store(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """What `work` finds in the store or does to it, in an event loop of its own. Raises StoreError."""
    from vivavoce.store.database import Database

    async def run() -> T:
        async with aclosing(Database(settings.store.url)) as database:
            return await work(database)

    return asyncio.run(run())


def print_figures(
    command: str, figures: Mapping[str, Any], settings: Settings, *, n: int, void_reason: str | None = None
) -> None:
    """Figures that rest on `n` of whatever they count, as the one envelope."""
    from vivavoce.config.settings import config_hash
    from vivavoce.contract.envelope import enclose

    envelope = enclose(command, figures, config_hash=config_hash(settings), n=n, void_reason=void_reason)
    typer.echo(envelope.to_text(), nl=False)
