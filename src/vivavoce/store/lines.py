"""A row as one line of a journal, `{"TABLE":{"COLUMN":VALUE,…}}` in UTF-8, and many lines as the store takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import NoneType
from typing import Final

from pydantic_core import to_json
from sqlalchemy import Double, Integer, Table

from vivavoce.store.tables import METADATA

ROWS: Final = 16
"""Rows of a statement. A server on this machine may take over our core as soon as it has one, until it is done with it:
that holds the event loop for less than a millisecond."""
_NAMES: Final = frozenset(METADATA.tables)


def line_of(table: Table, row: Mapping[str, object]) -> bytes:
    """A number that is not finite is unknown: None.

    Raises ValueError for what the table has no place for, and for a table of content: no journal holds that.
    """
    kinds = _kinds(table)
    for name, value in row.items():
        kind = kinds.get(name, ())
        if type(value) not in kind and (not isinstance(value, kind) or isinstance(value, bool)):
            raise ValueError(f"{table.name}.{name} takes no {type(value).__name__}")
    if len(row) < len(kinds):
        for column in table.columns:
            if not column.nullable and column.name not in row:
                raise ValueError(f"{table.name}.{column.name} is missing")
    return b'{"%s":%s}\n' % (table.name.encode(), to_json(row, inf_nan_mode="null"))


def by_table(lines: Iterable[bytes]) -> tuple[list[tuple[str, str]], list[bytes]]:
    """Names of tables, each with up to `ROWS` of its rows as a JSON array, and the lines that cannot be of `line_of`.

    The rows themselves are not looked into: the store does that.
    """
    rows: dict[str, list[str]] = {}
    wrong = []
    for line in lines:
        try:
            head, _, rest = line.decode("utf-8").partition(":")
        except UnicodeDecodeError:
            head = rest = ""
        if (name := head[2:-1]) in _NAMES and rest.endswith("}}"):
            rows.setdefault(name, []).append(rest[:-1])
        else:
            wrong.append(line)
    return [
        (name, f"[{','.join(found[first : first + ROWS])}]")
        for name, found in rows.items()
        for first in range(0, len(found), ROWS)
    ], wrong


@cache
def _kinds(table: Table) -> dict[str, tuple[type, ...]]:
    if (table.comment or "").startswith("content"):
        raise ValueError(f"{table.name} holds content, which goes to the store directly")
    kinds: dict[str, tuple[type, ...]] = {}
    for column in table.columns:
        of_number: tuple[type, ...] = (float, int) if isinstance(column.type, Double) else (str,)
        kind = (int,) if isinstance(column.type, Integer) else of_number
        kinds[column.name] = (*kind, NoneType) if column.nullable else kind
    return kinds
