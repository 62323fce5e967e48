"""The waterfall of a clip: each clause from its speech over its subtitle to its dub, and each utterance's stages."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from vivavoce.cli.report_charts import STEPS_S, drawing, label, overview, rule, share_of
from vivavoce.gate.run import ClauseRun, ClipRun

LANE_PX = 18
PX_A_SECOND = 45
"""Clips so long that they do not fit scroll."""


@dataclass(frozen=True, slots=True)
class _Utterance:
    """An utterance of a clip as `report_charts.overview` draws it; stages are from the end of its speech."""

    id: str
    source_text: str
    speech_start_ms: float
    speech_end_ms: float
    stages: dict[str, tuple[float, float]]
    heard_ms: float | None
    confidence: float = 1.0
    spoken: bool = True
    dub: tuple[tuple[float, float, str], ...] = ()


def stages_chart(clip: ClipRun, bound_ms: float, *, first: int) -> str:
    """Every utterance of the clip on one line, from the end of its speech; `first` is the number of its first one."""
    rows = [
        _Utterance(
            id=str(number),
            source_text=_between(clip, utterance.label_start_ms, utterance.label_end_ms),
            speech_start_ms=utterance.label_start_ms,
            speech_end_ms=utterance.label_end_ms,
            stages={
                name: (begin - utterance.label_end_ms, end - utterance.label_end_ms)
                for name, (begin, end) in utterance.stages.items()
            },
            heard_ms=utterance.wait_ms,
        )
        for number, utterance in enumerate(clip.utterances, first)
    ]
    return overview(rows, bound_ms) if any(row.stages for row in rows) else ""


def clauses_chart(clip: ClipRun) -> str:
    """The clip from left to right: its speech, then a lane for each clause; "" without any."""
    if not clip.clauses:
        return ""
    total_ms = max(
        1.0,
        *(utterance.label_end_ms for utterance in clip.utterances),
        *(max(clause.end_ms, clause.shown_ms, clause.heard_ms or 0.0) for clause in clip.clauses),
    )
    total_ms *= 1.04
    height = LANE_PX * (1 + len(clip.clauses))
    parts = [*_seconds(total_ms, height)]
    for utterance in clip.utterances:
        length_s = (utterance.label_end_ms - utterance.label_start_ms) / 1000
        title = f"labelled speech, {length_s:.1f} s"
        parts.append(_bar("speech", utterance.label_start_ms, utterance.label_end_ms, total_ms, 3, title))
    for number, clause in enumerate(clip.clauses, 1):
        parts += _lane(clause, total_ms, LANE_PX * number)
    names = "".join(f"<span>{name}</span>" for name in ("speech", *map(str, range(1, len(clip.clauses) + 1))))
    about = f"Waterfall of clip {clip.id}: {len(clip.clauses)} clauses in {total_ms / 1000:.0f} s"
    width = f"max(100%, {PX_A_SECOND * total_ms / 1000:.0f}px)"
    return (
        f'<div class="lanes"><div class="names">{names}</div><div class="scroll"><div style="width:{width}">'
        f"{drawing(height + 18, ''.join(parts), about)}</div></div></div>"
    )


def _lane(clause: ClauseRun, total_ms: float, y: float) -> list[str]:
    parts = [
        _bar("speech", clause.start_ms, clause.end_ms, total_ms, y + 3, f"spoken: {clause.text}"),
        _bar(
            "mt",
            clause.end_ms,
            clause.shown_ms,
            total_ms,
            y + 3,
            f"shown {_after(clause.shown_ms - clause.end_ms)}: {clause.translation}",
        ),
    ]
    if clause.heard_ms is not None:
        title = f"heard {_after(clause.heard_ms - clause.end_ms)}"
        parts.append(_bar("tts", clause.shown_ms, clause.heard_ms, total_ms, y + 3, title))
        x = share_of(clause.heard_ms, total_ms)
        parts.append(f'<circle class="dot" cx="{x}" cy="{y + 8}" r="4"><title>{title}</title></circle>')
    return parts


def _after(ms: float) -> str:
    return f"{ms:.0f} ms after its end" if ms >= 0 else f"{-ms:.0f} ms before its end"


def _bar(kind: str, from_ms: float, to_ms: float, total_ms: float, y: float, title: str) -> str:
    """From the earlier to the later: a clause may be shown before it has ended."""
    begin, end = min(from_ms, to_ms), max(from_ms, to_ms)
    return (
        f'<rect class="{kind}" x="{share_of(begin, total_ms)}" y="{y}" width="{share_of(end - begin, total_ms)}" '
        f'height="{LANE_PX - 8}" rx="2"><title>{escape(title)}</title></rect>'
    )


def _seconds(total_ms: float, height: float) -> list[str]:
    step_s = next((step for step in STEPS_S if total_ms / 1000 / step <= 20), STEPS_S[-1])
    parts = []
    for second in range(0, int(total_ms / 1000) + 1, step_s):
        at = 100_000.0 * second / total_ms
        parts.append(rule(f"{at:.3f}%", 0, height, "grid"))
        parts.append(label(at, height + 13, f"{second} s", "axis", "start" if second == 0 else "middle"))
    return parts


def _between(clip: ClipRun, start_ms: float, end_ms: float) -> str:
    return " ".join(clause.text for clause in clip.clauses if clause.start_ms < end_ms and clause.end_ms > start_ms)
