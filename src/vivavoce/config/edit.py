"""One change to a configuration file's text that leaves all else as it was written, comments too.

Places where the change may be written are tried in turn; one is taken where the text, read again, says what was wanted
and nothing else.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from vivavoce.errors import ConfigError

_STRING: Final = r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
_GAP: Final = r"(?:\s|#[^\n]*(?:\n|$))*"
_ARRAY: Final = re.compile(
    rf"(?<![\w-])order\s*=\s*(\[(?:{_GAP}(?:{_STRING}){_GAP},)*(?:{_GAP}(?:{_STRING}))?{_GAP}\])"
)
_ITEM: Final = re.compile(rf"({_STRING})|#[^\n]*")


def put_first(text: str, leg: str, engine: str, order: Sequence[str]) -> str:
    """The text with `engine` first in `routes.LEG.order`, which is `order` now, in the text or as it is packaged.

    Raises ConfigError, with the line to write, where the text has it in a form that is not known here.
    """
    wanted = [engine, *(name for name in order if name != engine)]
    before = tomllib.loads(text)
    goal = deepcopy(before)
    goal.setdefault("routes", {}).setdefault(leg, {})["order"] = wanted
    for changed in _ways(text, leg, engine, wanted):
        if _reads(changed) == goal:
            return changed
    raise ConfigError(
        "the order of engines is written in a form that this command does not change",
        hint=f"write [routes] {_line(leg, wanted)} yourself",
    )


def _ways(text: str, leg: str, engine: str, wanted: Sequence[str]) -> Iterator[str]:
    for found in _ARRAY.finditer(text):
        start, end = found.span(1)
        yield text[:start] + _led(found[1], engine) + text[end:]
    ending = "\r\n" if "\r\n" in text else "\n"
    for header, line in (
        (rf"\[\s*routes\s*\.\s*{leg}\s*\]", f"order = {_array(wanted)}"),
        (r"\[\s*routes\s*\]", _line(leg, wanted)),
    ):
        for found in re.finditer(rf"^[ \t]*{header}[^\n]*(?:\n|$)", text, re.MULTILINE):
            yield f"{text[: found.end()].rstrip()}{ending}{line}{ending}{text[found.end() :]}"
    above = f"{text.rstrip()}{ending}{ending}" if text.strip() else ""
    yield f"{above}[routes.{leg}]{ending}order = {_array(wanted)}{ending}"
    yield f"routes.{_line(leg, wanted)}{ending}{text}"


def _led(array: str, engine: str) -> str:
    """An array's text with this item moved to its beginning, or put there."""
    inside = array[1:-1]
    for item in _ITEM.finditer(inside):
        if item[1] is not None and tomllib.loads(f"x = {item[1]}")["x"] == engine:
            inside = _without(inside, *item.span())
            break
    lead = re.match(r"\s*", inside)
    gap = lead[0] if lead else ""
    rest = inside[len(gap) :]
    after = gap if "\n" in gap else " " if rest.strip() else ""
    return f"[{gap}{json.dumps(engine, ensure_ascii=False)}{',' if rest.strip() else ''}{after}{rest}]"


def _without(inside: str, start: int, end: int) -> str:
    """Without an item and its comma; a line that had nothing else goes with it."""
    line, rest = inside[:start], inside[end:]
    if comma := re.match(rf"({_GAP}),[ \t]*", rest):
        rest = comma[1] + rest[comma.end() :]
    else:  # the last
        line = re.sub(r",[ \t]*$", "", line)
    blank = re.search(r"\n[ \t]*$", line)
    if blank and re.match(r"\r?\n", rest):
        line = line[: blank.start()]
    return line + rest


def _line(leg: str, order: Sequence[str]) -> str:
    return f"{leg}.order = {_array(order)}"


def _array(order: Sequence[str]) -> str:
    return json.dumps(list(order), ensure_ascii=False)


def _reads(text: str) -> Mapping[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
