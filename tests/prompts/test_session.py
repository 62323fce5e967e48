"""A session's prompt, from the store to the ledger's rows, with the chat emulator over a socket."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from sqlalchemy import select

from vivavoce.accounts.accounts import SessionFacts, open_accounts
from vivavoce.cli.accounting import prompt_for
from vivavoce.config.load import read_settings
from vivavoce.config.settings import Settings
from vivavoce.emulators import openai
from vivavoce.errors import ConfigError
from vivavoce.legs.values import Clause
from vivavoce.prompts import CURRENT, Prompt, mt, mt_prompt
from vivavoce.prompts.deployed import deploy, roll_back
from vivavoce.prompts.session import session_prompt, unnamed, with_prompt
from vivavoce.store.database import Database
from vivavoce.store.tables import USAGE
from vivavoce.translate.assembly import open_legs

CHAT = "vivavoce.providers.openai_chat:OpenAIChat"
TEXT = "the heat pump hums"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = (
        "class Deaf:\n    def __init__(self, **parts): pass\n    async def warm_up(self): pass\n"
        "    async def aclose(self): pass\n    async def open(self, **how): raise NotImplementedError\n"
    )
    (tmp_path / "stand_ins_of_prompts.py").write_text(stand_in, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("THE_KEY", "sk-any")
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


def settings_of(tmp_path: Path, *, url: str = "http://127.0.0.1:9/v1", own: str = "", more: str = "") -> Settings:
    path = tmp_path / "own.toml"
    path.write_text(
        f'[engines]\ndeaf = "stand_ins_of_prompts:Deaf"\nchat = "{CHAT}"\nother = "{CHAT}"\n'
        f'[engines.options.chat]\nurl = "{url}"\nmodel = "m"\nkey = "THE_KEY"\n{own}\n'
        '[engines.options.other]\nurl = "http://127.0.0.1:9/v1"\nmodel = "m"\nprompt = "v1"\n'
        '[routes]\nstt.order = ["deaf"]\nmt.order = ["chat", "pairs"]\n[translate]\ndetector = "deaf"\n' + more,
        encoding="utf-8",
    )
    return read_settings(path)


async def session(settings: Settings, name: str) -> tuple[str, int]:
    """The prompt's version in the ledger's row of a session of one clause, and the tokens that were asked."""
    async with open_accounts(lambda: settings) as accounts:
        prompt = await prompt_for(settings, accounts.database, away=pytest.fail)
        async with (
            accounts.open(SessionFacts(name, "translate")) as account,
            open_legs(settings, source="en", target="pt", voice=None, account=account, prompt=prompt) as legs,
        ):
            translator = legs.translator("en")
            assert translator is not None
            chunks = translator.translate(Clause(TEXT, 0, 1), source="en", target="pt")
            assert "".join([chunk.text async for chunk in chunks]) == TEXT.upper()
        assert await accounts.outbox.settled(within_s=20)
        async with accounts.database.begin(read_only=True) as connection:
            wanted = select(USAGE.c.prompt_version, USAGE.c.tokens_in).where(USAGE.c.session_id == name)
            (row,) = (await connection.execute(wanted)).all()
        return row[0], row[1]


def tokens(prompt: Prompt) -> int:
    """As the emulator counts."""
    return sum(len(each["content"].split()) for each in prompt.messages(TEXT, source="en", target="pt"))


def test_a_session_takes_what_is_deployed_and_its_rows_say_so(tmp_path: Path, second: Prompt) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), openai.emulator().serving() as address:
            settings = settings_of(tmp_path, url=f"http://{address}/v1")
            assert await session(settings, "a") == (CURRENT, tokens(mt_prompt()))
            async with aclosing(Database()) as database:
                await deploy(database, "v1", now_ms=1)
                await deploy(database, "v2", now_ms=2)
                assert await session(settings, "b") == ("v2", tokens(second))
                await roll_back(database, now_ms=3)
                assert await session(settings, "c") == ("v1", tokens(mt_prompt("v1")))
                own = settings_of(tmp_path, url=f"http://{address}/v1", own='prompt = "v2"')
                assert await session(own, "d") == ("v2", tokens(second))

    asyncio.run(main())


def test_a_session_under_way_keeps_its_prompt(tmp_path: Path, second: Prompt) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), openai.emulator().serving() as address, aclosing(Database()) as database:
            settings = settings_of(tmp_path, url=f"http://{address}/v1")
            await deploy(database, "v1", now_ms=1)
            prompt = await session_prompt(settings, database)
            async with open_legs(settings, source="en", target="pt", voice=None, prompt=prompt) as legs:
                await deploy(database, "v2", now_ms=2)
                translator = legs.translator("en")
                assert translator is not None
                chunks = [c async for c in translator.translate(Clause(TEXT, 0, 1), source="en", target="pt")]
                assert chunks[-1].usage is not None
                assert chunks[-1].usage.tokens_in == tokens(mt_prompt("v1"))

    asyncio.run(main())


def test_a_deployed_prompt_that_is_not_here_is_refused_before_anything_is_opened(tmp_path, second, monkeypatch) -> None:
    async def main() -> None:
        async with aclosing(Database()) as database:
            await deploy(database, "v2", now_ms=1)
            monkeypatch.setattr(mt, "_PROMPTS", {"v1": mt_prompt("v1")})
            with pytest.raises(ConfigError, match="v2 is deployed"):
                await prompt_for(settings_of(tmp_path), database, away=pytest.fail)
            embedded = settings_of(tmp_path).model_copy(deep=True)
            embedded.routes.mt.order[:] = ["pairs"]
            assert await prompt_for(embedded, database, away=pytest.fail) == CURRENT  # nobody takes it

    asyncio.run(main())


def test_while_the_store_is_away_it_is_the_newest_and_that_is_told(tmp_path: Path) -> None:
    told: list[str] = []

    async def main() -> None:
        async with aclosing(Database("postgresql://nobody@127.0.0.1:9/none")) as database:
            assert await prompt_for(settings_of(tmp_path), database, away=told.append) == CURRENT

    asyncio.run(main())
    (text,) = told
    assert f"the prompt {CURRENT}, the newest" in text


def test_who_takes_a_prompt_and_names_none(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, more='[routes.mt.tiers]\nfree = ["other", "bergamot"]\n')
    assert unnamed(settings) == ["chat"]
    named = with_prompt(settings, "v7")
    assert (named.engines.options["chat"]["prompt"], named.engines.options["other"]["prompt"]) == ("v7", "v1")
    assert unnamed(named) == []
    assert "prompt" not in settings.engines.options["chat"]
