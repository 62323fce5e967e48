from __future__ import annotations

import pytest

from vivavoce.audio.resample import Resampler
from vivavoce.evals.resampling import PAIRS_HZ, measure, ours


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS_HZ)
def test_the_bands_are_what_is_promised(from_hz: int, to_hz: int) -> None:
    bands = measure(ours, Resampler(from_hz, to_hz).push, from_hz, to_hz)
    assert bands.ripple_db < 0.1
    assert bands.reject_db < -80
