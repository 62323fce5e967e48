from __future__ import annotations

import mmap
import sys

import numpy as np
import pytest

from vivavoce.evals.usage import Usage


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the peak of a process by itself")
def test_the_peak_is_that_between_two_looks() -> None:
    usage = Usage()
    before_mib = usage.rss_mib()
    with mmap.mmap(-1, 64 << 20) as held:  # not from the heap, which may have a hole of this size
        held.write(b"\1" * len(held))
    now_mib = usage.rss_mib()
    assert now_mib < before_mib + 32
    assert usage.peak_mib > before_mib + 60


def test_what_was_computed_is_counted() -> None:
    usage = Usage()
    before_s = usage.cpu_s()
    while usage.cpu_s() < before_s + 0.05:
        np.ones(1 << 16).sum()
    others = usage.others_cores()
    assert others is None or others >= 0
