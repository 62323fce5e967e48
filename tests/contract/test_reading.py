"""JSON of others: what is taken, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from vivavoce.contract.envelope import Machine
from vivavoce.contract.reading import parse_json, read_as
from vivavoce.errors import ConfigError

MACHINE = '{"cpu": "a", "cores": %s, "kernel": "k", "memory_mib": 1}'


def test_it_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text(MACHINE % 2)
    assert read_as(Machine, path, what="machine", hint="?") == Machine("a", 2, "k", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MACHINE % '"two"', "cores: Input should be a valid integer"),
        (MACHINE % "NaN", "NaN is no number that it may hold"),
        (MACHINE % "-Infinity", "-Infinity is no number"),
        (MACHINE % "1e400", "1e400 is no number"),
        (MACHINE % ("9" * 5000), "is no number that it may hold"),
        ("[" * 100_000, "it is nested too deep"),
        ("{", "Expecting"),
        ("\x00\xff", "no machine"),
    ],
)
def test_what_it_is_not_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "machine.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=said) as refused:
        read_as(Machine, path, what="machine", hint="name another")
    assert refused.value.hint == "name another"


def test_numbers_stay_as_they_are_written() -> None:
    assert parse_json(b"[1, 1.5, -3e2, 1000000000000000]") == [1, 1.5, -300.0, 10**15]
