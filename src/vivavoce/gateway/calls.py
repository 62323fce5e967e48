"""Calls that are expected and under way, each with its conversation in a task of its own."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vivavoce.agent.assembly import PIECE_MS, Agent
from vivavoce.agent.script import Script
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.config.settings import ServeSettings
from vivavoce.errors import MediaError
from vivavoce.gateway.books import Bookkeeper, Forgetful
from vivavoce.gateway.kept import Kept
from vivavoce.media import Call, Engine

_LOG = logging.getLogger(__name__)

TOKEN_BYTES = 24
# Exchanges ask at once how a call goes on; what nobody asks for is forgotten.
AFTER_S = 60.0
ENDING_S = 5.0
# Between the last call's end and ours: who is put through was not asked for yet.
ASKED_S = 2.0


class Doorkeeper(Protocol):
    """Whether one more call would hurt those under way."""

    def refusal(self, under_way: int) -> str | None:
        """Why no call is let in beside those that are expected or under way; None where one is."""
        ...


@dataclass(slots=True)
class _Held:
    call: Call
    app: str
    task: asyncio.Task[None] = field(init=False)
    transfer: str | None = None


class Calls:
    """One agent's calls by their names, which exchanges give them; tasks belong to `group`."""

    def __init__(
        self,
        agent: Agent,
        engine: Engine,
        settings: ServeSettings,
        *,
        group: asyncio.TaskGroup,
        clock: Clock,
        admission: Doorkeeper,
        books: Bookkeeper | None = None,
    ) -> None:
        self._agent, self._engine, self._settings = agent, engine, settings
        self._group, self._clock, self._admission = group, clock, admission
        self._books = books or Forgetful()
        self._held: dict[str, _Held] = {}
        self._after: Kept[str] = Kept(clock, lifetime_s=AFTER_S, most=settings.calls)
        self._person = person_of(agent.script)
        self.draining = False

    def __len__(self) -> int:
        return len(self._held)

    def expect(self, name: str, *, app: str = "telephone") -> str | None:
        """Let a call of an exchange come: the token that its sound must show, once. None where it is refused."""
        reason = "draining" if self.draining else self._admission.refusal(len(self._held))
        if reason is not None:
            _LOG.info("call %s refused: %s", name, reason)
            return None
        self.end(name)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        try:
            ttl_ms = round(self._settings.token_ttl_s * 1000)
            call = self._engine.expect(token, ttl_ms=ttl_ms, piece_ms=PIECE_MS)
        except MediaError as error:
            _LOG.warning("call %s refused: %s", name, error)
            return None
        held = self._held[name] = _Held(call, app)
        held.task = self._group.create_task(self._hold(name, held))
        return token

    async def after(self, name: str) -> str | None:
        """The number that a call goes on with, for who asks first; None for none.

        Its stream is over, so that its conversation is, too: it gets 5 s to come to its end.
        """
        if (held := self._held.get(name)) is not None:
            _hang_up(held.call)
            await _done([held.task], ENDING_S)
        return self._after.take(name)

    def end(self, name: str) -> None:
        """Expect a call no longer, or hang it up; one that is unknown is over."""
        if (held := self._held.pop(name, None)) is not None:
            _hang_up(held.call)
        self._after.take(name)

    async def drain(self, within_s: float) -> None:
        """Let no more calls in, wait for those under way, then hang them up; a person goes on with them, if any.

        A conversation that does not end although its call did is cancelled after 5 s.
        """
        self.draining = True
        await _done(self._tasks(), within_s)
        for held in self._held.values():
            self._break_off(held)
        await _done(self._tasks(), ENDING_S)
        for task in self._tasks():
            task.cancel()
        if self._after:
            await self._clock.sleep_until(self._clock.now_ns() + round(ASKED_S * 1000) * NS_PER_MS)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [held.task for held in self._held.values()]

    async def _hold(self, name: str, held: _Held) -> None:
        """One conversation from its expectation to its end. What goes wrong in it ends this call alone."""
        _LOG.info("call %s expected", name)
        limit = self._group.create_task(self._limit(held))
        try:
            async with self._books.page(held.call, name=name, app=held.app) as page:
                conversation = await self._agent.converse(
                    held.call,
                    clock=self._clock,
                    key=name,
                    meter=page.meter,
                    signals=page.signals,
                    observer=page.observer,
                )
                if conversation.failure is not None:
                    page.failure = type(conversation.failure).__name__
                    _LOG.warning("call %s broke off: %s", name, page.failure)
            held.transfer = conversation.transfer or held.transfer
            if held.call.format is None:
                # Its sound never came, for which the caller can do nothing.
                held.transfer = self._person
        except Exception as error:
            # Its words could be those of the call.
            _LOG.error("call %s broke off: %s", name, ", ".join(_kinds(error)))
            self._break_off(held)
        finally:
            limit.cancel()
        if self._held.get(name) is held:
            del self._held[name]
            if held.transfer:
                self._after.keep(name, held.transfer)
        _LOG.info("call %s over", name)

    async def _limit(self, held: _Held) -> None:
        await self._clock.sleep_until(self._clock.now_ns() + round(self._settings.max_call_s * 1000) * NS_PER_MS)
        self._break_off(held)

    def _break_off(self, held: _Held) -> None:
        held.transfer = self._person
        _hang_up(held.call)


def _kinds(error: BaseException) -> list[str]:
    """The types of an error, or of all in a task group's bundle."""
    if isinstance(error, BaseExceptionGroup):
        return [kind for each in error.exceptions for kind in _kinds(each)]
    return [type(error).__name__]


async def _done(tasks: Sequence[asyncio.Task[None]], within_s: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=within_s)


def _hang_up(call: Call) -> None:
    try:
        call.hang_up()
    except MediaError as error:
        _LOG.error("a call could not be hung up: %s", error)


def person_of(script: Script) -> str | None:
    """The number of the script's person, where there is one."""
    return script.states[script.person].transfer if script.person else None
