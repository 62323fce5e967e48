from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.audio.pcm import Samples
from vivavoce.providers.trimming import Trimmer


def trimmed(sound: Samples, cuts: list[int], *, margin: int = 2) -> tuple[Samples, int]:
    trimmer = Trimmer(quiet=10, margin=margin)
    pieces = [trimmer.push(piece) for piece in np.split(sound, sorted(cut % (len(sound) + 1) for cut in cuts))]
    return np.concatenate(pieces), trimmer.cut


def test_silence_around_is_cut_to_the_margin_and_silence_within_is_kept() -> None:
    sound = np.array([0] * 20 + [50, -60] + [3] * 15 + [70] + [0] * 30, np.int16)
    found, cut = trimmed(sound, [])
    assert cut == 18
    assert found.tolist() == [0, 0, 50, -60, *[3] * 15, 70, 0, 0]


@given(st.lists(st.integers(-20, 20), max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_how_it_is_cut_into_pieces_changes_what_follows_the_last_sound_at_most(
    samples: list[int], cuts: list[int]
) -> None:
    sound = np.array(samples, np.int16)
    (whole, cut), (pieces, cut_of_pieces) = trimmed(sound, []), trimmed(sound, cuts)
    assert whole[: len(pieces)].tolist() == pieces.tolist()
    assert len(whole) - len(pieces) <= 2
    if len(whole):
        assert cut == cut_of_pieces


def test_silence_that_is_no_pause_is_given_in_the_end() -> None:
    trimmer = Trimmer(quiet=10, margin=0)
    assert len(trimmer.push(np.array([99], np.int16))) == 1
    given = sum(len(trimmer.push(np.zeros(10_000, np.int16))) for _ in range(20))
    assert given == pytest.approx(200_000 - 65_536, abs=10_000)


def test_silence_alone_gives_nothing_and_is_not_kept() -> None:
    trimmer = Trimmer(quiet=10, margin=5)
    assert sum(len(trimmer.push(np.zeros(10_000, np.int16))) for _ in range(20)) == 0
    assert trimmer.cut == 200_000 - 5
