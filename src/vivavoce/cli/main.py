"""The program `vivavoce`: its commands, and what an error looks like on the command line.

A command's module imports what is slow (numpy, engines, HTTP) inside its functions, so that help is there at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from vivavoce.cli import agent, bench, eval, glossary, models, prompts, quota, routes, shadow, store
from vivavoce.cli.budget import budget
from vivavoce.cli.cost import cost
from vivavoce.cli.drift import drift
from vivavoce.cli.emulate import emulate
from vivavoce.cli.nudge import nudge
from vivavoce.cli.process import prepare
from vivavoce.cli.profiles import profiles
from vivavoce.cli.promotion import promote
from vivavoce.cli.serve import serve
from vivavoce.cli.translate import translate
from vivavoce.cli.usage import usage
from vivavoce.errors import first_of_ours

app = typer.Typer(
    name="vivavoce",
    help="Live speech translation, on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(agent.app, name="agent")
app.add_typer(models.app, name="models")
app.add_typer(bench.app, name="bench")
app.add_typer(eval.app, name="eval")
app.add_typer(glossary.app, name="glossary")
app.add_typer(prompts.app, name="prompts")
app.add_typer(quota.app, name="quota")
app.add_typer(routes.app, name="routes")
shadow.app.command("promote")(promote)
app.add_typer(shadow.app, name="shadow")
app.add_typer(store.app, name="store")
app.command("erase")(store.erase)
app.command("translate")(translate)
app.command("serve")(serve)
app.command("budget")(budget)
app.command("cost")(cost)
app.command("emulate")(emulate)
app.command("usage")(usage)
app.command("profiles")(profiles)
app.command("nudge")(nudge)
app.command("drift")(drift)


@app.callback()
def _root() -> None:
    """Live speech translation, on this machine."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit; an error is one line and what to do, and its exit code tells the kind.

    130 is an interruption. VIVAVOCE_TRACEBACK=1 shows where an error came from.
    """
    prepare()
    try:
        app(args=args)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("VIVAVOCE_TRACEBACK") == "1":
            raise
        sys.exit(_tell(error))


def _tell(error: Exception) -> int:
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    known = first_of_ours(error)
    if known is None:
        console.print(f"[red]internal error: {escape(f'{type(error).__name__}: {error}')}[/red]")
        console.print("hint: run again with VIVAVOCE_TRACEBACK=1 and report what it shows")
        return 1
    console.print(f"[red]{escape(known.message)}[/red]")
    if known.hint:
        console.print(f"hint: {escape(known.hint)}")
    return known.exit_code
