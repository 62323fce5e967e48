"""From configuration to the legs of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from vivavoce.accounts.spend import Account
from vivavoce.clock import Clock, SystemClock
from vivavoce.config.engines import load_engine, speaks
from vivavoce.config.holder import ConfigHolder
from vivavoce.config.routes import PAIRS, RouteSettings
from vivavoce.config.settings import Settings
from vivavoce.errors import LegLost, LegRefused, LegTimeout
from vivavoce.ledger.usage import UNMETERED, Meter
from vivavoce.legs.mt import Translator
from vivavoce.legs.tts import Synthesizer
from vivavoce.models import ModelStore
from vivavoce.prompts import CURRENT
from vivavoce.providers.pairs import PairTable
from vivavoce.providers.pivot import Pairs
from vivavoce.providers.synthesis_cache import SynthesisCache
from vivavoce.providers.voice_gate import GateSettings
from vivavoce.routing.mt import RoutedTranslator
from vivavoce.routing.route import Route, Switch
from vivavoce.routing.shadow import Shadows
from vivavoce.routing.stt import RoutedStt
from vivavoce.routing.tts import RoutedSynthesizer
from vivavoce.translate.dub import DubSettings
from vivavoce.translate.interpreter import EarSettings
from vivavoce.translate.session import Legs, SessionSettings

AUTO = "auto"
_TRIAL_HZ = 16_000


@dataclass(frozen=True, slots=True)
class Voice:
    """An engine of the configuration and a voice; "" is the engine's own for the language.

    An engine that was `chosen` speaks before those of the route; otherwise it is the first of them for the language.
    """

    engine: str
    name: str = ""
    chosen: bool = True


def choose_voice(settings: Settings, wish: str, *, language: str, tier: str = "") -> Voice:
    """`wish` is an engine, `engine:voice`, a voice of the configuration or of the first engine, or "" for what fits."""
    engine, _, name = wish.partition(":")
    if engine in settings.engines.paths:
        return Voice(engine, name)
    route = settings.routes.tts
    if wish and wish not in route.voices:
        return Voice(route.order_of(tier)[0], wish)
    first = route.of(lambda name: speaks(settings, name, language)).order_of(tier)[0]
    return Voice(first, wish, chosen=False)


def session_settings(settings: Settings, *, source: str, target: str, voice: Voice | None) -> SessionSettings:
    translate = settings.translate
    return SessionSettings(
        source=source,
        target=target,
        voice=voice.name if voice else "",
        ear=EarSettings(partial_every_ms=translate.partial_every_ms, min_confidence=translate.min_confidence),
        dub=DubSettings(max_speed=translate.max_speed),
    )


def _ignore(switch: Switch) -> None:
    pass


@asynccontextmanager
async def open_legs(
    settings: Settings,
    *,
    source: str,
    target: str,
    voice: Voice | None,
    store: ModelStore | None = None,
    tier: str = "",
    clock: Clock | None = None,
    holder: ConfigHolder | None = None,
    tell: Callable[[Switch], None] = _ignore,
    shadows: Shadows | None = None,
    account: Account | None = None,
    prompt: str = CURRENT,
) -> AsyncIterator[Legs]:
    """Build and warm up the engines of a session, and close them afterwards.

    `voice` None makes subtitles only. What `holder` reloads changes who serves, and the options of engines that are
    made from then on. `tell` hears of every switch; `shadows` hear what the legs are asked; `account` grants the work
    and counts it; `prompt` is the version for translators that take one and whose options name none. Raises
    PairUnavailable for a pair without a route, ModelError and LegUnavailable where nobody can serve a leg.
    """
    current = (lambda: holder.settings) if holder is not None else (lambda: settings)
    maker = _Maker(current, source=source, target=target, store=store or ModelStore(), prompt=prompt)
    maker.check(settings.routes.mt.order_of(tier))
    async with AsyncExitStack() as stack:
        routes = _Routes(settings, target=target, voice=voice, tier=tier, clock=clock or SystemClock(), tell=tell)
        if holder is not None:
            stack.callback(holder.subscribe(routes.update))
        meter: Meter = account or UNMETERED
        stt = RoutedStt(routes.stt, maker.engine, guard=account, meter=meter)
        stack.push_async_callback(stt.aclose)
        translator = RoutedTranslator(routes.mt, maker.translator, guard=account, meter=meter)
        stack.push_async_callback(translator.aclose)
        heard_translator = shadows.mt(translator) if shadows else translator
        synthesizer = None
        if voice is not None:
            synthesizer = RoutedSynthesizer(routes.tts, maker.synthesizer, guard=account, meter=meter)
            stack.push_async_callback(synthesizer.aclose)

        def translator_from(language: str) -> Translator | None:
            return heard_translator if maker.translates(routes.mt.order(), language) else None

        async with asyncio.TaskGroup() as group:
            group.create_task(stt.warm_up())
            if source == AUTO or translator_from(source) is not None:
                group.create_task(translator.warm_up())
            if synthesizer is not None:
                group.create_task(synthesizer.warm_up())
        if voice is not None and synthesizer is not None and voice.chosen:
            await _require(voice, synthesizer, language=target)
        yield Legs(
            detector=maker.detector(),
            stt=shadows.stt(stt) if shadows else stt,
            translator=translator_from,
            synthesizer=shadows.tts(synthesizer) if shadows and synthesizer else synthesizer,
            routes=routes.in_use,
        )


async def _require(voice: Voice, synthesizer: RoutedSynthesizer, *, language: str) -> None:
    """Raise LegError where there is no such voice: who named it wants no other. An outage is left to the route."""
    try:
        stream = await synthesizer.engine(voice.engine).open(voice=voice.name, language=language, rate_hz=_TRIAL_HZ)
    except (LegLost, LegRefused, LegTimeout):
        return
    await stream.aclose()


class _Routes:
    """The routes of a session. A voice that was chosen speaks first, whatever the configuration comes to say."""

    def __init__(
        self,
        settings: Settings,
        *,
        target: str,
        voice: Voice | None,
        tier: str,
        clock: Clock,
        tell: Callable[[Switch], None],
    ) -> None:
        self._target, self._voice = target, voice
        self.stt, self.mt, self.tts = (
            Route(leg, route, profile=settings.contract.resolve, tier=tier, clock=clock, tell=tell)
            for leg, route in self._settings(settings).items()
        )

    @property
    def in_use(self) -> tuple[Route, ...]:
        return (self.stt, self.mt) if self._voice is None else (self.stt, self.mt, self.tts)

    def update(self, settings: Settings) -> None:
        for route, chosen in zip((self.stt, self.mt, self.tts), self._settings(settings).values(), strict=True):
            route.update(chosen, profile=settings.contract.resolve)

    def _settings(self, settings: Settings) -> dict[str, RouteSettings]:
        legs = dict(settings.routes.legs)
        legs["tts"] = legs["tts"].of(lambda engine: speaks(settings, engine, self._target))
        if self._voice is not None and self._voice.chosen:
            legs["tts"] = legs["tts"].led_by(self._voice.engine)
        return legs


class _Maker:
    """Makes engines by name as the configuration has them now."""

    def __init__(
        self, settings: Callable[[], Settings], *, source: str, target: str, store: ModelStore, prompt: str
    ) -> None:
        self._settings, self._source, self._target, self._store = settings, source, target, store
        self._prompt = prompt
        self._table = PairTable.load()

    def check(self, order: list[str]) -> None:
        """Raises PairUnavailable for what nobody of them translates."""
        if not self.translates(order, self._source):
            self._table.route(self._source, self._target)

    def translates(self, order: list[str], source: str) -> bool:
        """Whether somebody may translate from there: a hosted engine any language, the table its pairs."""
        if any(engine != PAIRS for engine in order):
            return True
        pairs = self._table.routes()
        return any(pair.target == self._target and source in (AUTO, pair.source) for pair in pairs)

    def engine(self, name: str) -> Any:
        return load_engine(self._settings(), name, store=self._store)

    def detector(self) -> Any:
        translate = self._settings().translate
        gate = GateSettings(pause_ms=translate.speculate_after_ms, end_ms=translate.endpoint_ms)
        return load_engine(self._settings(), translate.detector, store=self._store, gate=gate)

    def translator(self, name: str) -> Translator:
        if name != PAIRS:
            return load_engine(self._settings(), name, store=self._store, prompt=self._prompt)  # type: ignore[no-any-return]
        stated = [pair for pair in self._table.routes() if (pair.source, pair.target) == (self._source, self._target)]
        return Pairs(self._table, self.engine, warm=stated)

    def synthesizer(self, name: str) -> Synthesizer:
        translate = self._settings().translate
        made = load_engine(self._settings(), name, store=self._store, first_unit_words=translate.first_unit_words)
        if not translate.synthesis_cache_mib:
            return made  # type: ignore[no-any-return]
        return SynthesisCache(made, provider=name, memory_bytes=translate.synthesis_cache_mib << 20)
