"""Glossaries in the store: terms whose renderings are locked, a user's own and the house's for everybody.

A term is one entry of a user and a pair of languages, whatever its case. A user's own entry wins over the house's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.errors import ConfigError
from vivavoce.prompts.house import HOUSE
from vivavoce.store.database import Database
from vivavoce.store.tables import GLOSSARIES
from vivavoce.text.languages import ISO_639_1
from vivavoce.text.terms import tokens

LONGEST_TERM: Final = 100
"""Characters of a term, and of a rendering."""
MOST_ENTRIES: Final = 2000
"""Of a user for one pair of languages."""
_ANY: Final = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One locked term; `user_id` "" is the house. Made by `entry_of`."""

    user_id: str = HOUSE
    source: str
    target: str
    term: str
    rendering: str


def entry_of(term: str, rendering: str, *, source: str, target: str, user_id: str = HOUSE) -> Entry:
    """An entry that can be stored. Raises ConfigError for languages and texts that no glossary takes."""
    check_pair(source, target)
    return Entry(
        user_id=user_id,
        source=source,
        target=target,
        term=checked(term, "term"),
        rendering=checked(rendering, "rendering"),
    )


def check_pair(source: str, target: str) -> None:
    """Raises ConfigError unless these are two languages, by their ISO 639-1 codes."""
    for language in (source, target):
        if language not in ISO_639_1:
            raise ConfigError(
                f"{language[:20]!r} is no language", hint="two letters of ISO 639-1, as in en-pt: en, es, fr, it, pt …"
            )
    if source == target:
        raise ConfigError(f"{source} is translated into itself", hint="name two languages, as in en-pt")


async def add(
    database: Database, entries: Iterable[Entry], *, now_ms: int, only: tuple[str, str, str] | None = None
) -> tuple[int, int, int]:
    """Put entries into the store, in place of those of the same terms; how many are new, replaced others, and removed.

    `only` is a user, source and target that have no others afterwards. All is done, or nothing. Raises ConfigError
    where a user would have more than `MOST_ENTRIES` for a pair, StoreError.
    """
    owned: dict[tuple[str, str, str], dict[str, Entry]] = {only: {}} if only else {}
    for entry in entries:
        owned.setdefault((entry.user_id, entry.source, entry.target), {})[entry.term.casefold()] = entry
    new = replaced = removed = 0
    async with database.begin() as connection:
        for owner, wanted in owned.items():
            user_id, source, target = owner
            there = {entry.term.casefold(): entry for entry in await _entries(connection, [user_id], source, target)}
            left = len(wanted if owner == only else there | wanted)
            if left > MOST_ENTRIES:
                raise ConfigError(
                    f"a glossary of {source}-{target} would have {left:,} terms",
                    hint=f"it takes {MOST_ENTRIES:,}: remove what is not needed",
                )
            same = wanted.keys() & there.keys()
            gone = there.keys() if owner == only else same
            new, replaced, removed = (
                new + len(wanted) - len(same),
                replaced + len(same),
                removed + len(gone) - len(same),
            )
            await _delete(connection, user_id, source, target, [there[key].term for key in gone])
            if wanted:
                rows = [asdict(entry) | {"at_ms": now_ms} for entry in wanted.values()]
                await connection.execute(insert(GLOSSARIES), rows)
    return new, replaced, removed


async def remove(database: Database, user_id: str, source: str, target: str, terms: Collection[str] | None) -> int:
    """Delete terms of a user and a pair, whatever their case, all for None; how many there were. Raises StoreError."""
    async with database.begin() as connection:
        there = await _entries(connection, [user_id], source, target)
        wanted = None if terms is None else {_one_line(term).casefold() for term in terms}
        gone = [entry.term for entry in there if wanted is None or entry.term.casefold() in wanted]
        await _delete(connection, user_id, source, target, gone)
    return len(gone)


async def entries(
    database: Database, user_id: str | None = None, *, pair: tuple[str, str] | None = None
) -> list[Entry]:
    """Of one user or, for None, of all; of one pair or of all. In order. Raises StoreError."""
    async with database.begin(read_only=True) as connection:
        source, target = pair or ("", "")
        return await _entries(connection, None if user_id is None else [user_id], source, target)


async def load(database: Database, user_id: str, source: str, target: str) -> dict[str, str]:
    """What a session of a user locks: renderings by term, the house's and over them the user's own.

    From "auto" these are the terms of every source language. Raises StoreError.
    """
    async with database.begin(read_only=True) as connection:
        found = await _entries(connection, [HOUSE, user_id], "" if source == _ANY else source, target)
    owned = ({entry.term: entry.rendering for entry in found if entry.user_id == user} for user in (HOUSE, user_id))
    return merged(*owned)


def merged(*glossaries: Mapping[str, str]) -> dict[str, str]:
    """One glossary of several, of which the later win, whatever a term's case."""
    by_key = {term.casefold(): (term, glossary[term]) for glossary in glossaries for term in glossary}
    return dict(by_key.values())


async def _entries(connection: AsyncConnection, users: Sequence[str] | None, source: str, target: str) -> list[Entry]:
    table = GLOSSARIES.c
    conditions = [
        *([table.user_id.in_(users)] if users is not None else []),
        *([table.source == source] if source else []),
        *([table.target == target] if target else []),
    ]
    order = (table.user_id, table.source, table.target, table.term)
    found = await connection.execute(
        select(table.user_id, table.source, table.target, table.term, table.rendering)
        .where(*conditions)
        .order_by(*order)
    )
    return [Entry(**row) for row in found.mappings()]


async def _delete(connection: AsyncConnection, user_id: str, source: str, target: str, terms: Sequence[str]) -> None:
    table = GLOSSARIES.c
    pair = and_(table.user_id == user_id, table.source == source, table.target == target)
    for at in range(0, len(terms), 500):
        await connection.execute(delete(GLOSSARIES).where(pair, table.term.in_(terms[at : at + 500])))


def checked(text: str, what: str) -> str:
    """A term or rendering in Unicode's NFC and on one line. Raises ConfigError for what no glossary takes."""
    plain = _one_line(text)
    if not tokens(plain):
        raise ConfigError(f"an empty {what}", hint="a glossary's line has a term and its rendering")
    if len(plain) > LONGEST_TERM:
        raise ConfigError(f"the {what} {plain[:20]!r}… has {len(plain)} characters", hint=f"at most {LONGEST_TERM}")
    if not plain.isprintable():
        raise ConfigError(f"the {what} {plain[:20]!r} cannot be printed", hint="letters, digits and signs only")
    return plain


def _one_line(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
