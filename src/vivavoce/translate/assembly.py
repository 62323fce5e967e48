"""From configuration to the legs of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from vivavoce.config.engines import engine_class, load_engine
from vivavoce.config.settings import Settings
from vivavoce.errors import PairUnavailable
from vivavoce.legs.mt import Translator
from vivavoce.legs.tts import Synthesizer
from vivavoce.models import ModelStore
from vivavoce.providers.pairs import PairTable
from vivavoce.providers.pivot import Engines
from vivavoce.providers.synthesis_cache import SynthesisCache
from vivavoce.providers.voice_gate import GateSettings
from vivavoce.translate.dub import DubSettings
from vivavoce.translate.interpreter import EarSettings
from vivavoce.translate.session import Legs, SessionSettings

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Voice:
    """An engine of the configuration and a voice of it; "" is the engine's own for the language."""

    engine: str
    name: str = ""


def choose_voice(settings: Settings, wish: str, *, language: str) -> Voice:
    """`wish` is an engine, `engine:voice`, a voice of the configured engine, or "" for what fits the language."""
    engine, _, name = wish.partition(":")
    if engine in settings.engines.paths:
        return Voice(engine, name)
    if wish:
        return Voice(settings.translate.tts, wish)
    speaks = getattr(engine_class(settings, settings.translate.tts), "LANGUAGES", None)
    if speaks is None or language in speaks:
        return Voice(settings.translate.tts)
    return Voice(settings.translate.wide_tts)


def session_settings(settings: Settings, *, source: str, target: str, voice: Voice | None) -> SessionSettings:
    translate = settings.translate
    return SessionSettings(
        source=source,
        target=target,
        voice=voice.name if voice else "",
        ear=EarSettings(partial_every_ms=translate.partial_every_ms, min_confidence=translate.min_confidence),
        dub=DubSettings(max_speed=translate.max_speed),
    )


@asynccontextmanager
async def open_legs(
    settings: Settings, *, source: str, target: str, voice: Voice | None, store: ModelStore | None = None
) -> AsyncIterator[Legs]:
    """Build and warm up the engines of a session, and close them afterwards.

    `voice` None makes subtitles only. Raises PairUnavailable for a pair without a route, ModelError and LegUnavailable
    for what is not installed.
    """
    translate = settings.translate
    store = store or ModelStore()
    table = PairTable.load()
    if source == AUTO:
        if not any(route.target == target for route in table.routes()):
            table.route(source, target)
    else:
        table.route(source, target)
    async with AsyncExitStack() as stack:
        gate = GateSettings(pause_ms=translate.speculate_after_ms, end_ms=translate.endpoint_ms)
        detector = load_engine(settings, translate.detector, store=store, gate=gate)
        stt = load_engine(settings, translate.stt, store=store)
        stack.push_async_callback(stt.aclose)
        synthesizer: Synthesizer | None = None
        if voice is not None:
            synthesizer = load_engine(settings, voice.engine, store=store, first_unit_words=translate.first_unit_words)
            stack.push_async_callback(synthesizer.aclose)
            if translate.synthesis_cache_mib:
                memory_bytes = translate.synthesis_cache_mib << 20
                synthesizer = SynthesisCache(synthesizer, provider=voice.engine, memory_bytes=memory_bytes)
        engines = Engines(lambda name: load_engine(settings, name, store=store))
        stack.push_async_callback(engines.aclose)
        found: dict[str, Translator | None] = {}

        def translator(language: str) -> Translator | None:
            if language not in found:
                try:
                    found[language] = engines.translator_for(table.route(language, target))
                except PairUnavailable:
                    found[language] = None
            return found[language]

        async with asyncio.TaskGroup() as group:
            group.create_task(stt.warm_up())
            if synthesizer is not None:
                group.create_task(synthesizer.warm_up())
            if source != AUTO and (stated := translator(source)) is not None:
                group.create_task(stated.warm_up())
        yield Legs(detector=detector, stt=stt, translator=translator, synthesizer=synthesizer)
