"""The fixed piece of arithmetic that tells machines apart."""

from __future__ import annotations

import time

from vivavoce.gate.speed import machine_speed


def test_the_speed_of_a_machine_is_soon_known() -> None:
    begun_s = time.monotonic()
    speed_ms = machine_speed()
    assert 0.1 < speed_ms < 1000
    assert time.monotonic() - begun_s < 20
