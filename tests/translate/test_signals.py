from __future__ import annotations

from typing import Any

from vivavoce.legs.values import Word
from vivavoce.telemetry.signals import SessionSignals
from vivavoce.translate.events import UtteranceDone
from vivavoce.translate.signals import SignalFeed

GREETING = "Good morning everybody and welcome to the house of many doors"


def row_of(stage: Any, *, paced: bool = True) -> dict[str, Any]:
    signals = SessionSignals()
    feed = SignalFeed(signals, paced=paced)
    for event in stage.events:
        feed.take(event)
    return signals.row(session_id="s", user_id="u", app_id="a", codec="c", at_ms=0, duration_ms=10_000.0)


def test_a_session_that_goes_well(theatre: Any) -> None:
    stage = theatre.run(lambda: theatre.Stage(theatre.say(GREETING, 500)))
    row, (done,) = row_of(stage), stage.told(UtteranceDone)
    assert (row["utterances"], row["triggers"], row["false_triggers"], row["resumed"]) == (1, 1, 0, 0)
    assert (row["words"], row["words_revised"]) == (len(GREETING.split()), 0)
    start_ms, end_ms = done.stages["heard"]
    assert row["heard_p50_ms"] == row["heard_p95_ms"] == end_ms - start_ms
    assert row_of(stage, paced=False)["heard_p50_ms"] is None


def test_words_that_wavered_were_revised(theatre: Any) -> None:
    words = theatre.say(GREETING, 500)

    def waver(n: int, heard: list[Word]) -> list[Word]:
        return [theatre.replace(word, text=f"{word.text}{n}") if word is heard[-1] else word for word in heard]

    row = row_of(theatre.run(lambda: theatre.Stage(words, stt=theatre.Stt(words, waver=waver))))
    assert row["words"] == len(words)
    assert row["words_revised"] == 4, "the newest word of each of four partials"


def test_noise_is_a_false_start(theatre: Any) -> None:
    noise = theatre.say("bang bang bang", 500)
    row = row_of(theatre.run(lambda: theatre.Stage(noise, stt=theatre.Stt([]))))
    assert (row["triggers"], row["false_triggers"], row["utterances"], row["words"]) == (1, 1, 0, 0)


def test_a_breath_in_a_sentence_is_no_end_of_it(theatre: Any) -> None:
    words = [*theatre.say("Good morning", 500), *theatre.say("everybody", 1200)]
    row = row_of(theatre.run(lambda: theatre.Stage(words)))
    assert (row["triggers"], row["resumed"], row["utterances"]) == (1, 1, 1)


def test_speech_that_goes_on_while_its_end_is_recognised_is_one_utterance(theatre: Any) -> None:
    """The first utterance holds the recogniser for two seconds, the second ends meanwhile and goes on."""
    words = [*theatre.say("one two", 500), *theatre.say("three four", 1400), *theatre.say("five six", 2300)]
    row = row_of(theatre.run(lambda: theatre.Stage(words, stt=theatre.Stt(words, latency_ms=2000))))
    assert (row["triggers"], row["resumed"], row["words"], row["false_triggers"]) == (2, 1, 6, 0)
