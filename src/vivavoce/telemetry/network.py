"""Classes of networks, by how packets came over them."""

from __future__ import annotations

from typing import Final

LOCAL: Final = "local"
STEADY, UNEVEN, POOR = "steady", "uneven", "poor"
NETWORKS: Final = (LOCAL, STEADY, UNEVEN, POOR)
"""A microphone's or file's sound comes over none: local."""

STEADY_MS: Final = 10.0
"""Jitter of up to half a packet: no packet of 20 ms comes after the next one was due."""
POOR_MS: Final = 30.0
"""More jitter than this is more than voice should have (Cisco, "Quality of Service Design Overview": 30 ms)."""
STEADY_GAPS: Final = 0.001
POOR_GAPS: Final = 0.01
"""A gap that nobody has played ahead for is as good as a loss, of which voice should have 1 % at most (the same)."""


def network_of(jitter_p95_ms: float | None = None, gap_share: float = 0.0) -> str:
    """The class by the jitter's p95 and the share of packets that came after a gap; local where there were none."""
    if jitter_p95_ms is None:
        return LOCAL
    if jitter_p95_ms <= STEADY_MS and gap_share <= STEADY_GAPS:
        return STEADY
    return POOR if jitter_p95_ms > POOR_MS or gap_share > POOR_GAPS else UNEVEN
