from __future__ import annotations

import pytest

from vivavoce.telemetry.network import network_of


@pytest.mark.parametrize(
    ("jitter_ms", "gap_share", "network"),
    [
        (None, 0.0, "local"),
        (0.0, 0.0, "steady"),
        (10.0, 0.001, "steady"),
        (10.1, 0.0, "uneven"),
        (5.0, 0.002, "uneven"),
        (30.0, 0.01, "uneven"),
        (30.1, 0.0, "poor"),
        (5.0, 0.02, "poor"),
    ],
)
def test_a_network_is_as_good_as_the_worse_of_its_jitter_and_its_gaps(
    jitter_ms: float | None, gap_share: float, network: str
) -> None:
    assert network_of(jitter_ms, gap_share) == network
