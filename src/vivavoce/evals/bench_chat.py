"""How long the first text of a chat takes: over our provider, through a proxy, over others' clients, and bare."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vivavoce.contract.stats import percentiles
from vivavoce.errors import ConfigError, LegUnavailable, MediaError
from vivavoce.evals.bench_capacity import Other, served_by
from vivavoce.evals.chat_clients import KEY, MODEL, Client, bare, openai_sdk, ours
from vivavoce.evals.media_load import two_cores

TOKEN_MS = 10.0
"""Between the emulator's tokens; the first is sent at once, so that what is measured is the way."""
_WARM = 0.2
_PROXIED = "vivavoce through LiteLLM"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatPlan:
    """`litellm` is the words that start the program; without them its row is missing."""

    at_once: Sequence[int] = (1, 20)
    requests: int = 100
    litellm: Sequence[str] = ()


class ChatBench:
    """Measures one client after another against one emulator; `figures` tells of those that are done."""

    def __init__(self, plan: ChatPlan, *, on_progress: Callable[[str, float, float], None] = lambda *_: None) -> None:
        self._plan = plan
        self._tell = on_progress
        self._steps = 0
        self._found: dict[str, dict[str, Any]] = {}
        self._missing: dict[str, str] = {}

    @property
    def n(self) -> int:
        return self._plan.requests

    def figures(self) -> dict[str, Any]:
        """Milliseconds to the first text, by client and by requests at once; why a client is missing."""
        return {"requests": self._plan.requests, "first_token_ms": self._found, "missing": self._missing}

    async def run(self) -> None:
        async with _emulator() as url:
            await self._measure("vivavoce", ours, url)
            try:
                async with _litellm(self._plan.litellm, url) as proxied:
                    await self._measure(_PROXIED, ours, proxied)
            except (ConfigError, MediaError) as error:
                self._missing[_PROXIED] = error.message
            await self._measure("openai SDK", openai_sdk, url)
            await self._measure("bare sockets", bare, url)

    async def _measure(self, name: str, client: Client, url: str) -> None:
        for at_once in self._plan.at_once:
            self._tell(f"{name}, {at_once} at once", self._steps, 4 * len(self._plan.at_once))
            self._steps += 1
            try:
                async with client(url, at_once) as first:
                    # The first ones load modules and fill caches.
                    await _asked(first, max(at_once, round(_WARM * self._plan.requests)), at_once)
                    took_ms = await _asked(first, self._plan.requests, at_once)
            except LegUnavailable as error:
                self._missing[name] = error.message
                return
            self._found.setdefault(name, {})[str(at_once)] = asdict(percentiles(took_ms))


async def _asked(first: Callable[[], Any], requests: int, at_once: int) -> list[float]:
    """So many requests, always `at_once` of them under way."""
    took_ms: list[float] = []
    left = iter(range(requests))

    async def one_after_another() -> None:
        for _ in left:
            took_ms.append(await first())

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_after_another())
    return took_ms


@asynccontextmanager
async def _emulator() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vivavoce.evals.chat_server", json.dumps({"token_ms": TOKEN_MS})),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        if not line:
            raise MediaError("the emulator did not start", hint="run python -m vivavoce.evals.chat_server '{}'")
        yield f"http://{json.loads(line)['address']}/v1"
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def _litellm(words: Sequence[str], url: str) -> AsyncIterator[str]:
    """A proxy before the endpoint. Raises ConfigError and MediaError where it is not there or does not start."""
    if not words:
        raise ConfigError("LiteLLM was not named", hint="--litellm 'PATH of litellm'")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        params = {"model": f"openai/{MODEL}", "api_base": url, "api_key": KEY}
        config = {
            "model_list": [{"model_name": MODEL, "litellm_params": params}],
            "general_settings": {"master_key": KEY},
        }
        (folder / "config.yaml").write_text(json.dumps(config), "utf-8")  # JSON is YAML
        arguments = ("--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", "{port}")
        quiet = ("sh", "-c", 'exec "$@" 2>"$0"', str(folder / "log"))
        alone = ("env", "LITELLM_LOCAL_MODEL_COST_MAP=True", "LITELLM_TELEMETRY=False")
        other = Other(name="LiteLLM", words=[*quiet, *alone, *words, *arguments], path="")
        try:
            server = await stack.enter_async_context(served_by(other, *two_cores()))
        except MediaError as error:
            log = (folder / "log").read_text("utf-8", "replace") if (folder / "log").exists() else ""
            last = log.strip().splitlines()[-1:] or ["it said nothing"]
            raise MediaError(f"{error.message}: {last[0][:200]}", hint=error.hint) from None
        yield f"http://127.0.0.1:{server.port}/v1"
