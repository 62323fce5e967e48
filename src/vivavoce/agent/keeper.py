"""Keeps the state of calls while they go on. What goes wrong with that is logged, and no call suffers from it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from vivavoce.agent.dialogue import Moment
from vivavoce.agent.heard import History
from vivavoce.agent.record import document_of
from vivavoce.agent.states import MemoryStates, StateStore
from vivavoce.errors import ConfigError, StateError, StoreAway, StoreRefused
from vivavoce.store.database import Database
from vivavoce.store.documents import Document, Seconds
from vivavoce.store.states import StoreStates

MEMORY = "memory"
STORE = "store"
_LOG = logging.getLogger(__name__)


class Keeper:
    """Puts moments of any number of calls into one store, each call's in their order.

    A store that takes longer than `patience_s` is given up for that time.
    """

    def __init__(self, store: StateStore, *, lifetime_s: float, patience_s: float = 5.0) -> None:
        if not lifetime_s > 0:
            raise ConfigError(f"a lifetime of {lifetime_s} s is none", hint="state_lifetime_s is more than 0")
        self.store = store
        self._lifetime_s, self._patience_s = lifetime_s, patience_s
        self._newest: dict[str, Document] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def soon(self, call: str, moment: Moment, history: History) -> None:
        """The same as `keep`, not waited for: `settle` does that."""
        task = asyncio.get_running_loop().create_task(self.keep(call, moment, history))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def settle(self) -> None:
        """Wait until all that was to be kept is."""
        while self._writing:
            await asyncio.wait(self._writing)

    async def keep(self, call: str, moment: Moment, history: History) -> None:
        """Store a call's state under its CallSid, as it is when this begins; a call without one is not stored.

        Where an older state of the call is still being written, its writer takes this one too.
        """
        if not call:
            return
        written = call in self._newest
        self._newest[call] = document = document_of(moment, history)
        if written:
            return
        try:
            await self._put(call, document)
            while self._newest[call] is not document:
                document = self._newest[call]
                await self._put(call, document)
        finally:
            del self._newest[call]

    async def _put(self, call: str, document: Document) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self.store.put(call, document, lifetime_s=self._lifetime_s)
        except StateError as error:
            # The kind alone: a reason could hold what callers said.
            _LOG.warning("a call's state was not kept: %s", type(error.__cause__ or error).__name__)
        except TimeoutError:
            _LOG.warning("a call's state was not kept within %g s", self._patience_s)


@asynccontextmanager
async def open_keeper(
    where: str, *, lifetime_s: float, store: str = "", now_s: Seconds = time.time
) -> AsyncIterator[Keeper]:
    """A keeper in `memory`, in the `store` of that URL, or in another store at that path or URL.

    A store that is away now may come back while calls go on. Raises ConfigError, and StateError for one that cannot be
    used.
    """
    if where == MEMORY:
        keeper = Keeper(MemoryStates(now_s=now_s), lifetime_s=lifetime_s)
        yield keeper
        await keeper.settle()
        return
    async with aclosing(Database(store if where == STORE else where)) as database:
        states = StoreStates(database, now_s=now_s)
        try:
            await states.open()
        except StoreAway as error:
            _LOG.warning("states of calls are not kept for now: %s", error.message)
        except StoreRefused as error:
            raise StateError(error.message, hint=error.hint) from error
        keeper = Keeper(states, lifetime_s=lifetime_s)
        yield keeper
        await keeper.settle()
