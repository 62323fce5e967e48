from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vivavoce.store import journal as module
from vivavoce.store.journal import PIECE_BYTES, Journal, journals


def lines(*numbers: int, width: int = 20) -> bytes:
    return b"".join(b"%0*d\n" % (width, number) for number in numbers)


def taken(journal: Journal) -> bytes:
    """All of it, taken piece by piece."""
    found = b""
    while piece := journal.peek():
        found += piece
        journal.take(len(piece))
    return found


def left_behind(spool: Path) -> Journal:
    (folder,) = journals(spool)
    journal = Journal(spool, folder)
    assert journal.adopt()
    return journal


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel writes no file beyond this: what came before is written, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_is_taken_is_gone_from_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "spool")
    assert not (tmp_path / "spool").exists()
    journal.append(lines(1, 2))
    journal.append(lines(3))
    assert journal.peek() == lines(1, 2, 3)
    journal.take(len(lines(1)))
    assert journal.peek() == lines(2, 3)
    journal.append(lines(4))
    assert taken(journal) == lines(2, 3, 4)
    assert journal.backlog_bytes == 0
    assert [path.stat().st_size for path in (tmp_path / "spool").rglob("*.rows")] == [0]
    journal.append(lines(5))
    assert taken(journal) == lines(5)
    journal.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "spool")
    journal.append(lines(1))
    (folder,) = journals(tmp_path / "spool")
    (segment,) = folder.iterdir()
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "spool", folder, segment)] == [0o700, 0o700, 0o600]
    journal.close()


def test_full_segments_are_removed_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 100)
    journal = Journal(tmp_path)
    for number in range(12):
        journal.append(lines(number))
    counts = [len(list(tmp_path.rglob("*.rows")))]
    found = b""
    while piece := journal.peek():
        found += piece
        journal.take(len(piece))
        counts.append(len(list(tmp_path.rglob("*.rows"))))
    assert counts == [3, 2, 1, 1]
    assert found == lines(*range(12))
    journal.close()


def test_pieces_are_whole_lines_however_long(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(lines(1) + lines(2, width=3 * PIECE_BYTES) + lines(3))
    assert journal.peek() == lines(1)
    journal.take(len(lines(1)))
    assert len(journal.peek()) >= 3 * PIECE_BYTES
    assert taken(journal).endswith(b"2\n" + lines(3))
    journal.close()


def test_a_journal_is_adopted_when_its_owner_is_gone_and_not_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(lines(1, 2))
    (folder,) = journals(tmp_path)
    assert not Journal(tmp_path, folder).adopt()
    journal.close()
    heir = left_behind(tmp_path)
    assert not Journal(tmp_path, folder).adopt()
    assert heir.backlog_bytes == len(lines(1, 2))
    assert taken(heir) == lines(1, 2)
    heir.close()
    assert journals(tmp_path) == []
    assert not Journal(tmp_path, folder).adopt()


def test_a_line_that_broke_off_was_never_acknowledged(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(lines(1))
    journal.close()
    (segment,) = tmp_path.rglob("*.rows")
    with segment.open("ab") as file:
        file.write(lines(2)[:-1])
    heir = left_behind(tmp_path)
    assert taken(heir) == lines(1)
    assert heir.backlog_bytes == 0
    heir.close()
    assert journals(tmp_path) == []


def test_a_write_that_fails_leaves_nothing_and_the_next_begins_another_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(lines(1))
    with largest_file(30), pytest.raises(OSError, match="File too large"):
        journal.append(lines(2, 3))
    with largest_file(30), pytest.raises(OSError, match="File too large"):
        journal.append(lines(2, 3))
    assert [path.stat().st_size for path in tmp_path.rglob("*.rows")] == [len(lines(1))]
    journal.append(lines(2, 3))
    assert taken(journal) == lines(1, 2, 3)
    journal.close()
    assert journals(tmp_path) == []


def test_a_segment_that_cannot_be_read_is_left_and_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 1)
    journal = Journal(tmp_path)
    journal.append(lines(1))
    journal.append(lines(2))
    first = min(tmp_path.rglob("*.rows"))
    os.rename(first, first.with_suffix(".away"))
    with pytest.raises(FileNotFoundError):
        journal.peek()
    assert taken(journal) == lines(2)
    assert journal.backlog_bytes == 0
    journal.close()
    assert first.with_suffix(".away").exists()


def test_no_file_to_be_had_passes_over_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(lines(1))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            journal.peek()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    journal.append(lines(2))
    assert taken(journal) == lines(1, 2)
    journal.close()
    assert journals(tmp_path) == []


def test_one_that_cannot_be_read_while_it_is_written_is_left_and_the_next_begins_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "spool")
    journal.append(lines(1))
    shutil.rmtree(tmp_path / "spool")
    with pytest.raises(FileNotFoundError):
        journal.peek()
    assert journal.backlog_bytes == 0
    journal.append(lines(2))
    assert taken(journal) == lines(2)
    journal.close()
    assert journals(tmp_path / "spool") == []


def test_where_nothing_can_be_locked_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    journal = Journal(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    for _ in range(2):
        with pytest.raises(OSError, match="No locks available"):
            journal.append(lines(1))
    assert journals(tmp_path) == []
    monkeypatch.undo()
    journal.append(lines(1))
    assert taken(journal) == lines(1)
    journal.close()


def test_one_that_is_removed_while_it_is_written_says_so_and_begins_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "spool")
    journal.append(lines(1))
    shutil.rmtree(tmp_path / "spool")
    with pytest.raises(FileNotFoundError):
        journal.append(lines(2))
    journal.append(lines(2))
    with pytest.raises(FileNotFoundError):
        journal.peek()
    assert taken(journal) == lines(2)
    journal.close()
    assert journals(tmp_path / "spool") == []
