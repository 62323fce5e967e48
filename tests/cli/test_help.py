"""The help of every command has what its author wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main
from rich.text import Text
from typer.testing import CliRunner

from vivavoce.cli.main import app


def helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for each, sub in getattr(command, "commands", {}).items():
        yield from helps(sub, f"{name} {each}")


def test_no_help_loses_a_bracket() -> None:
    """Help is read as markup, which takes what stands in brackets for a style unless they are escaped."""
    found = dict(helps(typer.main.get_command(app), "vivavoce"))
    assert found["vivavoce quota set"]
    lost = {name for name, text in found.items() if Text.from_markup(text).plain != text.replace("\\[", "[")}
    assert lost == set()


def test_a_bracket_is_shown() -> None:
    shown = CliRunner().invoke(app, ["store", "sweep", "--help"]).output
    assert "(`[store.lifetime_days]`)" in " ".join(shown.split())
