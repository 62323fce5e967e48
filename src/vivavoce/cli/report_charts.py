"""The report's pictures, as SVG in percent of their width, so that letters keep their size on any screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Protocol

LANE_PX = 18
OVERVIEW_PX = 16
# Before zero a waterfall shows this much of the speech itself.
LEAD_MS = 300.0
LEAST_SPAN_MS = 900.0
# One very late utterance must not flatten all others.
MOST_SPAN_MS = 4000.0
ORDER = ("trigger", "stt", "mt", "tts", "queue", "route", "endpoint", "heard")
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


class Utterance(Protocol):
    """The part of an utterance that is drawn."""

    @property
    def id(self) -> str: ...
    @property
    def source_text(self) -> str: ...
    @property
    def speech_start_ms(self) -> float: ...
    @property
    def speech_end_ms(self) -> float: ...
    @property
    def stages(self) -> Mapping[str, tuple[float, float]]: ...
    @property
    def heard_ms(self) -> float | None: ...
    @property
    def confidence(self) -> float: ...
    @property
    def spoken(self) -> bool: ...
    @property
    def dub(self) -> tuple[tuple[float, float, str], ...]: ...


def ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms" if abs(value) < 10_000 else f"{value / 1000:.1f} s"


def figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def clock(at_ms: float) -> str:
    minutes, seconds = divmod(max(0.0, at_ms) / 1000.0, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"


def key(stage: str) -> str:
    """The small square that stands for a stage's colour."""
    return f'<i class="key {_kind(stage)}"></i>'


def legend() -> str:
    return "".join(f"<span>{key(stage)}{stage}</span>" for stage in ("speech", *ORDER[:-1])) + (
        '<span><i class="key heard"></i>heard</span>'
    )


def budget_bar(p50: float | None, p95: float | None, target: float, cap: float | None, kind: str) -> str:
    """A bar that is full at the cap: filled to the p50, a line at the p95, a tick at the target."""
    full = cap or 1.5 * target or 1.0
    parts = ['<rect class="track" x="0" y="5" width="100%" height="6" rx="3"/>']
    if p50 is not None:
        parts.append(f'<rect class="fill {kind}" x="0" y="5" width="{share_of(p50, full)}" height="6" rx="3"/>')
    parts.append(rule(share_of(target, full), 3, 13, "tick"))
    if p95 is not None:
        parts.append(rule(share_of(p95, full), 1, 15, f"p95 {kind}"))
    return f'<svg width="100%" height="16" aria-hidden="true">{"".join(parts)}</svg>'


class _Scale:
    """Milliseconds from the last speech sample to percent of the width."""

    def __init__(self, latest_ms: float, bound_ms: float) -> None:
        self.end_ms = min(MOST_SPAN_MS, max(LEAST_SPAN_MS, 1.2 * bound_ms, latest_ms + 120.0))

    def at(self, moment_ms: float) -> float:
        share = (moment_ms + LEAD_MS) / (self.end_ms + LEAD_MS)
        return 100.0 * min(1.0, max(0.0, share))

    def bar(self, kind: str, start_ms: float, end_ms: float, y: float, height: float, title: str) -> str:
        start, end = self.at(start_ms), self.at(end_ms)
        return (
            f'<rect class="{kind}" x="{start:.2f}%" y="{y}" width="{max(0.15, end - start):.2f}%" '
            f'height="{height}" rx="2"><title>{escape(title)}</title></rect>'
        )

    def grid(self, height: float, bound_ms: float) -> str:
        """Upright lines each 100 ms, stronger at zero, and the bound."""
        moments = range(0, int(self.end_ms) + 1, 100 if self.end_ms <= 1500 else 500)
        lines = [rule(f"{self.at(m):.2f}%", 0, height, "zero" if m == 0 else "grid") for m in moments]
        return "".join(lines) + rule(f"{self.at(bound_ms):.2f}%", 0, height, "bound")

    def axis(self, y: float, bound_ms: float) -> str:
        step = 200 if self.end_ms <= 1500 else 1000
        marks = [m for m in range(0, int(self.end_ms) + 1, step) if abs(self.at(m) - self.at(bound_ms)) > 9]
        texts = [label(self.at(m), y, f"{m}", "axis") for m in marks]
        return "".join(texts) + label(self.at(bound_ms), y, f"{bound_ms:.0f} ms", "axis bound")


def _latest(row: Utterance) -> float:
    return max([row.heard_ms or 0.0, *(end for _, end in row.stages.values())])


def waterfall(row: Utterance, bound_ms: float) -> str:
    """One utterance, a lane for each stage, from a little before its last speech sample to the dub."""
    stages = _in_order(row.stages)
    if not stages:
        return ""
    scale = _Scale(_latest(row), bound_ms)
    length_ms = row.speech_end_ms - row.speech_start_ms
    lanes = [("speech", -length_ms, 0.0, f"speech, {length_ms / 1000:.1f} s")]
    lanes += [
        (name, start, end, f"{name}: {start:.0f} → {end:.0f} ms, took {end - start:.0f} ms")
        for name, start, end in stages
    ]
    if row.heard_ms is not None and "heard" not in row.stages:
        lanes.append(("heard", 0.0, row.heard_ms, f"heard after {row.heard_ms:.0f} ms"))
    height = LANE_PX * len(lanes)
    parts = [scale.grid(height, bound_ms)]
    for number, (name, start, end, title) in enumerate(lanes):
        y = LANE_PX * number
        parts.append(scale.bar(_kind(name), start, end, y + 4, LANE_PX - 8, title))
        took = ms(length_ms) if name == "speech" else f"{end - start:.0f}"
        parts.append(_beside(scale.at(end), scale.at(start), y + 13, took))
    parts.append(scale.axis(height + 13, bound_ms))
    names = "".join(f"<span>{escape(name)}</span>" for name, *_ in lanes)
    about = f"Waterfall of utterance {row.id}: " + ", ".join(title for *_, title in lanes)
    return f'<div class="lanes"><div class="names">{names}</div>{drawing(height + 18, "".join(parts), about)}</div>'


def overview(rows: Sequence[Utterance], bound_ms: float) -> str:
    """Every utterance on one line: its stages in a row, the endpoint decision below them, a mark where it is heard."""
    drawn = [row for row in rows if row.stages]
    if not drawn:
        return "<p>No utterance has timings.</p>"
    scale = _Scale(max(map(_latest, drawn)), bound_ms)
    height = OVERVIEW_PX * len(drawn)
    parts = [scale.grid(height, bound_ms)]
    for number, row in enumerate(drawn):
        y = OVERVIEW_PX * number
        bars = [
            scale.bar("speech", row.speech_start_ms - row.speech_end_ms, 0.0, y + 3, 8, f"{row.id}: {row.source_text}")
        ]
        for name, start, end in _in_order(row.stages):
            if name != "heard":
                place = (y + 12, 2) if name == "endpoint" else (y + 3, 8)
                bars.append(scale.bar(_kind(name), start, end, *place, f"{row.id} {name}: {end - start:.0f} ms"))
        if row.heard_ms is not None:
            title = escape(f"{row.id} heard after {row.heard_ms:.0f} ms")
            late = " late" if row.heard_ms > bound_ms else ""
            x = f"{scale.at(row.heard_ms):.2f}%"
            bars.append(f'<circle class="dot{late}" cx="{x}" cy="{y + 7}" r="4"><title>{title}</title></circle>')
        parts.append(f'<a href="#u{escape(row.id)}">{"".join(bars)}</a>')
    parts.append(scale.axis(height + 14, bound_ms))
    names = "".join(f"<span>{escape(row.id)}</span>" for row in drawn)
    about = f"Waterfall of {len(drawn)} utterances against the bound of {bound_ms:.0f} ms"
    return (
        f'<div class="lanes dense"><div class="names">{names}</div>{drawing(height + 20, "".join(parts), about)}</div>'
    )


def timeline(rows: Sequence[Utterance], duration_ms: float, low_confidence: float) -> str:
    """The session from left to right: speech above, dub below, joined where one belongs to the other."""
    ends = [end for row in rows for end in (row.speech_end_ms, *(end for _, end, _ in row.dub))]
    total_ms = max([duration_ms, 1.0, *ends])
    parts: list[str] = []
    step_s = next((step for step in STEPS_S if total_ms / 1000 / step <= max(8, total_ms / 1000 * 9 / 80)), STEPS_S[-1])
    for second in range(0, int(total_ms / 1000) + 1, step_s):
        x = 100_000.0 * second / total_ms
        parts.append(rule(f"{x:.3f}%", 0, 84, "grid"))
        if x < 97:
            parts.append(
                label(x, 98, f"{second // 60}:{second % 60:02d}", "axis", anchor="start" if second == 0 else "middle")
            )
    for row in rows:
        speech = f"{row.id}: {row.source_text}"
        unsure = " low" if row.confidence < low_confidence else ""
        parts.append(_stretch(f"speech{unsure}", row.speech_start_ms, row.speech_end_ms, total_ms, 8, speech))
        for number, (start, end, text) in enumerate(row.dub):
            if number == 0:
                x1, x2 = share_of(row.speech_start_ms, total_ms), share_of(start, total_ms)
                parts.append(f'<line class="link" x1="{x1}" y1="32" x2="{x2}" y2="52"/>')
            lag = f"{row.id}: {text} (starts {(start - row.speech_end_ms) / 1000:+.1f} s from the end of speech)"
            parts.append(_stretch("dub", start, end, total_ms, 52, lag))
    # About 9 px for a second: a word is then a few pixels wide, and long sessions scroll.
    width = f"max(100%, {total_ms / 1000 * 9:.0f}px)"
    return (
        '<div class="lanes time"><div class="names"><span>speech</span><span>dub</span></div><div class="scroll">'
        f'<svg style="width:{width}" height="104" role="img" aria-label="Speech and dub over time">'
        f"{''.join(parts)}</svg></div></div>"
    )


def _stretch(kind: str, start_ms: float, end_ms: float, total_ms: float, y: float, title: str) -> str:
    return (
        f'<rect class="{kind}" x="{share_of(start_ms, total_ms)}" y="{y}" '
        f'width="{share_of(end_ms - start_ms, total_ms)}" height="24" rx="3"><title>{escape(title)}</title></rect>'
    )


def _in_order(stages: Mapping[str, tuple[float, float]]) -> list[tuple[str, float, float]]:
    """Known stages in the contract's order, others before the endpoint."""
    names: Iterable[str] = sorted(stages, key=lambda name: ORDER.index(name) if name in ORDER else 4.5)
    return [(name, *stages[name]) for name in names]


def _kind(stage: str) -> str:
    return stage if stage == "speech" or stage in ORDER else "other"


def share_of(value: float, full: float) -> str:
    """Percent of the whole width."""
    return f"{100.0 * min(1.0, max(0.0, value / full)):.3f}%"


def rule(x: str, y1: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x}" y1="{y1}" x2="{x}" y2="{y2}"/>'


def label(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.2f}%" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _beside(end: float, start: float, y: float, text: str) -> str:
    """A figure right of a bar, or left of it where there is no room."""
    if end > 88:
        return f'<text class="value" x="{start:.2f}%" y="{y}" dx="-5" text-anchor="end">{escape(text)}</text>'
    return f'<text class="value" x="{end:.2f}%" y="{y}" dx="5">{escape(text)}</text>'


def drawing(height: float, content: str, about: str) -> str:
    return f'<svg width="100%" height="{height}" role="img" aria-label="{escape(about)}">{content}</svg>'
