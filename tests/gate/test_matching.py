"""What a session told beside where its clip's speech ends by its energy alone."""

from __future__ import annotations

import numpy as np
import pytest

from vivavoce.audio.pcm import Pcm
from vivavoce.contract.profile import Stage
from vivavoce.evals.clips import Clip, Recording
from vivavoce.evals.live import Take
from vivavoce.evals.speech_ends import Speech
from vivavoce.gate.matching import clip_run, match_utterances
from vivavoce.legs.values import Clause
from vivavoce.translate.events import Event, Notice, NoticeKind, Spoken, Translated, UtteranceDone

START_MS = 10_000.0


def _done(number: int, from_ms: float, to_ms: float, text: str = "some words") -> UtteranceDone:
    stages = {
        Stage.ENDPOINT: (START_MS + to_ms, START_MS + to_ms + 330.0),
        Stage.TTS: (START_MS + to_ms + 200, START_MS + to_ms + 430),
    }
    return UtteranceDone(number, START_MS + from_ms, START_MS + to_ms, text, "en", 0.9, stages)


def _line(utterance: int, line: int, from_ms: float, to_ms: float) -> Translated:
    clause = Clause(f"words {line}", START_MS + from_ms, START_MS + to_ms)
    text = f"palavras {line}"
    return Translated(utterance, line, clause, text, "pt", True, START_MS + to_ms + 400, terms=line, rescued=1)


def _spoken(utterance: int, line: int, at_ms: float) -> Spoken:
    return Spoken(utterance, line, "palavras", START_MS + at_ms, START_MS + at_ms + 500, 0.0, True)


def _take(*events: Event, began_ms: dict[int, float] | None = None) -> Take:
    began = {line: START_MS + at_ms for line, at_ms in (began_ms or {}).items()}
    return Take(0, START_MS, events=list(events), began_ms=began, over=True)


def test_a_label_has_the_utterance_that_ends_nearest_to_it() -> None:
    # The detector parts at a pause that the labels do not count: what ends the label is the second one.
    take = _take(
        _line(1, 1, 30, 900), _spoken(1, 1, 1500), _done(1, 30, 900),
        _line(2, 2, 1300, 2950), _line(2, 3, 2950, 3010), _spoken(2, 2, 3400), _spoken(2, 3, 3900),
        _done(2, 1300, 3010),
        began_ms={1: 1510, 2: 3410, 3: 3920},
    )  # fmt: skip
    matched = match_utterances(take, [Speech(30.0, 3000.0)], endpoint_ms=320.0, paced=True)
    assert matched.silent == matched.impossible == ()
    (utterance,) = matched.utterances
    assert (utterance.label_start_ms, utterance.label_end_ms) == (30.0, 3000.0)
    assert utterance.wait_ms == pytest.approx(920.0)
    assert utterance.stages["tts"] == (3210.0, 3440.0)


def test_labels_that_were_heard_as_one_utterance_are_one() -> None:
    take = _take(_line(1, 1, 0, 2500), _spoken(1, 1, 3000), _done(1, 0, 2500))
    labels = [Speech(0.0, 1000.0), Speech(1600.0, 2490.0)]
    (utterance,) = match_utterances(take, labels, endpoint_ms=320.0, paced=True).utterances
    assert (utterance.label_start_ms, utterance.label_end_ms, utterance.wait_ms) == (0.0, 2490.0, 510.0)


def test_an_utterance_that_nobody_heard_or_spoke_has_no_wait() -> None:
    take = _take(_line(1, 1, 0, 1000), _done(1, 0, 1000))
    labels = [Speech(0.0, 990.0), Speech(5000.0, 6000.0)]
    found = match_utterances(take, labels, endpoint_ms=320.0, paced=True).utterances
    assert [utterance.wait_ms for utterance in found] == [None, None]
    assert found[0].stages
    assert not found[1].stages


def test_text_where_nobody_speaks_is_told() -> None:
    take = _take(_done(1, 0, 1000), _done(2, 3000, 3500, "thank you"), _done(3, 1200, 1250, "edge"))
    matched = match_utterances(take, [Speech(0.0, 1000.0)], endpoint_ms=320.0, paced=True)
    assert [done.text for done in matched.silent] == ["thank you"]


def test_a_clause_of_what_nobody_said_is_marked_and_text_without_clause_kept() -> None:
    clip, speech = Clip("a", "a.wav", "en", "Some words.", 2.0, target="pt"), Speech(0.0, 1000.0)
    recording = Recording(clip, Pcm(np.zeros(1, np.int16), 24000), speech, (speech,))
    take = _take(
        _line(1, 1, 0, 1000), _done(1, 0, 1000), _line(2, 2, 3000, 3500), _done(2, 3000, 3500, "thank you"),
        _done(3, 4000, 4500, "hm"),
    )  # fmt: skip
    run = clip_run(take, recording, glossary={}, endpoint_ms=320.0, paced=True)
    assert [clause.silent for clause in run.clauses] == [False, True]
    assert run.silent_text == ("hm",)


def test_a_label_too_near_to_the_endpoint_is_left_out_and_told_of() -> None:
    take = _take(_line(1, 1, 0, 1000), _spoken(1, 1, 1500), _done(1, 0, 1000))
    labels = [Speech(0.0, 1100.0)]
    assert match_utterances(take, labels, endpoint_ms=320.0, paced=True).impossible == tuple(labels)
    assert len(match_utterances(take, labels, endpoint_ms=320.0, paced=False).utterances) == 1
    clip = Clip("a", "a.wav", "en", "Some words.", 2.0, target="pt")
    recording = Recording(clip, Pcm(np.zeros(1, np.int16), 24000), labels[0], tuple(labels))
    run = clip_run(take, recording, glossary={}, endpoint_ms=320.0, paced=True)
    assert run.notices == ("label: the endpoint precedes 1100 ms",)
    assert (run.utterances, run.impossible) == ((), 1)


def test_a_clip_has_its_clauses_in_its_own_time() -> None:
    clip = Clip(
        "a", "a.wav", "en", "The house of words.", 2.0, {"pt": "A casa das palavras."}, target="pt", register="lecture"
    )
    speech = Speech(30.0, 1000.0)
    recording = Recording(clip, Pcm(np.zeros(1, np.int16), 24000), speech, (speech,))
    take = _take(
        _line(1, 1, 30, 500), _line(1, 2, 500, 1000), _spoken(1, 1, 800), _done(1, 30, 1000, "the house of words"),
        Notice(NoticeKind.LOW_CONFIDENCE, "unclear", START_MS + 1300), began_ms={1: 805.0},
    )  # fmt: skip
    run = clip_run(take, recording, glossary={"house": "casa", "dog": "cão"}, endpoint_ms=320.0, paced=True)
    assert (run.pair, run.register, run.transcript) == ("en-pt", "lecture", "the house of words")
    assert run.terms == {"house": "casa"}
    assert run.translation == "palavras 1 palavras 2"
    assert [(clause.start_ms, clause.end_ms, clause.shown_ms, clause.heard_ms) for clause in run.clauses] == [
        (30.0, 500.0, 900.0, 805.0),
        (500.0, 1000.0, 1400.0, None),
    ]
    assert [(clause.terms, clause.rescued) for clause in run.clauses] == [(1, 1), (2, 1)]
    assert run.utterances[0].wait_ms is None
    assert run.notices == ("low confidence: unclear",)
