from __future__ import annotations

import numpy as np

from vivavoce.evals.noise import made_sounds

RATE_HZ = 16000


def test_the_same_seed_makes_the_same_sounds() -> None:
    first, again, other = made_sounds(11.0, RATE_HZ), made_sounds(11.0, RATE_HZ), made_sounds(11.0, RATE_HZ, seed=1)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a.samples, b.samples) for a, b in zip(first, other, strict=True))


def test_sounds_fill_the_time_and_are_as_loud_as_their_name_says() -> None:
    sounds = made_sounds(44.0, RATE_HZ)
    assert sum(len(sound.samples) for sound in sounds) == 44 * RATE_HZ
    assert len({sound.name for sound in sounds}) == len(sounds)
    for sound in sounds:
        rms = np.sqrt(np.mean(sound.samples.astype(np.float64) ** 2)) / 32768
        if sound.name.startswith("silence"):
            assert rms == 0
        elif sound.name.endswith("quiet"):
            assert 10 ** (-46 / 20) < rms < 10 ** (-40 / 20), sound.name
        else:
            assert 10 ** (-22 / 20) < rms < 10 ** (-12 / 20), sound.name
