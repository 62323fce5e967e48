"""Pauses between words of a clip: where they are put, how long they are, and what they sound like."""

from __future__ import annotations

import numpy as np
import pytest

from vivavoce.agent.handset import FRAME
from vivavoce.audio.pcm import Pcm
from vivavoce.evals.clips import Clip, Recording
from vivavoce.evals.speech_ends import label_speech
from vivavoce.evals.spliced import PAUSE_MS, SNAP_MS, outburst, quietest_ms, splice
from vivavoce.legs.values import Word

RATE_HZ = 16_000
WORD_MS, GAP_MS, LEAD_MS = 260.0, 40.0, 300.0
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
SPEECH_DB_OVER_PAUSE = 25.0


def recording(words: int = len(WORDS), *, hiss: float = 2e-4) -> Recording:
    """Each word a tone, with 40 ms between them, and a soft hiss everywhere."""
    ms = LEAD_MS * 2 + words * (WORD_MS + GAP_MS)
    sound = np.random.default_rng(3).normal(0.0, hiss, int(ms * RATE_HZ / 1000))
    for n in range(words):
        at = int((LEAD_MS + n * (WORD_MS + GAP_MS)) * RATE_HZ / 1000)
        length = int(WORD_MS * RATE_HZ / 1000)
        sound[at : at + length] += 0.3 * np.sin(2 * np.pi * 300 * np.arange(length) / RATE_HZ)
    pcm = Pcm((sound * 32767).astype(np.int16), RATE_HZ)
    clip = Clip("c", "c.wav", "en", " ".join(WORDS[:words]), ms / 1000)
    return Recording(clip, pcm, label_speech(pcm))


def align(sound: np.ndarray, text: str) -> list[Word]:
    """Ends that are 30 ms too early, as an aligner's may be; the clip was trimmed to 30 ms before its speech."""
    starts_ms = [30.0 + n * (WORD_MS + GAP_MS) for n in range(len(text.split()))]
    return [Word(word, at, at + WORD_MS - 30.0) for word, at in zip(text.split(), starts_ms, strict=True)]


def level_db(samples: np.ndarray, from_ms: float, to_ms: float) -> float:
    piece = samples[round(from_ms * 8) : round(to_ms * 8)].astype(float)
    return float(10 * np.log10(np.mean(piece**2) + 1e-3))


@pytest.mark.parametrize("seed", range(6))
def test_pauses_are_silent_between_words_and_move_the_end(seed: int) -> None:
    given = recording()
    turn = splice(given, align, np.random.default_rng(seed))
    added_ms = sum(pause.length_ms for pause in turn.pauses)
    assert 1 <= len(turn.pauses) <= 2
    assert turn.speech.end_ms == pytest.approx(30.0 + given.speech.duration_ms + added_ms, abs=1.0)
    assert len(turn.samples) % FRAME == len(turn.rest) % FRAME == 0
    assert len(turn.samples) / 8 == pytest.approx(turn.speech.end_ms + 30.0, abs=21.0)
    loud_db = level_db(turn.samples, 30.0, 30.0 + WORD_MS)
    before_ms = 0.0
    for pause in turn.pauses:
        assert PAUSE_MS[0] <= pause.length_ms <= PAUSE_MS[1]
        assert level_db(turn.samples, pause.start_ms + 2, pause.end_ms - 2) < loud_db - SPEECH_DB_OVER_PAUSE
        place_ms = (pause.start_ms - before_ms - 30.0) % (WORD_MS + GAP_MS)
        assert WORD_MS - 10 <= place_ms <= WORD_MS + GAP_MS + 10
        assert (pause.start_ms - before_ms - 30.0) > WORD_MS + GAP_MS
        before_ms += pause.length_ms
    # The last word is whole.
    assert level_db(turn.samples, turn.speech.end_ms - WORD_MS + 15, turn.speech.end_ms - 15) > loud_db - 1


def test_the_same_dice_give_the_same_turn() -> None:
    one, other = (splice(recording(), align, np.random.default_rng(5)) for _ in range(2))
    assert one.pauses == other.pauses
    assert np.array_equal(one.samples, other.samples)


def test_few_words_and_none_wanted_stay_whole() -> None:
    dice = np.random.default_rng(1)
    assert splice(recording(3), align, dice).pauses == ()
    whole = splice(recording(), align, dice, most=0)
    assert whole.pauses == ()
    assert len(splice(recording(6), align, dice).pauses) == 1


def test_a_clip_without_a_background_gets_hiss() -> None:
    turn = splice(recording(hiss=0.0), align, np.random.default_rng(2))
    pause = turn.pauses[0]
    quiet = turn.samples[round(pause.start_ms * 8) + 80 : round(pause.end_ms * 8) - 80]
    assert 0 < np.abs(quiet.astype(float)).mean() < 40
    assert np.abs(turn.rest.astype(float)).mean() == pytest.approx(np.abs(quiet.astype(float)).mean(), rel=0.5)


def test_the_quietest_moment_is_near() -> None:
    pcm = recording().pcm
    end_ms = LEAD_MS + WORD_MS
    found_ms = quietest_ms(pcm, end_ms - 25.0)
    assert end_ms <= found_ms <= end_ms + GAP_MS
    assert abs(found_ms - (end_ms - 25.0)) <= SNAP_MS


def test_an_outburst_begins_at_once() -> None:
    turn = outburst(recording())
    assert (turn.speech.start_ms, turn.pauses) == (0.0, ())
    assert level_db(turn.samples, 5, 45) > level_db(turn.samples, 100, 200) - 6
