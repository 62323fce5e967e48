"""Emulated providers as processes of their own, and the configuration that routes a session over them."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from vivavoce.config.load import read_settings
from vivavoce.config.settings import Settings
from vivavoce.errors import LegUnavailable
from vivavoce.evals.clips import Recording
from vivavoce.legs.values import Word


class Backing(StrEnum):
    """`SCRIPTED` emulators know the words and their times, and stand by for each other; behind `MODELS` stand the
    embedded engines, in the session's own process."""

    SCRIPTED = "scripted"
    MODELS = "models"


KEY = "VIVAVOCE_BENCH_KEY"
RETRY_S = 1
"""How long a failed engine is left alone: short, so that the next session begins with it."""
_PROGRAM = Path(sys.executable).with_name("vivavoce")
_CADENCE_MS = {Backing.SCRIPTED: 100, Backing.MODELS: 400}
"""How often the emulated recogniser speaks."""
_ENGINES = {
    "deepgram": ("vivavoce.providers.deepgram:Deepgram", "ws"),
    "openai": ("vivavoce.providers.openai_chat:OpenAIChat", "http"),
    "cartesia": ("vivavoce.providers.cartesia:Cartesia", "ws"),
}
PROVIDERS = {"stt": "deepgram", "mt": "openai", "tts": "cartesia"}


@dataclass(slots=True)
class Emulated:
    """A provider's emulator in a process of its own."""

    provider: str
    address: str
    process: Process

    async def inject(self, fault: str) -> None:
        """Let it happen now; returns when it has begun. Raises LegUnavailable where the emulator does not take it."""
        await self._say(fault)

    async def heal(self) -> None:
        await self._say("heal")

    async def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()
        answer = await self.process.stdout.readline()
        if not answer or "error" in json.loads(answer):
            raise LegUnavailable(f"the emulator of {self.provider} did not take {line!r}: {answer.decode().strip()}")


@dataclass(slots=True)
class Stage:
    """The first choices of the three legs, by leg, and the settings in which they are that."""

    backing: Backing
    settings: Settings
    primaries: dict[str, Emulated] = field(default_factory=dict)

    async def heal(self) -> None:
        for emulated in self.primaries.values():
            await emulated.heal()


@asynccontextmanager
async def emulated(provider: str, *options: str) -> AsyncIterator[Emulated]:
    """Start an emulator; it is ended with the context. Raises LegUnavailable where it does not start."""
    process = await asyncio.create_subprocess_exec(
        *(str(_PROGRAM), "emulate", provider, *options), stdin=PIPE, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        first = await process.stdout.readline()
        if not first:
            raise LegUnavailable(f"the emulator of {provider} did not start", hint=f"try: vivavoce emulate {provider}")
        yield Emulated(provider, json.loads(first)["address"], process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def open_stage(backing: Backing, *, folder: Path, script: Path) -> AsyncIterator[Stage]:
    """Emulators for all legs, two a leg where they are scripted; `folder` takes the configuration file."""
    options = ("--script", str(script)) if backing is Backing.SCRIPTED else ("--models",)
    count = 2 if backing is Backing.SCRIPTED else 1
    wanted = [(leg, provider, f"{provider}-{n}") for leg, provider in PROVIDERS.items() for n in range(1, count + 1)]
    order: dict[str, list[str]] = {leg: [] for leg in PROVIDERS}
    primaries: dict[str, Emulated] = {}
    engines, tables = [], []
    async with AsyncExitStack() as stack:
        starting = (stack.enter_async_context(emulated(provider, *options)) for _, provider, _ in wanted)
        for (leg, provider, name), started in zip(wanted, await asyncio.gather(*starting), strict=True):
            path, scheme = _ENGINES[provider]
            primaries.setdefault(leg, started)
            order[leg].append(name)
            engines.append(f'{name} = "{path}"')
            options_of = _options(provider, f"{scheme}://{started.address}", backing)
            tables.append(f"[engines.options.{name}]\n{options_of}")
        if backing is Backing.MODELS:
            for leg, name in (("stt", "whisper"), ("mt", "pairs"), ("tts", "espeak")):
                order[leg].append(name)
        file = folder / f"{backing}.toml"
        file.write_text(_configuration(engines, tables, order), "utf-8")
        yield Stage(backing, read_settings(file), primaries)


def write_script(path: Path, spoken: Sequence[tuple[Recording, Sequence[Word]]]) -> None:
    """What scripted emulators know: which words are said when in which sound."""
    clips = [
        {"audio": str(recording.clip.path), "words": [[word.text, word.start_ms, word.end_ms] for word in words]}
        for recording, words in spoken
    ]
    path.write_text(json.dumps({"clips": clips}), "utf-8")


def _options(provider: str, url: str, backing: Backing) -> str:
    more = {
        "openai": f'url = "{url}/v1"\nmodel = "emulated"',
        "deepgram": f'url = "{url}"\ncadence_ms = {_CADENCE_MS[backing]}',
        "cartesia": f'url = "{url}"',
    }
    return f'{more[provider]}\nkey = "{KEY}"'


def _configuration(engines: Sequence[str], tables: Sequence[str], order: dict[str, list[str]]) -> str:
    routes = [
        f"[routes.{leg}]\norder = {json.dumps(names)}\ndeadline_ms = 400\nstall_ms = 400\nretry_s = {RETRY_S}\n"
        f"longest_retry_s = {RETRY_S}"
        for leg, names in order.items()
    ]
    lines = ["[engines]", *engines, *tables, *routes, "[translate]", "synthesis_cache_mib = 0"]
    return "\n".join(lines) + "\n"
