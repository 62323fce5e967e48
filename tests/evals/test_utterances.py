from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vivavoce.audio.pcm import Pcm
from vivavoce.evals.clips import Clip, Recording
from vivavoce.evals.live import Take
from vivavoce.evals.speech_ends import Speech
from vivavoce.evals.utterances import Row, measure
from vivavoce.legs.values import Clause
from vivavoce.translate.events import Event, Spoken, Translated, UtteranceDone

RATE_HZ = 8000
START_MS = 10_000.0
ENDPOINT_MS = 320.0


def _recording(speech: Speech) -> Recording:
    clip = Clip("x", "x.flac", "en", "go home", speech.end_ms / 1000 + 0.5, references={"pt": "vai para casa"})
    return Recording(clip, Pcm(np.zeros(round((speech.end_ms + 500) * RATE_HZ / 1000), np.int16), RATE_HZ), speech)


def _line(number: int, text: str, *, spoken: bool = True) -> Translated:
    return Translated(number, number, Clause("go", 0.0, 100.0), text, "en", spoken, 0.0)


def _spoken(line: int, start_ms: float, *, waited_ms: float = 0.0, first: bool = True) -> Spoken:
    return Spoken(line, line, "vai", start_ms, start_ms + 300, waited_ms, first)


def _done(number: int, end_ms: float, decided_ms: float, heard_ms: float | None = None) -> UtteranceDone:
    stages = {"endpoint": (end_ms, decided_ms)} | ({"heard": (end_ms, heard_ms)} if heard_ms else {})
    return UtteranceDone(number, START_MS, end_ms, f"text {number}", "en", 0.9, stages)


def _measured(events: Sequence[Event], speech: Speech, began_ms: dict[int, float] | None = None) -> Row:
    take = Take(0, START_MS, list(events), began_ms or {}, cpu_s=1.5, over=True)
    return measure(take, _recording(speech), endpoint_ms=ENDPOINT_MS, target="pt")


def test_latency_runs_from_the_label_to_the_first_sound_of_the_last_clause() -> None:
    row = _measured(
        [
            _line(1, "vai"),
            _spoken(1, 12_500.0),
            _done(1, 12_080.0, 12_400.0, 12_500.0),
            _line(2, "para casa"),
            _spoken(2, 14_700.0, waited_ms=90.0),
            _spoken(2, 15_000.0, first=False),
            _done(2, 14_050.0, 14_380.0, 14_700.0),
        ],
        Speech(200.0, 4000.0),
    )
    assert (row.short, row.void, row.unspoken, row.missed, row.all_spoken) == (True, False, False, False, True)
    assert (row.heard_ms, row.queue_ms) == (700.0, 90.0)
    assert row.first_from_start_ms is None
    assert row.label_ms == -50.0
    assert row.segments_ms == [420.0, 650.0]
    assert (row.transcript, row.spoken) == ("text 1 text 2", "vai para casa")
    assert row.reference_translation == "vai para casa"


def test_a_late_tick_counts_as_latency() -> None:
    row = _measured(
        [_line(1, "vai"), _spoken(1, 14_600.0), _done(1, 14_050.0, 14_400.0)], Speech(200.0, 4000.0), {1: 14_625.0}
    )
    assert row.heard_ms == 625.0


def test_long_speech_has_a_latency_from_its_start() -> None:
    events = [_line(1, "vai"), _spoken(1, 12_900.0), _done(1, 16_500.0, 16_900.0)]
    row = _measured(events, Speech(300.0, 6400.0))
    assert not row.short
    assert row.first_from_start_ms == 2600.0


@pytest.mark.parametrize(("decided_ms", "void"), [(14_320.0, False), (14_319.0, True), (13_900.0, True)])
def test_an_impossible_label_voids_the_utterance(decided_ms: float, void: bool) -> None:
    row = _measured([_line(1, "vai"), _spoken(1, 14_600.0), _done(1, 13_990.0, decided_ms)], Speech(200.0, 4000.0))
    assert row.void is void
    assert row.timed is not void


def test_a_last_clause_that_was_not_spoken_gives_no_latency() -> None:
    row = _measured(
        [_line(1, "vai"), _spoken(1, 12_500.0), _line(2, "para casa", spoken=False), _done(1, 14_000.0, 14_400.0)],
        Speech(200.0, 4000.0),
    )
    assert (row.unspoken, row.all_spoken, row.heard_ms, row.timed) == (True, False, None, False)
    assert row.spoken == "vai"


def test_a_clip_of_which_nothing_was_understood_is_missed() -> None:
    row = _measured([], Speech(200.0, 4000.0))
    assert (row.missed, row.unspoken, row.timed) == (True, False, False)
    assert row.to_json()["missed"] is True
