from __future__ import annotations

import numpy as np

from vivavoce.audio.pcm import Pcm
from vivavoce.evals.offline import windows

RATE_HZ = 16000


def test_short_sound_is_one_window() -> None:
    pcm = Pcm(np.ones(RATE_HZ * 25, np.int16), RATE_HZ)
    assert [window.duration_ms for window in windows(pcm)] == [25_000.0]


def test_long_sound_is_cut_where_it_is_quiet_and_nothing_is_lost() -> None:
    sound = (np.random.default_rng(0).standard_normal(RATE_HZ * 60) * 3000).astype(np.int16)
    for second in (20, 41):
        sound[second * RATE_HZ : second * RATE_HZ + RATE_HZ // 2] = 0
    found = list(windows(Pcm(sound, RATE_HZ)))
    assert np.array_equal(np.concatenate([window.samples for window in found]), sound)
    assert len(found) == 3
    assert [window.start_ms for window in found[1:]] == [window.end_ms for window in found[:-1]]
    assert all(window.duration_ms <= 25_000 for window in found)
    assert 20_000 <= found[1].start_ms <= 20_500
    assert 41_000 <= found[2].start_ms <= 41_500
