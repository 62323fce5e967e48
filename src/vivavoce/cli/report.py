"""The report of a session: one HTML file that needs nothing else, to look at and to pass on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from vivavoce.audio.sinks import check_output, output_error
from vivavoce.cli import report_charts as charts

LOW_CONFIDENCE = 0.6
# Less than this share of the cap left counts as near it.
NEAR = 0.15


@dataclass(frozen=True, slots=True)
class StageRow:
    """A row of the contract: what a stage owes and what it took; `cap_ms` None where nothing caps it."""

    name: str
    target_ms: float
    cap_ms: float | None
    p50_ms: float | None
    p95_ms: float | None

    @property
    def headroom_ms(self) -> float | None:
        return None if self.cap_ms is None or self.p95_ms is None else self.cap_ms - self.p95_ms


@dataclass(frozen=True, slots=True)
class UtteranceRow:
    """One utterance. `stages` are (start, end) from its last speech sample, everything else is session time.

    `heard_ms` is None where nothing was spoken or latency has no meaning; `dub` is (start, end, text) of each stretch.
    """

    id: str
    source_text: str
    target_text: str
    speech_start_ms: float
    speech_end_ms: float
    stages: Mapping[str, tuple[float, float]]
    heard_ms: float | None
    confidence: float
    spoken: bool
    dub: tuple[tuple[float, float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeRow:
    at_ms: float
    text: str


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that a report tells. `engines` is role → engine; `void_reason` says why latencies mean nothing."""

    source: str
    source_language: str
    target_language: str
    engines: Mapping[str, str]
    machine: str
    date: str
    duration_ms: float
    stages: tuple[StageRow, ...]
    utterances: tuple[UtteranceRow, ...]
    notices: tuple[NoticeRow, ...] = ()
    bound_ms: float = 700.0
    version: str = ""
    void_reason: str = ""
    low_confidence: float = LOW_CONFIDENCE


def write_report(path: str | Path, data: ReportData) -> None:
    """Write the report, whole or not at all. Raises OutputError when it cannot be written."""
    write_page(path, render(data))


def page_part(name: str) -> str:
    """A file that pages are made of: `report.html`, and `report.css` for whatever looks like it."""
    return (files("vivavoce.cli") / name).read_text(encoding="utf-8")


def write_page(path: str | Path, text: str) -> None:
    """Write a page, whole or not at all. Raises OutputError when it cannot be written."""
    path = Path(path).expanduser()
    check_output(path)
    part = path.with_name(f".{path.name}.part") if path.is_file() or not path.exists() else path
    try:
        part.write_text(text, encoding="utf-8")
        if part != path:
            os.replace(part, path)
    except OSError as error:
        if part != path:
            part.unlink(missing_ok=True)
        raise output_error(path, error) from None


def render(data: ReportData) -> str:
    """The report as HTML."""
    return Template(page_part("report.html")).substitute(
        style=page_part("report.css"),
        title=escape(f"{Path(data.source).name}: {data.source_language} → {data.target_language}"),
        source=escape(data.source),
        pair=escape(f"{data.source_language} → {data.target_language}"),
        facts=_facts(data),
        tiles=_tiles(data),
        void=f'<p class="void">{escape(data.void_reason)}</p>' if data.void_reason else "",
        contract=_contract(data),
        legend=charts.legend(),
        overview=charts.overview(data.utterances, data.bound_ms),
        timeline=charts.timeline(data.utterances, data.duration_ms, data.low_confidence),
        utterances="".join(_utterance(row, data) for row in data.utterances) or "<p>No speech was found.</p>",
        notices=_notices(data.notices),
        version=escape(data.version),
    )


def _facts(data: ReportData) -> str:
    rows = {
        "Date": data.date,
        "Machine": data.machine,
        **{name.capitalize(): text for name, text in data.engines.items()},
    }
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in rows.items() if text)


def _tiles(data: ReportData) -> str:
    heard = next((row for row in data.stages if row.name == "heard"), None)
    p50, p95 = (heard.p50_ms, heard.p95_ms) if heard else (None, None)
    within = "" if p95 is None else "good" if p95 < data.bound_ms else "bad"
    spoken = sum(row.spoken for row in data.utterances)
    speech_ms = sum(row.speech_end_ms - row.speech_start_ms for row in data.utterances)
    tiles = (
        ("heard after, p50", charts.ms(p50), "from the last speech sample"),
        ("heard after, p95", charts.ms(p95), f"bound {charts.ms(data.bound_ms)}"),
        ("utterances", str(len(data.utterances)), f"{spoken} dubbed, {len(data.utterances) - spoken} subtitles only"),
        ("speech", charts.clock(speech_ms), f"of {charts.clock(data.duration_ms)}"),
    )
    return "".join(
        f'<div class="tile {within if "p95" in name else ""}"><span>{name}</span><b>{value}</b>'
        f"<small>{note}</small></div>"
        for name, value, note in tiles
    )


def _contract(data: ReportData) -> str:
    return "".join(map(_contract_row, data.stages))


def _contract_row(row: StageRow) -> str:
    kind, left = "", "–"
    if (headroom := row.headroom_ms) is not None:
        left = f"{headroom:+.0f}"
        kind = "bad" if headroom < 0 else "near" if headroom < NEAR * (row.cap_ms or 0.0) else "good"
    cells = "".join(f"<td>{charts.figure(of)}</td>" for of in (row.target_ms, row.cap_ms, row.p50_ms, row.p95_ms))
    bar = charts.budget_bar(row.p50_ms, row.p95_ms, row.target_ms, row.cap_ms, kind)
    return (
        f'<tr class="{"whole" if row.name == "heard" else ""}">'
        f'<th scope="row">{charts.key(row.name)}{escape(row.name)}</th>{cells}'
        f'<td class="{kind}">{left}</td><td class="wide">{bar}</td></tr>'
    )


def _utterance(row: UtteranceRow, data: ReportData) -> str:
    unsure = row.confidence < data.low_confidence
    said = [f"<span>{charts.clock(row.speech_start_ms)} – {charts.clock(row.speech_end_ms)}</span>"]
    if row.heard_ms is not None:
        kind = "bad" if row.heard_ms > data.bound_ms else "good"
        said.append(f'<span class="heard {kind}">heard after {charts.ms(row.heard_ms)}</span>')
    if unsure:
        said.append(f'<span class="mark low">low confidence {row.confidence:.2f}</span>')
    if not row.spoken:
        said.append('<span class="mark">subtitles only, original voice kept</span>')
    name = escape(row.id)
    return (
        f'<article id="u{name}" class="{"unsure" if unsure else ""}">'
        f'<header><a href="#u{name}">{name}</a>{"".join(said)}</header><div class="texts">'
        f'<p lang="{escape(data.source_language)}">{escape(row.source_text)}</p>'
        f'<p lang="{escape(data.target_language)}">{escape(row.target_text) or "–"}</p></div>'
        f"{charts.waterfall(row, data.bound_ms)}</article>"
    )


def _notices(notices: Iterable[NoticeRow]) -> str:
    items = "".join(f"<li><time>{charts.clock(row.at_ms)}</time> {escape(row.text)}</li>" for row in notices)
    return f"<ul>{items}</ul>" if items else "<p>None: the dub kept up by itself.</p>"
