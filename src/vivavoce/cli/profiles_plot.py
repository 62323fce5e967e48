"""The picture of `vivavoce profiles --plot`: the matrix as a heat map of heard p95, with what is not known yet."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import product
from typing import TYPE_CHECKING

from vivavoce.cli.plural import plural
from vivavoce.cli.svg import frame, text
from vivavoce.telemetry.network import NETWORKS
from vivavoce.telemetry.profiles import Place

if TYPE_CHECKING:
    from vivavoce.telemetry.profiles import Cell, Matrix

NAMES, CELL, ROW, GAP = 170, 68, 44, 14
TOP, BOTTOM, MARGIN, KEY = 128, 82, 20, 24
MOST_APPS, MOST_LETTERS, CODEC_LETTERS = 40, 22, 10
STEPS_MS = (600, 1000, 1500, 2500)
"""Where a darker colour begins."""
STYLE = """
.small { font-size: 11px; } .none { fill: none; stroke: var(--grid); }
.few { fill-opacity: 0.3; stroke-dasharray: 4 3; stroke: var(--dim); }
.s0 { fill: #d7e6f5; } .s1 { fill: #a3c7e8; } .s2 { fill: #5b9bd1; } .s3 { fill: #2a6cae; } .s4 { fill: #143f70; }
.unknown { fill: #c9c8c2; } .on0, .on1, .on2, .onunknown { fill: #1c1c1a; } .on3, .on4 { fill: #ffffff; }
"""


def page(matrix: Matrix, since: str) -> str:
    """The drawing as a whole HTML file."""
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Profiles</title>\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<body style="margin:0; overflow-x:auto">\n{drawing(matrix, since)}</body></html>\n'
    )


def drawing(matrix: Matrix, since: str) -> str:
    """A whole SVG file that is readable on light and on dark paper."""
    apps, codecs = matrix.apps[:MOST_APPS], matrix.codecs
    group = CELL * max(1, len(codecs))
    width = max(MARGIN + NAMES + len(NETWORKS) * (group + GAP) + MARGIN - GAP, 640)
    height = TOP + ROW * max(1, len(apps)) + BOTTOM
    parts = [
        *_heading(matrix, since),
        *_columns(codecs, group),
        *_rows(matrix, apps, group),
        *_legend(matrix, width, height - BOTTOM + KEY),
    ]
    about = f"How sessions of the last {since} went by application, codec and network"
    return frame(parts, width=width, height=height, about=about, style=STYLE)


def _heading(matrix: Matrix, since: str) -> Iterator[str]:
    yield text(MARGIN, 30, f"Heard, p95 in ms, by application, codec and network (last {since})", "title")
    if matrix.coverage is None:
        yield text(MARGIN, 52, "No session's signals are in the store.", "dim")
        return
    sessions, share = plural(matrix.sessions, "session"), f"{matrix.coverage:.0%}"
    covered = f"{matrix.covered} of {matrix.expected} cells are covered ({share})"
    said = f"{sessions}; {covered}, {len(matrix.cells)} have any"
    yield text(MARGIN, 52, said, "dim")
    if (more := len(matrix.apps) - MOST_APPS) > 0:
        yield text(
            MARGIN, 70, f"The {MOST_APPS} applications with the most sessions; {more} more are not drawn.", "dim"
        )


def _columns(codecs: list[str], group: int) -> Iterator[str]:
    for n, network in enumerate(NETWORKS):
        left = MARGIN + NAMES + n * (group + GAP)
        yield text(left + group / 2, TOP - 30, network, "middle")
        for m, codec in enumerate(codecs):
            yield text(
                left + m * CELL + CELL / 2, TOP - 10, _cut(codec, CODEC_LETTERS), "middle small dim", whole=codec
            )


def _rows(matrix: Matrix, apps: list[str], group: int) -> Iterator[str]:
    cells, places = {cell.place: cell for cell in matrix.cells}, matrix.places
    for row, app in enumerate(apps):
        y = TOP + row * ROW
        name = app or "(unnamed)"
        yield text(MARGIN + NAMES - 10, y + ROW / 2 + 4, _cut(name, MOST_LETTERS), "end", whole=name)
        for (n, network), (m, codec) in product(enumerate(NETWORKS), enumerate(matrix.codecs)):
            x = MARGIN + NAMES + n * (group + GAP) + m * CELL
            place = Place(app, codec, network)
            if place in cells:
                yield from _cell(cells[place], x, y, covered=matrix.covers(cells[place]))
            elif place in places:
                yield _box(x, y, "none")


def _cell(cell: Cell, x: float, y: float, *, covered: bool) -> Iterator[str]:
    step = _step(cell.heard_p95_ms)
    about = ", ".join(
        [
            plural(cell.sessions, "session"),
            f"{cell.hours:.1f} hours",
            *_known("heard p50", cell.heard_p50_ms, " ms"),
            *_known("jitter p95", cell.jitter_p95_ms, " ms"),
            *_known("nudges an hour", cell.nudges, ""),
        ]
    )
    ink = f"on{step}" if covered else ""
    yield _box(x, y, f"{'s' if step != 'unknown' else ''}{step}{'' if covered else ' few'}", about)
    heard = "—" if cell.heard_p95_ms is None else f"{cell.heard_p95_ms:,.0f}"
    yield text(x + CELL / 2, y + 19, heard, f"middle {ink}")
    yield text(x + CELL / 2, y + 34, f"n {cell.sessions}", f"middle small {ink}")


def _legend(matrix: Matrix, width: float, y: float) -> Iterator[str]:
    """In as many rows as it takes; in the narrowest drawing that is two."""
    x = float(MARGIN)
    begins = [f"to {STEPS_MS[0]:,} ms", *(f"over {step:,}" for step in STEPS_MS)]
    rows = [(f"s{n}", said) for n, said in enumerate(begins)]
    rows += [("unknown", "not measured"), ("s2 few", f"fewer than {matrix.least} sessions"), ("none", "no session")]
    for kind, said in rows:
        if x + 22 + 6.3 * len(said) > width - MARGIN:
            x, y = float(MARGIN), y + KEY
        yield f'<rect x="{x:.1f}" y="{y:.1f}" width="16" height="16" class="{kind}"/>'
        yield text(x + 22, y + 12, said, "small")
        x += 34 + 6.3 * len(said)


def _step(heard_ms: float | None) -> str:
    return "unknown" if heard_ms is None else str(sum(heard_ms > step for step in STEPS_MS))


def _known(name: str, value: float | None, unit: str) -> list[str]:
    return [] if value is None else [f"{name} {value:.1f}{unit}"]


def _cut(name: str, letters: int) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"


def _box(x: float, y: float, kind: str, about: str = "") -> str:
    place = f'x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{ROW - 2}" rx="3"'
    return f'<rect {place} class="{kind}">{f"<title>{escape(about)}</title>" if about else ""}</rect>'
