"""Which prompt is deployed: rows of `mt_prompt_versions`, of which the last holds. Rows are added and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.errors import ConfigError
from vivavoce.prompts.house import house_hash
from vivavoce.prompts.mt import mt_prompt, stamped, versions
from vivavoce.prompts.prompt import Prompt
from vivavoce.store.database import Database
from vivavoce.store.tables import PROMPT_VERSIONS

_WAY_OUT = "vivavoce prompts list shows what is deployed, vivavoce prompts rollback goes back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A row: from `deployed_ms` on this version is in force. `glossary_hash` is the house glossary's of then."""

    version: str
    deployed_ms: int
    system_prompt: str
    glossary_hash: str

    def prompt(self) -> Prompt:
        """The version in the code. Raises ConfigError where it is not there, or reads otherwise than was stamped."""
        if self.version not in versions():
            raise ConfigError(
                f"the prompt {self.version} is deployed, and this program has {', '.join(versions())}",
                hint=f"run a program that has it; {_WAY_OUT}",
            )
        found = mt_prompt(self.version)
        if found.system != self.system_prompt:
            raise ConfigError(
                f"the prompt {self.version} of this program is not what was stamped as {self.version}",
                hint=f"a stamped prompt is never changed: put it back, and make a new version; {_WAY_OUT}",
            )
        return found


async def deployments(database: Database) -> list[Deployment]:
    """All, oldest first. Raises StoreError."""
    async with database.begin(read_only=True) as connection:
        return await _read(connection)


async def in_force(database: Database) -> Prompt | None:
    """The version that was deployed last, None where none was. Raises StoreError, and as `Deployment.prompt`."""
    found = await deployments(database)
    return found[-1].prompt() if found else None


async def deploy(database: Database, version: str, *, now_ms: int) -> tuple[Deployment, bool]:
    """Stamp a version of the code: from now on it is in force. False where it was, with the same house glossary.

    Raises ConfigError for a version that is not there, is not in `stamped.toml`, or reads otherwise than there or in
    an earlier row; StoreError.
    """
    prompt = mt_prompt(version)
    if (known := stamped().get(version)) != prompt.hash:
        raise ConfigError(
            f"the prompt {version} is not {'what was stamped' if known else 'among those'} in prompts/mt/stamped.toml",
            hint="make the change in a new version" if known else "run its tests, which show the lines to add there",
        )
    async with database.begin() as connection:
        rows = await _read(connection)
        for row in rows:
            if row.version == version:
                row.prompt()
        return await _add(connection, prompt, rows, now_ms=now_ms)


async def roll_back(database: Database, *, now_ms: int) -> tuple[Deployment, Deployment]:
    """Deploy again what was in force before the present version; the row that was in force, and the new one.

    Raises ConfigError where there is nothing before it, or what was is not in this program; StoreError.
    """
    async with database.begin() as connection:
        rows = await _read(connection)
        earlier = before(rows)
        if earlier is None:
            raise ConfigError(
                "no earlier prompt was deployed" if rows else "no prompt was deployed",
                hint="vivavoce prompts stamp VERSION deploys one",
            )
        row, _ = await _add(connection, earlier.prompt(), rows, now_ms=now_ms)
        return rows[-1], row


def before(rows: Sequence[Deployment]) -> Deployment | None:
    """What a rollback goes back to: a version that comes again takes back all that came after it, so twice is two back.

    A rollback is a row like any other, and no row says that it is one.
    """
    line: list[Deployment] = []
    for row in rows:
        place = next((place for place, each in enumerate(line) if each.version == row.version), len(line))
        line[place:] = [row]
    return line[-2] if len(line) > 1 else None


async def _read(connection: AsyncConnection) -> list[Deployment]:
    table = PROMPT_VERSIONS.c
    found = await connection.execute(select(PROMPT_VERSIONS).order_by(table.deployed_ms, table.version))
    return [Deployment(**row) for row in found.mappings()]


async def _add(
    connection: AsyncConnection, prompt: Prompt, rows: Sequence[Deployment], *, now_ms: int
) -> tuple[Deployment, bool]:
    last = rows[-1] if rows else None
    glossary = await house_hash(connection)
    if last is not None and (last.version, last.glossary_hash) == (prompt.version, glossary):
        return last, False
    row = Deployment(
        version=prompt.version,
        deployed_ms=max(now_ms, last.deployed_ms + 1) if last else now_ms,  # whoever's clock is behind
        system_prompt=prompt.system,
        glossary_hash=glossary,
    )
    values = {name: getattr(row, name) for name in PROMPT_VERSIONS.c.keys()}  # noqa: SIM118
    await connection.execute(PROMPT_VERSIONS.insert().values(values))
    return row, True
