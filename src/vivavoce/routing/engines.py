"""The engines of a route, made when first wanted, and streams of them: one that serves, one that stands by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any, Generic, Protocol, TypeVar

from vivavoce.errors import ConfigError, LegError, LegTimeout, LegUnavailable, ModelError
from vivavoce.routing.route import Route


class Leg(Protocol):
    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


class Stream(Protocol):
    async def aclose(self) -> None: ...


L = TypeVar("L", bound=Leg)
S = TypeVar("S", bound=Stream)
T = TypeVar("T")

PATIENCE = 5
"""So many deadlines are waited for one who has nobody behind it; then the leg is down."""


class Engines(Generic[L]):
    """Makes each engine of a route once. An engine that cannot be made, or not be warmed up, is one that failed."""

    def __init__(self, route: Route, make: Callable[[str], L]) -> None:
        self._route, self._make = route, make
        self._made: dict[str, L] = {}

    def get(self, name: str) -> L:
        """Raises LegError where the engine cannot be made."""
        if name not in self._made:
            try:
                self._made[name] = self._make(name)
            except (ModelError, ConfigError) as error:
                raise LegUnavailable(f"{name}: {error.message}", hint=error.hint) from error
        return self._made[name]

    def speaks(self, name: str, language: str) -> bool:
        """Whether the engine is for that language; one that does not say is for all."""
        try:
            languages: Collection[str] | None = getattr(self.get(name), "LANGUAGES", None)
        except LegError:
            return True  # told where it is used
        return languages is None or language in languages

    async def warm_up(self) -> None:
        """Warm up all; raises what the first said where none of them can serve, ConfigError where one is refused."""
        names = self._route.order()
        outcomes = await asyncio.gather(*map(self._warm, names), return_exceptions=True)
        errors = [outcome for outcome in outcomes if outcome is not None]
        for name, outcome in zip(names, outcomes, strict=True):
            if isinstance(outcome, ModelError):
                self._route.failed(name, LegUnavailable(outcome.message, hint=outcome.hint))
            elif isinstance(outcome, LegError):
                self._route.failed(name, outcome)
            elif outcome is not None:
                raise outcome
        if len(errors) == len(names):
            raise errors[0]

    async def aclose(self) -> None:
        made, self._made = list(self._made.values()), {}
        await asyncio.gather(*(engine.aclose() for engine in made))

    async def _warm(self, name: str) -> None:
        if name not in self._made:
            self._made[name] = self._make(name)
        await self._made[name].warm_up()


class Openings(Generic[S]):
    """Opens streams of a route's candidates, and keeps one of the next candidate open beside the one that serves."""

    def __init__(self, route: Route, open_: Callable[[str], Awaitable[S]], fits: Callable[[str], bool]) -> None:
        self._route, self._open, self._fits = route, open_, fits
        self._standby: tuple[str, S] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._refused: tuple[str, LegError] | None = None

    @property
    def standby(self) -> str | None:
        """Whose stream is open beside the one that serves."""
        return self._standby[0] if self._standby else None

    def others(self, than: Collection[str]) -> list[str]:
        """Who else could serve."""
        return [name for name in self._route.candidates(fits=self._fits) if name not in than]

    async def first(self) -> tuple[str, S]:
        """A stream of the best candidate that can open one; where that is not the first choice, it is told why."""
        name, stream = await self.next(tried=set(), patience=PATIENCE)
        if self._refused is not None:
            self._route.switched(self._refused[0], name, str(self._refused[1]))
        return name, stream

    async def next(self, *, tried: set[str], patience: int = 1) -> tuple[str, S]:
        """A stream of the best candidate that was not tried and can open one; adds to `tried`.

        Who has somebody behind it has so many deadlines to open. Raises what the last one said where nobody is left.
        """
        error: LegError | None = None
        while names := self.others(tried):
            name = names[0]
            tried.add(name)
            if self._standby is not None and self._standby[0] == name:
                stream = self._standby[1]
                self._standby = None
                return name, stream
            try:
                due_s = patience * self._route.triggers(name).deadline_ms / 1000
                async with asyncio.timeout(due_s if names[1:] else None):
                    return name, await self._open(name)
            except TimeoutError:
                error = LegTimeout(f"{name} did not open a stream in time")
            except LegError as refused:
                error = refused
            self._refused = name, error
            self._route.failed(name, error)
        raise error or LegUnavailable(f"nobody is left for {self._route.leg}", hint="see: vivavoce routes")

    def prepare(self, *, serving: str) -> None:
        """Open the standby in the background: a stream of the best candidate beside the one that serves."""
        others = self.others({serving})
        if others and others[0] != self.standby and self._opening is None:
            self._opening = asyncio.create_task(self._prepare(others[0]))

    def swap(self, name: str, stream: S) -> tuple[str, S] | None:
        """Take the standby to serve, and leave the one that served in its place: where the standby is the better one.

        A first choice that is well again is, and whoever is behind one that became slow. None where it is not.
        """
        taken = self._standby
        best = next(iter(self._route.candidates(fits=self._fits)), None)
        if taken is None or best != taken[0]:
            return None
        self._standby = name, stream
        return taken

    async def aclose(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._standby is not None:
            await self._standby[1].aclose()
            self._standby = None

    async def _prepare(self, name: str) -> None:
        try:
            stream = await self._open(name)
            old, self._standby = self._standby, (name, stream)
            if old is not None:
                await old[1].aclose()
        except LegError as error:
            self._route.failed(name, error)
        finally:
            self._opening = None


async def until(over: asyncio.Future[None], answers: AsyncIterator[T]) -> T | None:
    """The next answer; None at their end, and when they are not wanted any more."""
    step: asyncio.Future[Any] = asyncio.ensure_future(_next(answers))
    try:
        await asyncio.wait((step, over), return_when=asyncio.FIRST_COMPLETED)
        found: T | None = None if over.done() else step.result()
        return found
    finally:
        if not step.done():
            step.cancel()
        if over.done():
            await asyncio.gather(step, return_exceptions=True)


async def _next(answers: AsyncIterator[T]) -> T | None:
    return await anext(answers, None)
