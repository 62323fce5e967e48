"""The results of shadows: one row a pair, or one for what made a run void, and none of what was said.

JSON lines in one file a day (UTC). A file is removed once it has outlived its lifetime, at the next opening; rows of
one session can be erased before. Files are their owner's alone.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

from filelock import FileLock

from vivavoce.errors import OutputError
from vivavoce.folders import state_dir

LIFETIME_DAYS = 30
_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One pair of results. `at` is in ISO 8601, UTC; `void` why there is no pair, or "".

    Latencies: recognition finalise → final, translation text → complete, synthesis text → first sound. `errors` are the
    shadow's against the primary's `words`, `chrf` against the primary's text, `length_ratio` shadow to primary.
    Quantities by unit; costs in nano-dollars by the price of that identity, None where nobody knows it.
    """

    session: str
    leg: str
    primary: str
    shadow: str
    at: str
    void: str = ""
    primary_ms: float | None = None
    shadow_ms: float | None = None
    errors: int | None = None
    words: int | None = None
    chrf: float | None = None
    length_ratio: float | None = None
    primary_quantities: dict[str, float] | None = None
    shadow_quantities: dict[str, float] | None = None
    primary_nano: int | None = None
    shadow_nano: int | None = None
    primary_price: str | None = None
    shadow_price: str | None = None

    @property
    def at_s(self) -> float:
        return datetime.fromisoformat(self.at).timestamp()


_NAMES = frozenset(field.name for field in fields(Row))


def stamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")


class ShadowRows:
    """The rows in a folder, which several processes may share. Its methods block and raise OutputError."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        lifetime_days: float = LIFETIME_DAYS,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Remove what has outlived itself."""
        self.folder = folder or state_dir() / "shadow"
        self._now_s = now_s
        oldest = datetime.fromtimestamp(now_s(), UTC) - timedelta(days=lifetime_days)
        with self._locked():
            for path in self._files():
                # The day's last row is as old as its end.
                if _day(path) + timedelta(days=1) <= oldest:
                    path.unlink(missing_ok=True)

    def append(self, rows: Iterable[Row]) -> None:
        lines = "".join(json.dumps({"schema": _SCHEMA, **asdict(row)}, allow_nan=False) + "\n" for row in rows)
        if not lines:
            return
        day = datetime.fromtimestamp(self._now_s(), UTC).date()
        with self._locked():
            descriptor = os.open(self.folder / f"{day}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(lines)

    def read(self, *, since_s: float = 0.0) -> list[Row]:
        """Rows from that time of day on; what is no row (a torn line) is left out."""
        with self._locked():
            found = [row for path in self._files() for row, _ in _rows(path) if row is not None]
        return [row for row in found if row.at_s >= since_s]

    def erase(self, session: str) -> int:
        """Remove a session's rows and say how many there were. What cannot be read as a row goes as well."""
        erased: Counter[bool] = Counter()
        with self._locked():
            for path in self._files():
                kept = []
                for row, line in _rows(path):
                    if row is not None and row.session != session:
                        kept.append(line)
                    else:
                        erased[row is not None] += 1
                if kept:
                    _replace(path, "".join(kept))
                else:
                    path.unlink()
        return erased[True]

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("????-??-??.jsonl") if _is_day(path))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self.folder / "rows.lock", mode=0o600):
                yield
        except OSError as error:
            raise OutputError(
                f"{self.folder}: {error.strerror or type(error).__name__}", hint="the folder must be writable"
            ) from None


def _rows(path: Path) -> Iterator[tuple[Row | None, str]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            entry = json.loads(line)
            row = Row(**{name: value for name, value in entry.items() if name in _NAMES})
            row.at_s  # noqa: B018  a time that is none makes the line no row
        except (ValueError, TypeError, AttributeError):
            yield None, line
        else:
            yield row, line


def _replace(path: Path, text: str) -> None:
    with NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as file:
        file.write(text)
    os.replace(file.name, path)


def _day(path: Path) -> datetime:
    return datetime.strptime(path.stem, "%Y-%m-%d").replace(tzinfo=UTC)


def _is_day(path: Path) -> bool:
    try:
        _day(path)
    except ValueError:
        return False
    return True
