"""Glossaries in SQLite and Postgres: a user's own entry wins, a term is one whatever its case, erasure takes all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from vivavoce.accounts import glossaries
from vivavoce.accounts.glossaries import Entry, add, entries, entry_of, load, remove
from vivavoce.accounts.glossary_file import has_tabs, read_glossary, write_glossary
from vivavoce.errors import ConfigError
from vivavoce.store.database import Database
from vivavoce.store.erasure import erase_user

NOW_MS = 1_782_000_000_000


def on(url: str, work: Callable[[Database], Awaitable[None]]) -> None:
    async def main() -> None:
        async with aclosing(Database(url)) as database:
            await work(database)

    asyncio.run(main())


def entry(term: str, rendering: str, user: str = "", pair: str = "en-pt") -> Entry:
    source, _, target = pair.partition("-")
    return entry_of(term, rendering, source=source, target=target, user_id=user)


def test_a_session_locks_everybody_s_terms_and_the_user_s_own_over_them(database_url: str) -> None:
    async def work(database: Database) -> None:
        rows = [entry("account", "conta"), entry("boiler", "caldeira"), entry("Account", "cadastro", "bob")]
        rows += [entry("account", "cuenta", pair="en-es"), entry("compte", "conta", pair="fr-pt")]
        assert await add(database, rows, now_ms=NOW_MS) == (5, 0, 0)
        assert await load(database, "bob", "en", "pt") == {"en": {"Account": "cadastro", "boiler": "caldeira"}}
        assert await load(database, "eve", "en", "pt") == {"en": {"account": "conta", "boiler": "caldeira"}}
        assert await load(database, "", "en", "es") == {"en": {"account": "cuenta"}}
        both = {"en": {"account": "conta", "boiler": "caldeira"}, "fr": {"compte": "conta"}}
        assert await load(database, "", "auto", "pt") == both
        assert await load(database, "bob", "it", "pt") == {}

    on(database_url, work)


def test_of_every_language_each_has_its_own(database_url: str) -> None:
    async def work(database: Database) -> None:
        rows = [entry("pain", "dolor", pair="en-es"), entry("pain", "pan", "bob", pair="fr-es")]
        await add(database, rows, now_ms=NOW_MS)
        assert await load(database, "bob", "auto", "es") == {"en": {"pain": "dolor"}, "fr": {"pain": "pan"}}

    on(database_url, work)


def test_a_term_is_one_whatever_its_case(database_url: str) -> None:
    async def work(database: Database) -> None:
        await add(database, [entry("É", "is", pair="pt-en"), entry("é", "it is", pair="pt-en")], now_ms=NOW_MS)
        assert await add(database, [entry("É", "is", pair="pt-en")], now_ms=NOW_MS + 1) == (0, 1, 0)
        assert [row.rendering for row in await entries(database)] == ["is"]
        assert await remove(database, "", "pt", "en", ["é", "nothing"]) == 1
        assert await entries(database, "", pair=("pt", "en")) == []

    on(database_url, work)


def test_who_adds_a_term_at_once_with_another_leaves_one(database_url: str) -> None:
    async def work(database: Database) -> None:
        async with aclosing(Database(database_url)) as other:
            await asyncio.gather(entries(database), entries(other))
            for mine, theirs in ((["Account"], ["account"]), (["Same"], ["Same"]), (["b", "a"], ["a", "b"])):
                await asyncio.gather(
                    add(database, [entry(term, "x") for term in mine], now_ms=NOW_MS),
                    add(other, [entry(term, "y") for term in theirs], now_ms=NOW_MS),
                )
        assert sorted(row.term.casefold() for row in await entries(database)) == ["a", "account", "b", "same"]

    on(database_url, work)


def test_an_import_may_replace_all_of_a_pair(database_url: str) -> None:
    async def work(database: Database) -> None:
        await add(database, [entry("a", "x", "bob"), entry("b", "y", "bob"), entry("a", "z")], now_ms=NOW_MS)
        only = "bob", "en", "pt"
        new = [entry("b", "w", "bob"), entry("c", "v", "bob")]
        assert await add(database, new, now_ms=NOW_MS, only=only) == (1, 1, 1)
        assert await load(database, "bob", "en", "pt") == {"en": {"a": "z", "b": "w", "c": "v"}}
        assert await add(database, [], now_ms=NOW_MS, only=only) == (0, 0, 2)
        assert await remove(database, "", "en", "pt", None) == 1
        assert await entries(database) == []

    on(database_url, work)


def test_more_than_fits_changes_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glossaries, "MOST_ENTRIES", 2)

    async def work(database: Database) -> None:
        await add(database, [entry("a", "x"), entry("b", "y")], now_ms=NOW_MS)
        with pytest.raises(ConfigError, match="would have 3 terms"):
            await add(database, [entry("d", "w", pair="en-es"), entry("c", "v")], now_ms=NOW_MS)
        assert [row.term for row in await entries(database)] == ["a", "b"]
        assert await add(database, [entry("b", "z")], now_ms=NOW_MS) == (0, 1, 0)

    on(database_url, work)


def test_erasing_a_user_takes_the_glossary_and_leaves_everybody_s(database_url: str) -> None:
    async def work(database: Database) -> None:
        await add(database, [entry("a", "x", "bob"), entry("a", "y")], now_ms=NOW_MS)
        erased = await erase_user(database, "bob", now_ms=NOW_MS + 1)
        assert erased.rows["glossaries"] == 1
        assert await load(database, "bob", "en", "pt") == {"en": {"a": "y"}}
        assert await add(database, [entry("a", "z", "bob")], now_ms=NOW_MS + 2) == (1, 0, 0)

    on(database_url, work)


@pytest.mark.parametrize(
    ("term", "rendering", "pair", "says"),
    [
        ("", "x", "en-pt", "empty term"),
        ("x", "  ", "en-pt", "empty rendering"),
        ("x" * 101, "x", "en-pt", "101 characters"),
        ("x", "a\u200bb", "en-pt", "cannot be printed"),
        ("x", "y", "en-xx", "'xx' is no language"),
        ("x", "y", "-pt", "'' is no language"),
        ("x", "y", "pt-pt", "into itself"),
    ],
)
def test_what_no_glossary_takes(term: str, rendering: str, pair: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        entry(term, rendering, pair=pair)
    assert refused.value.hint


def test_texts_are_kept_in_one_form() -> None:
    assert entry(" heat \n pump", "bomba  de calor").term == "heat pump"
    assert entry("cafe\u0301", "coffee", pair="fr-en").term == "caf\u00e9"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "term,rendering\naccount,conta\n\n# a remark\n", {"account": "conta"}),
        ("a.csv", "\ufeffaccount;conta\r\nkey;tecla\r\n", {"account": "conta", "key": "tecla"}),
        ("a.csv", 'a,"x, y"\nA,z\n', {"A": "z"}),
        ("a.txt", "account\tconta, corrente\n", {"account": "conta, corrente"}),
        ("a.tsv", "a,b\tx\n", {"a,b": "x"}),
        ("a.csv", "", {}),
        ("a.TSV", "a,b\tx\n", {"a,b": "x"}),
        ("a.csv", '# a remark, "open\n"# tag",etiqueta\n#,cardinal\n', {"# tag": "etiqueta", "#": "cardinal"}),
        ("a.csv", '# one\nterm,rendering\n"a\n# b",x\n', {"a # b": "x"}),
    ],
)
def test_files(tmp_path: Path, name: str, text: str, expected: dict[str, str]) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    assert read_glossary(path) == expected
    path.write_text(write_glossary(expected, tabs=has_tabs(path)), encoding="utf-8")
    assert read_glossary(path) == expected


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"account,conta\nkey\n", "line 2: 1 fields"),
        (b"a,b,c\n", "line 1: 3 fields"),
        (b"# one\n\n# two\na,b,c\n", "line 4: 3 fields"),
        (b"a,\n", "line 1: an empty rendering"),
        (b'a,"b\n', "line 1: "),
        (b"caf\xe9,x\n", "not in UTF-8"),
        (b"x" * ((4 << 20) + 1), "too large"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_none_is_told_with_its_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "g.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as refused:
        read_glossary(path)
    assert refused.value.hint
