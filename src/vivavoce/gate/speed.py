"""How fast this machine is, by a piece of arithmetic that owes nothing to what is evaluated on it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

_ROUNDS = 60
_SIZE = 64
"""Products of this size OpenBLAS gives to one thread, however many it may have (GEMM_MULTITHREAD_THRESHOLD)."""
_PRODUCTS = 600
_STEPS = 60_000


def machine_speed() -> float:
    """Milliseconds for fixed products of matrices and a fixed loop of Python: the geometric mean of the best of each.

    Engines spend their time in the one kind of work, what is between them in the other. The best of many rounds is
    what the machine can do when nobody else wants it. Takes about a second.
    """
    random = np.random.default_rng(7)
    left, right = (random.standard_normal((_SIZE, _SIZE), np.float32) for _ in range(2))

    def products() -> None:
        for _ in range(_PRODUCTS):
            np.matmul(left, right)

    return math.sqrt(_best_ms(products) * _best_ms(_steps))


def _best_ms(work: Callable[[], object]) -> float:
    times_ns = []
    for _ in range(_ROUNDS):
        begun_ns = time.perf_counter_ns()
        work()
        times_ns.append(time.perf_counter_ns() - begun_ns)
    return min(times_ns) / 1e6


def _steps() -> int:
    value = 1
    for step in range(_STEPS):
        value = (value * 1103515245 + step) & 0x7FFFFFFF
    return value
