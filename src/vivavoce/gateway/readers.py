"""Who may read metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_PROXIED: Final = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"})
"""What a proxy tells of who asked it: calls come through one, and metrics are not to."""


def may_read(peer: str | None, headers: Mapping[str, str], allowed: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether who is at this address is this machine or of the allowed networks, and speaks for itself."""
    if peer is None or not _PROXIED.isdisjoint(name.lower() for name in headers):
        return False
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or any(address in network for network in allowed)
