"""Shadows: candidates that hear what a leg hears in a share of the sessions, and are never heard.

    shadows = Shadows(routes, session=…, consent=…, make=…, hosted=…, clock=…)
    stt = shadows.stt(stt)
    …
    await shadows.end()
    await shadows.compare(…)

A hosted shadow works beside the session, in tasks of its own behind a bounded queue. An embedded one is given the
session's calls afterwards, see `shadow_after`. Pairs of results become rows, see `shadow_rows`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from vivavoce.clock import Clock
from vivavoce.config.routes import RouteSettings
from vivavoce.legs.mt import Translator
from vivavoce.legs.stt import SpeechToText
from vivavoce.legs.tts import Synthesizer
from vivavoce.routing.shadow_after import Job, Make, work_elsewhere
from vivavoce.routing.shadow_calls import Judge, Opening
from vivavoce.routing.shadow_run import Live, Mirror, Recording, Run, reason
from vivavoce.routing.shadowed import ShadowedStt, ShadowedSynthesizer, ShadowedTranslator
from vivavoce.store.outbox import Outbox

_GRACE_S = 5.0
"""For a live shadow to answer what it was asked when the session ends."""
_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Consent:
    """What a session allows: whether shadows may hear it, and which engines; None for any. Nothing by default."""

    shadow: bool = False
    providers: frozenset[str] | None = None

    def allows(self, engine: str) -> bool:
        return self.shadow and (self.providers is None or engine in self.providers)

    @classmethod
    def parse(cls, text: str) -> Consent:
        """From "all", names with commas between, or "" for nothing."""
        names = frozenset(name.strip() for name in text.split(",") if name.strip())
        return cls(bool(names), None if names == {"all"} else names)


def drawn(session: str, engine: str, share: float) -> bool:
    """Whether this engine shadows this session: for `share` of all sessions, and always the same for one."""
    digest = hashlib.blake2b(f"{session}\0{engine}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


class Shadows:
    """The shadows of one session. A leg that none was drawn for is given back as it is.

    `session` is an identifier without meaning; by it and by `user` rows are erased. `make` gives an engine's leg, and
    is pickled where an embedded one was drawn; `hosted` tells which are not.
    """

    def __init__(
        self,
        routes: Mapping[str, RouteSettings],
        *,
        session: str,
        user: str = "",
        consent: Consent,
        make: Make,
        hosted: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._routes, self.session, self._make, self._hosted, self._clock = routes, session, make, hosted, clock
        self._user = user
        self._tasks: set[asyncio.Task[None]] = set()
        self._engines: dict[tuple[str, str], Any] = {}
        self._mt: list[Mirror] | None = None
        self._numbers = count(1)
        self._begun_s = time.monotonic()
        self.runs: list[Run] = []
        self.drawn = {
            leg: [
                engine
                for engine, share in route.shadow.items()
                if consent.allows(engine) and drawn(session, engine, share)
            ]
            for leg, route in routes.items()
        }

    def stt(self, leg: SpeechToText) -> SpeechToText:
        if not self.drawn.get("stt"):
            return leg
        return ShadowedStt(leg, lambda how: self._mirrors("stt", how), first=self._first("stt"), clock=self._clock)

    def mt(self, leg: Translator) -> Translator:
        """Around each translator of the session."""
        if not self.drawn.get("mt"):
            return leg
        if self._mt is None:
            self._mt = self._mirrors("mt", Opening("", 0))
        return ShadowedTranslator(leg, self._mt, numbers=self._numbers, first=self._first("mt"), clock=self._clock)

    def tts(self, leg: Synthesizer) -> Synthesizer:
        """Inside a cache of synthesis, if there is one."""
        if not self.drawn.get("tts"):
            return leg
        return ShadowedSynthesizer(
            leg, lambda how: self._mirrors("tts", how), first=self._first("tts"), clock=self._clock
        )

    def begin(self) -> None:
        """Make the hosted engines now, and open their connections while the session begins.

        One that fails tells that in its runs.
        """
        for leg, names in self.drawn.items():
            for name in names:
                if self._hosted(name) and not isinstance(engine := self._engine(leg, name), Exception):
                    self._spawn(_warm(engine))

    async def end(self) -> None:
        """The session is over: let live shadows answer, then end them and close their engines."""
        for mirror in self._mt or ():
            mirror.end()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_GRACE_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            engines = [engine for engine in self._engines.values() if not isinstance(engine, Exception)]
            await asyncio.gather(*(engine.aclose() for engine in engines), return_exceptions=True)

    async def compare(
        self, outbox: Outbox, *, store: str, spool: Path | None = None, judge: Judge | None = None
    ) -> None:
        """After `end`: do what was put off, and have pairs compared by `judge` and written, see `Job`.

        It may take a minute more than the session. What is not done then goes to `outbox` as void; where this is
        cancelled, nothing is written.
        """
        if self.runs:
            put_off = any(run.calls for run in self.runs)
            job = Job(self.runs, self._make if put_off else None, judge, store, spool)
            await work_elsewhere(job, outbox, limit_s=_AFTER_S + time.monotonic() - self._begun_s)

    def _first(self, leg: str) -> str:
        return self._routes[leg].order[0]

    def _mirrors(self, leg: str, opening: Opening) -> list[Mirror]:
        mirrors: list[Mirror] = []
        for name in self.drawn[leg]:
            voice = self._routes[leg].voices.get(opening.voice, {}).get(name, "")
            own = Opening(opening.language, opening.rate_hz, opening.keyterms, voice)
            run = Run(self.session, leg, self._first(leg), name, own, time.time(), user=self._user)
            self.runs.append(run)
            if not self._hosted(name):
                mirrors.append(Recording(run))
                continue
            engine = self._engine(leg, name)
            if isinstance(engine, Exception):
                run.void = reason(engine)
            else:
                mirrors.append(Live(run, engine, clock=self._clock, spawn=self._spawn))
        return mirrors

    def _engine(self, leg: str, name: str) -> Any:
        """The engine's leg, or why there is none."""
        if (leg, name) not in self._engines:
            try:
                self._engines[leg, name] = self._make(leg, name)
            except Exception as error:  # whatever an engine's making raises must not end the session
                self._engines[leg, name] = error
        return self._engines[leg, name]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _warm(engine: Any) -> None:
    with suppress(Exception):  # the task's edge; what it needs is tried again where it is used
        await engine.warm_up()
