from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.audio.pcm import Samples
from vivavoce.translate.dub import DubSettings, DubTrack, Placement

PACING = DubSettings(pause_ms=160, short_pause_ms=40, relaxed_ms=900, hurried_ms=1700, max_speed=1.25)


def tone(count: int, value: int) -> Samples:
    return np.full(count, value, np.int16)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(1, 400)),
            st.tuples(st.just("put"), st.integers(0, 300)),
            st.tuples(st.just("next line"), st.integers(0, 300)),
        ),
        max_size=60,
    ),
    pause_ms=st.sampled_from([0, 40, 160]),
)
def test_the_dub_never_overlaps_itself_and_loses_nothing(steps: list[tuple[str, int]], pause_ms: float) -> None:
    track = DubTrack(1000)
    heard: list[Samples] = []
    placed: list[tuple[int, int, Placement]] = []
    line = 1
    for step, count in steps:
        if step == "read":
            heard.append(track.read(count))
            continue
        line += step == "next line"
        now_ms = track.position_ms
        placement = track.put(tone(count, len(placed) + 1), line=line, pause_ms=pause_ms)
        assert placement.start_ms >= now_ms
        assert placement.waited_ms >= 0
        placed.append((line, count, placement))
    heard.append(track.read(round(track.behind_ms) + 1))
    sound = np.concatenate(heard)
    for (_, _, before), (_, _, after) in pairwise(placed):
        assert after.start_ms >= before.end_ms
        assert not after.waited_ms or after.start_ms - before.end_ms == pause_ms
    for value, (_, count, placement) in enumerate(placed, start=1):
        start = round(placement.start_ms)
        assert (sound[start : start + count] == value).all()
        assert int((sound == value).sum()) == count


def test_clauses_stand_a_pause_apart_and_their_pieces_do_not() -> None:
    track = DubTrack(1000)
    track.put(tone(100, 1), line=1, pause_ms=160)
    assert track.put(tone(100, 2), line=1, pause_ms=160) == Placement(100, 200, 0)
    assert track.put(tone(100, 3), line=2, pause_ms=160) == Placement(360, 460, 360)


def test_after_silence_a_clause_begins_at_once() -> None:
    track = DubTrack(1000)
    track.put(tone(100, 1), line=1, pause_ms=160)
    track.read(500)
    assert track.put(tone(100, 2), line=2, pause_ms=160) == Placement(500, 600, 0)
    assert track.behind_ms == 100


def test_what_was_not_placed_is_silent() -> None:
    track = DubTrack(1000)
    assert not track.read(300).any()
    assert track.position_ms == 300


@given(late_ms=st.floats(-10_000, 100_000))
def test_speed_stays_within_its_bound_and_follows_shorter_pauses(late_ms: float) -> None:
    assert 1.0 <= PACING.speed(late_ms) <= PACING.max_speed
    assert PACING.speed(late_ms) == 1.0 or PACING.pause(late_ms) == PACING.short_pause_ms


@pytest.mark.parametrize(
    ("late_ms", "speed", "pause_ms"),
    [(0, 1.0, 160), (900, 1.0, 160), (901, 1.0, 40), (1300, 1.12, 40), (9000, 1.25, 40)],
)
def test_it_hurries_by_degrees(late_ms: float, speed: float, pause_ms: float) -> None:
    assert PACING.speed(late_ms) == pytest.approx(speed, abs=0.011)
    assert PACING.pause(late_ms) == pause_ms
