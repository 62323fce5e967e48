"""The option `--tier`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Tier(StrEnum):
    """As `vivavoce.config.routes.Tier`, which is not imported before it is needed."""

    FREE = "free"
    PRO = "pro"
    CLONE = "clone"


TierOption = Annotated[
    Tier | None, typer.Option(help="Whose order of engines serves, where a leg has one.", show_default=False)
]
