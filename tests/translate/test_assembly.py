"""From a configuration file to legs that are routed: over emulated providers, and while the file changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from vivavoce.config.holder import ConfigHolder
from vivavoce.config.load import default_settings, read_settings
from vivavoce.config.settings import Settings
from vivavoce.emulators import cartesia, openai
from vivavoce.emulators.speech import ScriptedSpeech
from vivavoce.errors import ConfigError, LegError, LegUnavailable, PairUnavailable
from vivavoce.legs.tts import SpeechStream
from vivavoce.legs.values import Clause
from vivavoce.routing.route import Route, Switch
from vivavoce.translate.assembly import Voice, choose_voice, open_legs, session_settings
from vivavoce.translate.session import Legs

CANARY = "canary-4b1f0c77-of-the-assembly"

# What hears and detects takes no part here, and needs no weights so.
STAND_INS = """
class Deaf:
    silent = True
    async def warm_up(self): pass
    async def aclose(self): pass
"""


@pytest.fixture(autouse=True)
def _stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stand_ins.py").write_text(STAND_INS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THE_KEY", CANARY)
    monkeypatch.delenv("CARTESIA_API_KEY", raising=False)
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


class Providers:
    """Emulated providers, and the configuration file that names them."""

    def __init__(self, path: Path, chat: str, *voices: str) -> None:
        self.path, self.first = path, voices[0]
        self._head = (
            '[engines]\ndeaf = "stand_ins:Deaf"\nchat = "vivavoce.providers.openai_chat:OpenAIChat"\n'
            + "".join(f'{name} = "vivavoce.providers.cartesia:Cartesia"\n' for name in ("one", "two"))
            + f'[engines.options.chat]\nurl = "http://{chat}/v1"\nmodel = "m"\nkey = "THE_KEY"\n'
            + "".join(
                f'[engines.options.{name}]\nurl = "ws://{address}"\nkey = "THE_KEY"\n'
                for name, address in zip(("one", "two"), voices, strict=True)
            )
        )

    def write(self, *, tts: str = '["one", "two"]', mt: str = '["chat", "pairs"]', more: str = "") -> Path:
        routes = f'[routes]\nstt.order = ["deaf"]\nmt.order = {mt}\ntts.order = {tts}\n[translate]\ndetector = "deaf"\n'
        self.path.write_text(self._head + routes + more, encoding="utf-8")
        return self.path


@asynccontextmanager
async def providers(path: Path) -> AsyncIterator[Providers]:
    async with (
        asyncio.timeout(20),
        openai.emulator().serving() as chat,
        cartesia.served(ScriptedSpeech()).serving() as one,
        cartesia.served(ScriptedSpeech()).serving() as two,
    ):
        yield Providers(path, chat, one, two)


async def say(legs: Legs, text: str, *, voice: str = "") -> int:
    """How many samples of it are heard from a new stream."""
    assert legs.synthesizer is not None
    stream = await legs.synthesizer.open(voice=voice, language="pt", rate_hz=16000)
    try:
        return await heard(stream, text, epoch=1)
    finally:
        await stream.aclose()


async def heard(stream: SpeechStream, text: str, *, epoch: int) -> int:
    await stream.push(text, epoch)
    await stream.flush(epoch)
    samples = 0
    async for chunk in stream:
        samples += len(chunk.pcm.samples)
        if chunk.last:
            break
    return samples


async def translate(legs: Legs, text: str, *, source: str) -> str:
    translator = legs.translator(source)
    assert translator is not None
    chunks = translator.translate(Clause(text, 0, 1), source=source, target="pt")
    return "".join([chunk.text async for chunk in chunks])


def route(legs: Legs, leg: str) -> Route:
    (found,) = (route for route in legs.routes if route.leg == leg)
    return found


def started(legs: Legs, leg: str) -> dict[str, int]:
    return {status.engine: status.started for status in route(legs, leg).status()}


def test_first_of_each_order_serves_and_any_language_is_translated(tmp_path: Path) -> None:
    async def session() -> None:
        async with providers(tmp_path / "own.toml") as named:
            settings = read_settings(named.write())
            async with open_legs(settings, source="sw", target="pt", voice=Voice("one", chosen=False)) as legs:
                assert await translate(legs, "habari", source="sw") == "HABARI"
                assert await say(legs, "Bom dia.") > 1000
                assert started(legs, "tts") == {"one": 1, "two": 0}
                assert started(legs, "mt") == {"chat": 1, "pairs": 0}
                assert CANARY not in repr([each.status() for each in legs.routes])

    asyncio.run(session())


def test_new_configuration_changes_who_speaks_from_the_next_stream_on(tmp_path: Path) -> None:
    async def session() -> None:
        async with providers(tmp_path / "own.toml") as named:
            holder = ConfigHolder(named.write(tts='["one"]'))
            voice = choose_voice(holder.settings, "", language="pt")
            async with open_legs(holder.settings, source="en", target="pt", voice=voice, holder=holder) as legs:
                await say(legs, "Um.")
                named.write(tts='["two", "one"]')
                holder.poll()
                await say(legs, "Dois.")
                assert started(legs, "tts") == {"two": 1, "one": 1}
                named.write(tts='["three"]')
                with pytest.raises(ConfigError, match="three"):
                    holder.poll()
                await say(legs, "Dois.")
                assert started(legs, "tts") == {"two": 2, "one": 1}
            named.write(tts='["one"]')
            holder.poll()  # nobody listens any more

    asyncio.run(session())


def test_engine_that_was_chosen_stays_first(tmp_path: Path) -> None:
    async def session() -> None:
        async with providers(tmp_path / "own.toml") as named:
            holder = ConfigHolder(named.write(tts='["one"]'))
            voice = choose_voice(holder.settings, "two:anna", language="pt")
            async with open_legs(holder.settings, source="en", target="pt", voice=voice, holder=holder) as legs:
                await say(legs, "Um.", voice=voice.name)
                named.write(tts='["one", "espeak"]')
                holder.poll()
                await say(legs, "Um.", voice=voice.name)
                assert started(legs, "tts") == {"two": 2, "one": 0, "espeak": 0}
                assert [route(legs, "tts").voice("anna", engine) for engine in ("two", "one")] == ["anna", ""]

    asyncio.run(session())


def test_what_cannot_serve_is_passed_over_with_its_reason(tmp_path: Path) -> None:
    async def session() -> None:
        async with providers(tmp_path / "own.toml") as named:
            settings = read_settings(named.write(tts='["cartesia", "two"]'))
            async with open_legs(settings, source="en", target="pt", voice=Voice("cartesia", chosen=False)) as legs:
                assert await say(legs, "Bom dia.") > 1000
                cartesia_, two = route(legs, "tts").status()
                assert "there is no key CARTESIA_API_KEY" in cartesia_.reason
                assert (cartesia_.started, two.started) == (0, 1)

    asyncio.run(session())


def test_voice_that_was_named_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    async def session(voice: Voice, settings: Settings) -> None:
        async with open_legs(settings, source="en", target="pt", voice=voice):
            pass

    async def main() -> None:
        async with providers(tmp_path / "own.toml") as named:
            settings = read_settings(named.write())
            with pytest.raises(LegUnavailable, match="CARTESIA_API_KEY"):
                await session(Voice("cartesia"), settings)
            with pytest.raises(LegError, match="nobody"):
                await session(Voice("espeak", "nobody"), settings)

    asyncio.run(main())


def test_engine_that_was_named_and_does_not_answer_is_followed_by_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        async with providers(tmp_path / "own.toml") as named:
            named.write()
            text = named.path.read_text("utf-8").replace(named.first, "127.0.0.1:1")
            named.path.write_text(text, encoding="utf-8")
            settings = read_settings(named.path)
            async with open_legs(settings, source="en", target="pt", voice=Voice("one")) as legs:
                assert await say(legs, "Bom dia.") > 1000
                assert started(legs, "tts") == {"one": 0, "two": 1}

    asyncio.run(main())


def test_same_words_are_made_once_by_each_engine(tmp_path: Path) -> None:
    async def session() -> None:
        async with providers(tmp_path / "own.toml") as named:
            holder = ConfigHolder(named.write())
            async with open_legs(
                holder.settings, source="en", target="pt", voice=Voice("one", chosen=False), holder=holder
            ) as legs:
                lengths = [await say(legs, "Bom dia."), await say(legs, "Bom dia.")]
                named.write(tts='["two", "one"]')
                holder.poll()
                lengths.append(await say(legs, "Bom dia."))
                assert len(set(lengths)) == 1
                assert started(legs, "tts") == {"two": 1, "one": 2}

    asyncio.run(session())


def test_tier_has_its_own_order(tmp_path: Path) -> None:
    async def session() -> None:
        async with providers(tmp_path / "own.toml") as named:
            settings = read_settings(named.write(more='[routes.tts.tiers]\nfree = ["two"]\n'))
            voice = Voice("two", chosen=False)
            async with open_legs(settings, source="en", target="pt", voice=voice, tier="free") as legs:
                await say(legs, "Bom dia.")
                assert started(legs, "tts") == {"two": 1}

    asyncio.run(session())


def test_pairs_alone_refuse_what_they_have_no_route_for() -> None:
    async def session(source: str, target: str) -> None:
        async with open_legs(default_settings(), source=source, target=target, voice=None):
            pass

    for source, target in (("sw", "pt"), ("auto", "sw")):
        with pytest.raises(PairUnavailable, match=target):
            asyncio.run(session(source, target))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "own.toml"
    path.write_text('[routes.tts.voices.warm]\nkokoro = "pf_dora"\nespeak = "f2"\n', encoding="utf-8")
    return read_settings(path)


@pytest.mark.parametrize(
    ("wish", "language", "voice"),
    [
        ("", "pt", Voice("kokoro", chosen=False)),
        ("", "sw", Voice("espeak", chosen=False)),
        ("warm", "pt", Voice("kokoro", "warm", chosen=False)),
        ("warm", "sw", Voice("espeak", "warm", chosen=False)),
        ("espeak", "pt", Voice("espeak")),
        ("espeak:f2", "pt", Voice("espeak", "f2")),
        ("pm_alex", "pt", Voice("kokoro", "pm_alex")),
        ("cartesia:a-b", "sw", Voice("cartesia", "a-b")),
    ],
)
def test_wish_for_a_voice(settings: Settings, wish: str, language: str, voice: Voice) -> None:
    assert choose_voice(settings, wish, language=language) == voice
    assert session_settings(settings, source="en", target=language, voice=voice).voice == voice.name


def test_a_tier_has_its_own_first_voice(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[routes.tts.tiers]\nfree = ["espeak"]\n', encoding="utf-8")
    settings = read_settings(path)
    assert choose_voice(settings, "", language="pt", tier="free") == Voice("espeak", chosen=False)
    assert choose_voice(settings, "f2", language="pt", tier="free") == Voice("espeak", "f2")
    assert choose_voice(settings, "", language="pt", tier="pro") == Voice("kokoro", chosen=False)


def test_voice_that_breaks_off_is_followed_by_the_next_and_told(tmp_path: Path) -> None:
    told: list[Switch] = []

    async def session() -> None:
        async with (
            asyncio.timeout(20),
            openai.emulator().serving() as chat,
            cartesia.served(ScriptedSpeech()).serving() as two,
            AsyncExitStack() as first,
        ):
            one = await first.enter_async_context(cartesia.served(ScriptedSpeech()).serving())
            settings = read_settings(Providers(tmp_path / "own.toml", chat, one, two).write())
            voice = Voice("one", chosen=False)
            async with open_legs(settings, source="en", target="pt", voice=voice, tell=told.append) as legs:
                assert legs.synthesizer is not None
                stream = await legs.synthesizer.open(voice="", language="pt", rate_hz=16000)
                assert await heard(stream, "Um.", epoch=1) > 1000
                await first.aclose()
                assert await heard(stream, "Dois.", epoch=2) > 1000
                assert {each.engine: each.failed for each in route(legs, "tts").status()} == {"one": 1, "two": 0}
                await stream.aclose()

    asyncio.run(session())
    assert [(switch.leg, switch.from_engine, switch.to_engine) for switch in told] == [("tts", "one", "two")]
    assert CANARY not in repr(told)
