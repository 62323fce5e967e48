"""What happened in a session, put together from its events: for screens, reports and measurements."""

from __future__ import annotations

from dataclasses import dataclass, field

from vivavoce.translate.events import Event, Heard, Notice, NoticeKind, Spoken, Translated, Trigger, UtteranceDone


@dataclass(slots=True)
class UtteranceRecord:
    """One utterance: its latest source text, its clauses, and where their sound was placed."""

    number: int
    heard: Heard | None = None
    done: UtteranceDone | None = None
    lines: list[Translated] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)

    @property
    def source_text(self) -> str:
        return " ".join(word.text for word in self.heard.settled) if self.heard else ""

    @property
    def target_text(self) -> str:
        return " ".join(line.text for line in self.lines)


class SessionRecord:
    """Takes every event of a session, in order."""

    def __init__(self) -> None:
        self.utterances: dict[int, UtteranceRecord] = {}
        self.notices: list[Notice] = []

    def take(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.append(event)
        if isinstance(event, Notice | Trigger):
            return
        record = self.utterances.setdefault(event.utterance, UtteranceRecord(event.utterance))
        if isinstance(event, Heard):
            record.heard = event
        elif isinstance(event, Translated):
            record.lines.append(event)
        elif isinstance(event, Spoken):
            record.spoken.append(event)
        else:
            record.done = event

    @property
    def latest(self) -> UtteranceRecord | None:
        return self.utterances[max(self.utterances)] if self.utterances else None

    @property
    def anything_heard(self) -> bool:
        return any(record.source_text for record in self.utterances.values())

    def mostly_in_another_language(self, stated: str) -> str | None:
        """The language that most of the speech is in, by time, where it is not the stated one."""
        spoken_ms: dict[str, float] = {}
        for record in self.utterances.values():
            if (done := record.done) is not None:
                length_ms = done.speech_end_ms - done.speech_start_ms
                spoken_ms[done.language] = spoken_ms.get(done.language, 0.0) + length_ms
        if stated == "auto" or not spoken_ms or not any(n.kind is NoticeKind.OTHER_LANGUAGE for n in self.notices):
            return None
        most = max(spoken_ms, key=lambda language: spoken_ms[language])
        return most if most != stated else None
