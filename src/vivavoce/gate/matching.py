"""A take of a session beside what is known of its clip: its clauses, its utterances, and text that nobody said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vivavoce.contract.profile import Stage
from vivavoce.evals.clips import Recording
from vivavoce.evals.live import Take
from vivavoce.evals.scores import erasure
from vivavoce.evals.speech_ends import Speech, precedes_endpoint_too_little
from vivavoce.gate.plan import occurring
from vivavoce.gate.run import ClauseRun, ClipRun, UtteranceRun
from vivavoce.translate.events import Notice, Spoken, UtteranceDone

NEAR_MS = 300.0
"""A detector may end an utterance so much before or after its label, and begin the next so near to it."""
IMPOSSIBLE = "label"
"""The kind of the notice about an utterance that is left out because its label cannot be right."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Utterances by their labels; `impossible` labels have none, `silent` utterances have no label and a text."""

    utterances: tuple[UtteranceRun, ...]
    impossible: tuple[Speech, ...]
    silent: tuple[UtteranceDone, ...]


def clip_run(
    take: Take, recording: Recording, *, glossary: Mapping[str, str], endpoint_ms: float, paced: bool
) -> ClipRun:
    """What came of a recording in a session that locked `glossary`; `endpoint_ms` is the endpoint's own silence."""
    clip = recording.clip
    taken_back = erasure(take.events)
    matched = match_utterances(take, recording.utterances or (recording.speech,), endpoint_ms=endpoint_ms, paced=paced)
    clauses = clauses_of(take, silent=frozenset(done.utterance for done in matched.silent))
    translated = {line.utterance for line in take.lines}
    notices = [f"{notice.kind}: {notice.text}" for notice in take.of(Notice)]
    notices += [f"{IMPOSSIBLE}: the endpoint precedes {speech.end_ms:.0f} ms" for speech in matched.impossible]
    return ClipRun(
        id=clip.id,
        pair=clip.pair,
        register=clip.register,
        reference=clip.transcript,
        reference_translation=clip.reference,
        transcript=take.text,
        speech_ms=sum(speech.duration_ms for speech in recording.utterances) or recording.speech.duration_ms,
        synthetic=clip.synthetic,
        terms=occurring(clip.transcript, glossary, source=clip.language, target=clip.target),
        control=clip.control,
        clauses=clauses,
        utterances=matched.utterances,
        erased=taken_back.committed,
        wavered=taken_back.visible,
        shown=taken_back.words,
        silent_text=tuple(done.text for done in matched.silent if done.utterance not in translated),
        impossible=len(matched.impossible),
        notices=tuple(notices),
        cpu_s=round(take.cpu_s, 3),
    )


def clauses_of(take: Take, *, silent: Collection[int] = ()) -> tuple[ClauseRun, ...]:
    """Its translated clauses in order, with times from the take's first sample; `silent` utterances nobody spoke."""
    began_ms = _began_ms(take)
    return tuple(
        ClauseRun(
            text=line.clause.text,
            translation=line.text,
            start_ms=_tenth(line.clause.start_ms - take.start_ms),
            end_ms=_tenth(line.clause.end_ms - take.start_ms),
            shown_ms=_tenth(line.at_ms - take.start_ms),
            heard_ms=_tenth(began_ms[line.line] - take.start_ms) if line.line in began_ms else None,
            confidence=round(line.clause.confidence, 3),
            terms=line.terms,
            rescued=line.rescued,
            missed=line.missed,
            silent=line.utterance in silent,
        )
        for line in take.lines
    )


def match_utterances(take: Take, labels: Sequence[Speech], *, endpoint_ms: float, paced: bool) -> Matched:
    """Give each label the utterance of the session that overlaps it and ends nearest to it.

    Labels that the session heard as one utterance are one, to the end of the last. What the listener waits for is the
    first sound of the utterance's last clause. Unpaced no label is impossible, since moments mean nothing.
    """
    found = take.of(UtteranceDone)
    groups: list[tuple[Speech, UtteranceDone | None]] = []
    for label in labels:
        done = _nearest(found, label, take.start_ms)
        if done is not None and groups and groups[-1][1] is done:
            label = Speech(groups.pop()[0].start_ms, label.end_ms)
        groups.append((label, done))
    utterances, impossible = [], []
    for label, done in groups:
        decided_ms = done.stages[Stage.ENDPOINT][1] - take.start_ms if done is not None else None
        if (
            paced
            and decided_ms is not None
            and precedes_endpoint_too_little(label.end_ms, decided_ms=decided_ms, endpoint_ms=endpoint_ms)
        ):
            impossible.append(label)
        else:
            utterances.append(_utterance(take, label, done))
    silent = [
        done
        for done in found
        if done.text and not any(_overlap(done, label, take.start_ms, NEAR_MS) for label in labels)
    ]
    return Matched(tuple(utterances), tuple(impossible), tuple(silent))


def _nearest(found: Sequence[UtteranceDone], label: Speech, start_ms: float) -> UtteranceDone | None:
    near = [done for done in found if _overlap(done, label, start_ms, 0.0)] or [
        done for done in found if abs(done.speech_end_ms - start_ms - label.end_ms) <= NEAR_MS
    ]
    return min(near, key=lambda done: abs(done.speech_end_ms - start_ms - label.end_ms), default=None)


def _overlap(done: UtteranceDone, label: Speech, start_ms: float, margin_ms: float) -> bool:
    begin_ms, end_ms = done.speech_start_ms - start_ms, done.speech_end_ms - start_ms
    return begin_ms < label.end_ms + margin_ms and end_ms > label.start_ms - margin_ms


def _utterance(take: Take, label: Speech, done: UtteranceDone | None) -> UtteranceRun:
    start_ms, end_ms = _tenth(label.start_ms), _tenth(label.end_ms)
    if done is None:
        return UtteranceRun(label_start_ms=start_ms, label_end_ms=end_ms, wait_ms=None)
    last = max((line.line for line in take.lines if line.utterance == done.utterance), default=0)
    heard_ms = _began_ms(take).get(last)
    stages = {
        str(name): (_tenth(begin - take.start_ms), _tenth(end - take.start_ms))
        for name, (begin, end) in done.stages.items()
    }
    return UtteranceRun(
        label_start_ms=start_ms,
        label_end_ms=end_ms,
        wait_ms=None if heard_ms is None else _tenth(heard_ms - take.start_ms - label.end_ms),
        stages=stages,
    )


def _began_ms(take: Take) -> dict[int, float]:
    """When each line's first sound was heard, or was to be heard where the session ended before."""
    return {chunk.line: chunk.start_ms for chunk in take.of(Spoken) if chunk.first} | take.began_ms


def _tenth(value: float) -> float:
    return round(value, 1)
