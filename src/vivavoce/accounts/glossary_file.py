"""Glossaries in files: a line a term, `term,rendering`, with commas, semicolons or tabs between."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from vivavoce.accounts.glossaries import MOST_ENTRIES, checked, merged
from vivavoce.errors import ConfigError

_HEADING: Final = ("term", "rendering")
_REMARK: Final = "# "
_LARGEST: Final = 4 << 20
_FORMAT: Final = "each line has a term and its rendering, with a comma, a semicolon or a tab between them"


def read_glossary(path: Path) -> dict[str, str]:
    """Renderings by term, of a CSV or TSV file (UTF-8). Of a term that comes twice the last holds.

    A first line `term,rendering` is a heading; empty lines and those that begin with "# " are left out: a term that
    does is in quotes. Raises ConfigError that names the line which is wrong.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path} is too large for a glossary", hint=f"it takes {MOST_ENTRIES:,} terms")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint=f"name a CSV or TSV file: {_FORMAT}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not in UTF-8", hint="save it as CSV in UTF-8") from error
    found: list[dict[str, str]] = []
    lines = _Lines(text)
    try:
        for number, row in enumerate(csv.reader(lines, delimiter=_delimiter(path, text), strict=True)):
            lines.between = True
            cells = [cell.strip() for cell in row]
            heading = number == 0 and tuple(cell.casefold() for cell in cells[:2]) == _HEADING
            if heading or not any(cells):
                continue
            if len(cells) < 2 or any(cells[2:]):
                raise ConfigError(f"{len(cells)} fields", hint=_FORMAT)
            found.append({checked(cells[0], "term"): checked(cells[1], "rendering")})
    except (ConfigError, csv.Error) as error:
        hint = error.hint if isinstance(error, ConfigError) else _FORMAT
        raise ConfigError(f"{path}, line {lines.number}: {error}", hint=hint) from None
    glossary = merged(*found)
    if len(glossary) > MOST_ENTRIES:
        raise ConfigError(f"{path} has {len(glossary):,} terms", hint=f"a glossary takes {MOST_ENTRIES:,}")
    return glossary


def write_glossary(glossary: Mapping[str, str], *, tabs: bool = False) -> str:
    """The text of a file that `read_glossary` reads."""
    text = io.StringIO(newline="")
    delimiter = "\t" if tabs else ","
    rows = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    quoted = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    rows.writerow(_HEADING)
    for term, rendering in glossary.items():
        (quoted if term.startswith(_REMARK) else rows).writerow((term, rendering))
    return text.getvalue()


def has_tabs(path: Path) -> bool:
    """Whether a file is one with tabs, by its name."""
    return path.suffix.casefold() == ".tsv"


class _Lines:
    """The lines of a text but its remarks; `between` is to be set after each row, `number` is the last line's."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.between, self.number = True, 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            if not (self.between and line.lstrip().startswith(_REMARK)):
                self.between = False
                yield line


def _delimiter(path: Path, text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(_REMARK)), "")
    if has_tabs(path) or "\t" in first:
        return "\t"
    return ";" if ";" in first and "," not in first else ","
