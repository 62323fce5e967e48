"""The engines of a route, made when first wanted, and streams of them: one that serves, one that stands by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any, Generic, Protocol, TypeVar

from vivavoce.errors import ConfigError, LegError, LegLost, LegTimeout, LegUnavailable, ModelError
from vivavoce.routing.route import PATIENCE, Route


class Leg(Protocol):
    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


class Stream(Protocol):
    async def aclose(self) -> None: ...


L = TypeVar("L", bound=Leg)
S = TypeVar("S", bound=Stream)
T = TypeVar("T")


def _any(name: str) -> bool:
    return True


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
                raise lacking(name, error) from error
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
        self._closing: set[asyncio.Task[None]] = set()
        self._refused: tuple[str, LegError] | None = None

    @property
    def refused(self) -> LegError | None:
        """Why who was asked before could not open a stream."""
        return self._refused[1] if self._refused else None

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

    async def next(self, *, tried: set[str], patience: int = 1, admit: Callable[[str], bool] = _any) -> tuple[str, S]:
        """A stream of the best candidate that was not tried and can open one; adds to `tried` whose stream is new.

        Who has somebody behind it has so many deadlines to open; whom `admit` does not let in is passed over. Raises
        what the last one said where nobody is left.
        """
        error: LegError | None = None
        while names := self.others(tried):
            name = names[0]
            if not admit(name):
                tried.add(name)
                continue
            if self._standby is not None and self._standby[0] == name:
                stream = self._standby[1]
                self._standby = None
                return name, stream
            tried.add(name)
            try:
                due_ms = self._route.patience_ms(name)
                if names[1:]:
                    due_ms = patience * self._route.triggers(name).deadline_ms
                async with asyncio.timeout(due_ms / 1000):
                    return name, await self._open(name)
            except TimeoutError:
                error = LegTimeout(f"{name} did not open a stream in time")
            except LegError as refused:
                error = refused
            except (ModelError, ConfigError) as lacks:
                error = lacking(name, lacks)
            self._refused = name, error
            self._route.failed(name, error)
        raise error or LegUnavailable(f"nobody is left for {self._route.leg}", hint="see: vivavoce routes")

    async def join(
        self, *, tried: set[str], take: Callable[[S], Awaitable[None]], admit: Callable[[str], bool] = _any
    ) -> tuple[str, S]:
        """As `next`, but of a stream that took what it is to go on from.

        One that stood by may have broken off unnoticed: then its engine is asked for a new one.
        """
        while True:
            name, stream = await self.next(tried=tried, admit=admit)
            taken = False
            try:
                async with asyncio.timeout(PATIENCE * self._route.triggers(name).deadline_ms / 1000):
                    await take(stream)
                taken = True
                return name, stream
            except TimeoutError:
                error: LegError = LegTimeout(f"{name} did not take what was said before")
            except LegError as refused:
                error = refused
            finally:
                if not taken:
                    self.leave(stream)
            if name in tried:
                self._route.failed(name, error)

    def leave(self, stream: S) -> None:
        """Close a stream that nobody waits for."""
        closing = asyncio.create_task(stream.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def tried(self, name: str, error: LegError, *, answered: bool) -> set[str]:
        """Who need not be tried after this failure: not who failed, unless only its connection broke and it is alone.

        One that never answered would only break again.
        """
        again = answered and isinstance(error, LegLost) and not self.others({name})
        return set() if again else {name}

    def prepare(self, *, serving: str) -> None:
        """Open the standby in the background: a stream of the best candidate beside the one that serves."""
        others = self.others({serving})
        if others and others[0] != self.standby and self._opening is None:
            self._opening = asyncio.create_task(self._prepare(others[0]))

    def swap(self, name: str, stream: S, *, admit: Callable[[str], bool] = _any) -> tuple[str, S] | None:
        """Take the standby to serve, and leave the one that served in its place: where the standby is the better one.

        A first choice that is well again is, and whoever is behind one that became slow. None where it is not.
        """
        taken = self._standby
        best = next(iter(self._route.candidates(fits=self._fits)), None)
        if taken is None or best != taken[0] or best == name or not admit(best):
            return None
        self._standby = name, stream
        return taken

    async def aclose(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._standby is not None:
            self.leave(self._standby[1])
            self._standby = None
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _prepare(self, name: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE * self._route.triggers(name).deadline_ms / 1000):
                stream = await self._open(name)
            old, self._standby = self._standby, (name, stream)
            if old is not None:
                self.leave(old[1])
        except TimeoutError:
            self._route.failed(name, LegTimeout(f"{name} did not open a stream in time"))
        except LegError as error:
            self._route.failed(name, error)
        except (ModelError, ConfigError) as lacks:
            self._route.failed(name, lacking(name, lacks))
        finally:
            self._opening = None


def lacking(name: str, error: ModelError | ConfigError) -> LegUnavailable:
    """What keeps an engine from serving, as an error of its leg: another one may serve."""
    return LegUnavailable(f"{name}: {error.message}", hint=error.hint)


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
