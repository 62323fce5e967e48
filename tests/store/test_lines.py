from __future__ import annotations

import json

import pytest
from sqlalchemy import Integer, Table

from vivavoce.store.lines import ROWS, by_table, line_of
from vivavoce.store.tables import CORRECTIONS, NUDGES, SESSION_ENDS, SIGNALS, STATES

END = {"session_id": "s1", "user_id": "u1", "started_ms": 1, "ended_ms": 5, "outcome": "done"}
NUDGE = {"id": "n1", "session_id": "s1", "user_id": "u1", "at_ms": 5, "kind": "late"}


def test_a_row_is_one_line_of_json_whatever_it_holds() -> None:
    line = line_of(SESSION_ENDS, END | {"outcome": 'é "quoted"\n\u2028'})
    assert json.loads(line) == {"session_ends": END | {"outcome": 'é "quoted"\n\u2028'}}
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("table", [CORRECTIONS, STATES])
def test_content_is_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="content"):
        line_of(table, {})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ended_ms": "5"}, "ended_ms takes no str"),
        ({"ended_ms": 5.0}, "ended_ms takes no float"),
        ({"ended_ms": True}, "ended_ms takes no bool"),
        ({"outcome": None}, "outcome takes no NoneType"),
        ({"color": "red"}, "color takes no str"),
    ],
)
def test_what_the_table_has_no_place_for_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        line_of(SESSION_ENDS, END | change)


def test_a_missing_value_is_refused_and_one_that_may_be_missing_is_not() -> None:
    with pytest.raises(ValueError, match=r"session_ends\.outcome is missing"):
        line_of(SESSION_ENDS, {name: value for name, value in END.items() if name != "outcome"})
    needed = {column.name: 0 if isinstance(column.type, Integer) else "" for column in SIGNALS.c if not column.nullable}
    assert b"jitter" not in line_of(SIGNALS, needed)
    unknown = line_of(SIGNALS, needed | {"jitter_p50_ms": float("nan"), "jitter_p95_ms": 1})
    assert json.loads(unknown)["profiles"]["jitter_p50_ms"] is None


def test_lines_come_by_table_and_what_is_no_line_comes_back() -> None:
    lines = [line_of(NUDGES, NUDGE | {"id": name})[:-1] for name in "ab"]
    torn = [b"", b"\0\0", b"{}", b'{"nudges":{"id":"c"}', b'{"no_table":{}}', b'{"nudges":{"id":"\xff"}}']
    rows, wrong = by_table([lines[0], *torn, line_of(SESSION_ENDS, END)[:-1], lines[1]])
    assert [(name, json.loads(text)) for name, text in rows] == [
        ("nudges", [NUDGE | {"id": "a"}, NUDGE | {"id": "b"}]),
        ("session_ends", [END]),
    ]
    assert wrong == torn


def test_a_statement_has_a_bounded_number_of_rows() -> None:
    rows, _ = by_table([line_of(NUDGES, NUDGE)[:-1]] * (2 * ROWS + 1))
    assert [len(json.loads(text)) for _, text in rows] == [ROWS, ROWS, 1]
