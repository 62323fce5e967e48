"""Glossaries in the store: terms whose renderings are locked, a user's own and the house's for everybody.

A term is one entry of a user and a pair of languages, whatever its case. A user's own entry wins over the house's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite
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
_MARKS: Final = " .,:;!?…¿¡'’‘\"“”„«»()[]-–—"
"""Of sentences: a term of these alone would be found at each of their ends."""


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
        owned.setdefault((entry.user_id, entry.source, entry.target), {})[_key(entry.term)] = entry
    new = replaced = removed = 0
    async with database.begin() as connection:
        for owner, wanted in owned.items():
            user_id, source, target = owner
            there = {_key(entry.term) for entry in await _entries(connection, [user_id], source, target)}
            left = len(wanted.keys() if owner == only else there | wanted.keys())
            if left > MOST_ENTRIES:
                raise ConfigError(
                    f"a glossary of {source}-{target} would have {left:,} terms",
                    hint=f"it takes {MOST_ENTRIES:,}: remove what is not needed",
                )
            same = wanted.keys() & there
            gone = there - same if owner == only else set()
            new, replaced, removed = new + len(wanted) - len(same), replaced + len(same), removed + len(gone)
            await _delete(connection, user_id, source, target, sorted(gone))
            if wanted:
                await _put(connection, wanted, now_ms, database.dialect)
    return new, replaced, removed


async def remove(database: Database, user_id: str, source: str, target: str, terms: Collection[str] | None) -> int:
    """Delete terms of a user and a pair, whatever their case, all for None; how many there were. Raises StoreError."""
    async with database.begin() as connection:
        there = await _entries(connection, [user_id], source, target)
        wanted = None if terms is None else {_key(_one_line(term)) for term in terms}
        gone = [key for key in (_key(entry.term) for entry in there) if wanted is None or key in wanted]
        await _delete(connection, user_id, source, target, gone)
    return len(gone)


async def entries(
    database: Database, user_id: str | None = None, *, pair: tuple[str, str] | None = None
) -> list[Entry]:
    """Of one user or, for None, of all; of one pair or of all. In order. Raises StoreError."""
    async with database.begin(read_only=True) as connection:
        source, target = pair or ("", "")
        return await _entries(connection, None if user_id is None else [user_id], source, target)


async def load(database: Database, user_id: str, source: str, target: str) -> dict[str, dict[str, str]]:
    """What a session of a user locks, by source language: renderings by term, the house's and over them the user's own.

    These are of the one language, from "auto" of every one that has any. Raises StoreError.
    """
    async with database.begin(read_only=True) as connection:
        found = await _entries(connection, [HOUSE, user_id], "" if source == _ANY else source, target)
    house_first = sorted(found, key=lambda entry: entry.user_id != HOUSE)
    loaded: dict[str, dict[str, str]] = {}
    for language in sorted({entry.source for entry in found}):
        each = ({entry.term: entry.rendering} for entry in house_first if entry.source == language)
        loaded[language] = merged(*each)
    return loaded


def merged(*glossaries: Mapping[str, str]) -> dict[str, str]:
    """One glossary of several, of which the later win, whatever a term's case."""
    by_key = {_key(term): (term, glossary[term]) for glossary in glossaries for term in glossary}
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


async def _put(connection: AsyncConnection, entries: Mapping[str, Entry], now_ms: int, dialect: str) -> None:
    """Write entries by their keys over what is there, also what another has put there since it was looked at."""
    made = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(GLOSSARIES)
    changed = {name: made.excluded[name] for name in ("term", "rendering", "at_ms")}
    # In one order, so that two who write the same terms wait for one another and not in a circle.
    rows = [asdict(entry) | {"term_key": key, "at_ms": now_ms} for key, entry in sorted(entries.items())]
    await connection.execute(made.on_conflict_do_update(index_elements=[*GLOSSARIES.primary_key], set_=changed), rows)


async def _delete(connection: AsyncConnection, user_id: str, source: str, target: str, keys: Sequence[str]) -> None:
    table = GLOSSARIES.c
    pair = and_(table.user_id == user_id, table.source == source, table.target == target)
    for at in range(0, len(keys), 500):
        await connection.execute(delete(GLOSSARIES).where(pair, table.term_key.in_(keys[at : at + 500])))


def checked(text: str, what: str) -> str:
    """A term or rendering in Unicode's NFC and on one line. Raises ConfigError for what no glossary takes."""
    plain = _one_line(text)
    if not tokens(plain):
        raise ConfigError(f"an empty {what}", hint="a glossary's line has a term and its rendering")
    if not plain.strip(_MARKS):
        raise ConfigError(f"the {what} {plain[:20]!r} is punctuation alone", hint="it has letters, digits or signs")
    if len(plain) > LONGEST_TERM:
        raise ConfigError(f"the {what} {plain[:20]!r}… has {len(plain)} characters", hint=f"at most {LONGEST_TERM}")
    if not plain.isprintable():
        raise ConfigError(f"the {what} {plain[:20]!r} cannot be printed", hint="letters, digits and signs only")
    return plain


def _key(term: str) -> str:
    """By which a term is one whatever its case."""
    return term.casefold()


def _one_line(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
