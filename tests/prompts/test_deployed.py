"""Deployments in a real store of either kind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from sqlalchemy import insert

from vivavoce.errors import ConfigError
from vivavoce.prompts import Prompt, mt, mt_prompt
from vivavoce.prompts.deployed import Deployment, before, deploy, deployments, in_force, roll_back
from vivavoce.prompts.house import glossary_hash
from vivavoce.store.database import Database
from vivavoce.store.tables import GLOSSARIES, PROMPT_VERSIONS


def on(url: str, work: Callable[[Database], Awaitable[None]]) -> None:
    async def main() -> None:
        async with aclosing(Database(url)) as database:
            await work(database)

    asyncio.run(main())


def row(version: str, at_ms: int) -> Deployment:
    return Deployment(version=version, deployed_ms=at_ms, system_prompt="", glossary_hash="")


def test_a_stamp_a_second_and_the_way_back(database_url: str, second: Prompt) -> None:
    async def work(database: Database) -> None:
        assert await in_force(database) is None
        first, new = await deploy(database, "v1", now_ms=1000)
        assert (first.version, first.deployed_ms, first.system_prompt, new) == (
            "v1",
            1000,
            mt_prompt("v1").system,
            True,
        )
        assert await deploy(database, "v1", now_ms=2000) == (first, False)
        await deploy(database, "v2", now_ms=900)  # by a machine whose clock is behind
        assert await in_force(database) == second
        was, now = await roll_back(database, now_ms=3000)
        assert (was.version, now.version, now.deployed_ms) == ("v2", "v1", 3000)
        assert await in_force(database) == mt_prompt("v1")
        assert [(each.version, each.deployed_ms) for each in await deployments(database)] == [
            ("v1", 1000),
            ("v2", 1001),
            ("v1", 3000),
        ]
        with pytest.raises(ConfigError, match="no earlier prompt"):
            await roll_back(database, now_ms=4000)

    on(database_url, work)


def test_without_a_deployment_there_is_no_way_back(tmp_path) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(ConfigError, match="no prompt was deployed"):
            await roll_back(database, now_ms=1)

    on(str(tmp_path / "s.db"), work)


@pytest.mark.parametrize(
    ("deployed", "earlier"),
    [("", None), ("1", None), ("12", "1"), ("123", "2"), ("1232", "1"), ("12321", None), ("1213", "1"), ("11", None)],
)
def test_what_came_before(deployed: str, earlier: str | None) -> None:
    """`1232`: after a rollback from 3 the one before is 1, not the 3 that was given up."""
    found = before([row(version, at_ms) for at_ms, version in enumerate(deployed)])
    assert (found.version if found else None) == earlier


def test_a_text_that_changed_is_neither_deployed_again_nor_in_force(tmp_path, second, monkeypatch) -> None:
    async def work(database: Database) -> None:
        await deploy(database, "v2", now_ms=1)
        changed = {"v1": mt_prompt("v1"), "v2": Prompt(version="v2", system="{source} to {target}")}
        monkeypatch.setattr(mt, "_PROMPTS", changed)
        with pytest.raises(ConfigError, match="not what was stamped"):
            await in_force(database)
        with pytest.raises(ConfigError, match="not what was stamped in"):
            await deploy(database, "v2", now_ms=2)
        monkeypatch.setattr("vivavoce.prompts.deployed.stamped", lambda: {"v2": changed["v2"].hash})
        with pytest.raises(ConfigError, match="not what was stamped as v2"):  # both were changed, the row was not
            await deploy(database, "v2", now_ms=2)
        assert len(await deployments(database)) == 1

    on(str(tmp_path / "s.db"), work)


def test_a_version_that_this_program_does_not_have(tmp_path) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(ConfigError, match="no prompt 'v9'"):
            await deploy(database, "v9", now_ms=1)
        values = {"version": "v9", "deployed_ms": 1, "system_prompt": "x", "glossary_hash": ""}
        async with database.begin() as connection:
            await connection.execute(insert(PROMPT_VERSIONS), [values])
        with pytest.raises(ConfigError, match="v9 is deployed, and this program has v1") as error:
            await in_force(database)
        assert "vivavoce prompts rollback" in error.value.hint
        await deploy(database, "v1", now_ms=2)
        with pytest.raises(ConfigError, match="v9 is deployed"):
            await roll_back(database, now_ms=3)
        assert await in_force(database) == mt_prompt("v1")

    on(str(tmp_path / "s.db"), work)


def test_a_draft_is_not_deployed(tmp_path, second, monkeypatch) -> None:
    async def work(database: Database) -> None:
        monkeypatch.setattr("vivavoce.prompts.deployed.stamped", lambda: {"v1": mt_prompt("v1").hash})
        with pytest.raises(ConfigError, match=r"v2 is not among those in prompts/mt/stamped\.toml"):
            await deploy(database, "v2", now_ms=1)

    on(str(tmp_path / "s.db"), work)


def test_a_row_knows_the_house_glossary_of_then(database_url: str) -> None:
    entry = {
        "user_id": "",
        "source": "en",
        "target": "pt",
        "term_key": "heat pump",
        "term": "heat pump",
        "rendering": "bomba",
        "at_ms": 1,
    }

    async def work(database: Database) -> None:
        first, _ = await deploy(database, "v1", now_ms=1)
        async with database.begin() as connection:
            await connection.execute(
                insert(GLOSSARIES), [entry, {**entry, "user_id": "ana", "term_key": "hers", "term": "hers"}]
            )
        second, new = await deploy(database, "v1", now_ms=2)
        assert (first.glossary_hash, new) == ("", True)
        assert second.glossary_hash == glossary_hash([("en", "pt", "heat pump", "bomba")])

    on(database_url, work)


def test_a_glossarys_hash_is_that_of_what_it_holds() -> None:
    one, other = ("en", "pt", "a", "b"), ("en", "pt", "c", "d")
    assert glossary_hash([one, other]) == glossary_hash([other, one]) != glossary_hash([one])
    assert glossary_hash([("en", "pt", "a b", "c")]) != glossary_hash([("en", "pt", "a", "b c")])
    assert glossary_hash([]) == ""
