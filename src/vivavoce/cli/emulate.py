"""`vivavoce emulate`: a provider's protocol served here, with its failures on demand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vivavoce.emulators.faults import GENERAL, Fault
from vivavoce.errors import ConfigError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from vivavoce.emulators.websocket import Emulator

PROVIDERS = {
    "deepgram": "vivavoce.emulators.deepgram",
    "cartesia": "vivavoce.emulators.cartesia",
    "elevenlabs": "vivavoce.emulators.elevenlabs",
    "openai": "vivavoce.emulators.openai",
}
"""Modules with `emulator(*, faults, seed, script, models)` and `KINDS`, the provider's own faults."""
_WAITING_LINES = 64


def emulate(
    provider: Annotated[str, typer.Argument(help=f"One of {', '.join(PROVIDERS)}.", show_default=False)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 is any.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="A failure: KIND\\[:ARGUMENT]\\[@MOMENT]\\[xTIMES], as stall@2s; repeatable.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Where moments written as @? are drawn from.")] = 0,
    script: Annotated[
        Path | None, typer.Option(help="Clips with words at known times, a JSON file.", show_default=False)
    ] = None,
    models: Annotated[bool, typer.Option(help="Answer with this machine's own models.")] = False,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Show the failures and end.")] = False,
) -> None:
    """Serve a provider's protocol on this machine; the first line of output tells the address.

    A failure on a line of the standard input happens at once, to every connection, until a line says `heal`; each is
    answered with a line of JSON. Ctrl-C ends it.
    """
    import asyncio
    import json
    import signal
    from importlib import import_module

    if provider not in PROVIDERS:
        raise ConfigError(f"there is no emulator of {provider!r}", hint=f"there are {', '.join(PROVIDERS)}")
    module = import_module(PROVIDERS[provider])
    kinds: Mapping[str, str] = GENERAL | dict(module.KINDS)
    if list_faults:
        for kind, happens in kinds.items():
            typer.echo(f"{kind:14} {happens}")
        return
    planned = [Fault.parse(text, known=kinds) for text in fault or ()]
    emulator: Emulator = module.emulator(faults=planned, seed=seed, script=script, models=models)

    def tell(**said: object) -> None:
        typer.echo(json.dumps(said))

    async def main() -> None:
        # Python leaves a Ctrl-C alone that whoever started this one ignores, as shells do in the background.
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop)
        serving: Any = emulator.serving(host=host, port=port)
        async with serving as address:
            tell(provider=provider, address=address)
            with _lines() as lines:
                while True:
                    await _obey(emulator, await lines.get(), kinds, tell)

    def stop() -> None:
        raise KeyboardInterrupt

    asyncio.run(main())


async def _obey(emulator: Emulator, text: str, kinds: Mapping[str, str], tell: Any) -> None:
    if text == "heal":
        emulator.heal()
        tell(healed=True)
        return
    try:
        await emulator.inject(Fault.parse(text, known=kinds))
        tell(injected=text)
    except ConfigError as error:
        tell(error=error.message, hint=error.hint)


@contextmanager
def _lines() -> Iterator[asyncio.Queue[str]]:
    """Lines of the standard input, while it is open; a thread that waits in a read cannot be asked to stop."""
    import asyncio
    import sys
    import threading

    loop, lines, going = asyncio.get_running_loop(), asyncio.Queue[str](maxsize=_WAITING_LINES), True

    def read() -> None:
        for line in sys.stdin:
            if not going:
                return
            if line.strip():
                asyncio.run_coroutine_threadsafe(lines.put(line.strip()), loop).result()

    threading.Thread(target=read, name="emulate-stdin", daemon=True).start()
    try:
        yield lines
    finally:
        going = False
