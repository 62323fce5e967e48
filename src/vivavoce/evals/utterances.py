"""One clip as a listener perceived it: when the dub was heard, what was said, what it cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from vivavoce.contract.profile import Stage
from vivavoce.evals.clips import Recording
from vivavoce.evals.live import Take
from vivavoce.evals.speech_ends import precedes_endpoint_too_little
from vivavoce.translate.events import Notice, Spoken, UtteranceDone


@dataclass(slots=True)
class Row:
    """A clip's figures. `heard_ms` runs from the label's end to the first sound of the clip's last clause.

    `void` is set where the label is impossible, `unspoken` where the last clause was not spoken, `missed` where
    nothing was understood: such a clip has no latency. `label_ms` is the label's end less that of the detector.
    `whole` is the translation of the whole transcript, `offline` what the recogniser makes of the whole clip.
    """

    id: str
    language: str
    register: str
    short: bool
    speech_ms: float
    reference: str
    transcript: str
    spoken: str
    void: bool = False
    unspoken: bool = False
    missed: bool = False
    all_spoken: bool = False
    heard_ms: float | None = None
    first_from_start_ms: float | None = None
    queue_ms: float | None = None
    label_ms: float | None = None
    segments_ms: list[float] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    cpu_s: float = 0.0
    whole: str | None = None
    reference_translation: str | None = None
    offline: str | None = None

    @property
    def timed(self) -> bool:
        """Whether its latency counts."""
        return not self.void and self.heard_ms is not None

    def to_json(self) -> dict[str, Any]:
        return {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(self).items()}


def measure(take: Take, recording: Recording, *, endpoint_ms: float, target: str) -> Row:
    """Put a clip's label beside what the session told; `endpoint_ms` is the endpoint's own silence."""
    clip, speech = recording.clip, recording.speech
    start_ms, end_ms = take.start_ms + speech.start_ms, take.start_ms + speech.end_ms
    done = take.of(UtteranceDone)
    lines, spoken = take.lines, take.of(Spoken)
    row = Row(
        id=clip.id,
        language=clip.language,
        register=clip.register,
        short=recording.short,
        speech_ms=speech.duration_ms,
        reference=clip.transcript,
        transcript=take.text,
        spoken=" ".join(line.text for line in lines if line.spoken),
        missed=not lines,
        all_spoken=bool(lines) and all(line.spoken for line in lines),
        segments_ms=[length for each in done if (length := _length(each, Stage.HEARD)) is not None],
        notices=[f"{notice.kind}: {notice.text}" for notice in take.of(Notice)],
        cpu_s=take.cpu_s,
        reference_translation=clip.references.get(target),
    )
    if not lines or not done:
        return row
    row.label_ms = end_ms - done[-1].speech_end_ms
    decided_ms = done[-1].stages[Stage.ENDPOINT][1]
    row.void = precedes_endpoint_too_little(end_ms, decided_ms=decided_ms, endpoint_ms=endpoint_ms)
    first = {chunk.line: chunk for chunk in spoken if chunk.first}
    last = first.get(lines[-1].line)
    row.unspoken = last is None
    if last is not None:
        row.heard_ms = take.began_ms.get(last.line, last.start_ms) - end_ms
        row.queue_ms = last.waited_ms
    if first and not row.short:
        began = min(take.began_ms.get(line, chunk.start_ms) for line, chunk in first.items())
        row.first_from_start_ms = began - start_ms
    return row


def _length(done: UtteranceDone, stage: Stage) -> float | None:
    if stage not in done.stages:
        return None
    start_ms, end_ms = done.stages[stage]
    return end_ms - start_ms
