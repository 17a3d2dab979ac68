"""Which network addresses are the public internet. Pure; who connects asks with the address it connects to."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_NEVER_PUBLIC: Final = tuple(
    ip_network(network)
    for network in (
        # older Pythons take some of these for global
        "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2002::/16", "100::/64", "2001::/23",
        "fec0::/10", "3fff::/20",
    )
)  # fmt: skip
_NAT64: Final = ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Tells whether packets to the address leave for the internet: not loopback, private, link-local (where clouds keep
    their metadata), shared, multicast or reserved; nor an IPv6 address that carries such an IPv4 one.

    Raises:
        ValueError: it is no address.
    """
    plain = _unwrapped(ip_address(address.partition("%")[0]))
    if any(plain in network for network in _NEVER_PUBLIC if network.version == plain.version):
        return False
    return plain.is_global and not plain.is_multicast and not plain.is_reserved


def is_link_local(address: str) -> bool:
    """Tells whether it is an address of this very link, such as a cloud's metadata service."""
    return _unwrapped(ip_address(address.partition("%")[0])).is_link_local


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if not isinstance(address, IPv6Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address
