"""Starts the fetch server: `python -m mcp_config.servers.fetch [--allow NETWORK …]`.

The server itself looks at addresses before it connects, and a name may mean another machine a moment later. So each
connection is looked at once more, where it is made: by an audit hook (PEP 578), for all code of the process.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from mcp_server_fetch.server import serve  # type: ignore[import-untyped]  # it ships no types

from mcp_config.upstream.public_addresses import is_public

Network = IPv4Network | IPv6Network


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mcp_config.servers.fetch", description=__doc__)
    parser.add_argument("--allow", action="append", type=ip_network, default=[], help="a private network to reach too")
    parser.add_argument("--ignore-robots-txt", action="store_true", help="ask no site what it wants fetched")
    flags = parser.parse_args()
    sys.addaudithook(build_hook(flags.allow))
    asyncio.run(serve(ignore_robots_txt=flags.ignore_robots_txt, allow_private_ips=bool(flags.allow)))


def build_hook(allowed: Sequence[Network]) -> Callable[[str, tuple[object, ...]], None]:
    """Returns the audit hook. It refuses connections and datagrams to addresses that are not public nor allowed."""

    def refuse_private(event: str, details: tuple[object, ...]) -> None:
        if event not in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            return
        match details[1]:
            case (str(address), *_):
                if not is_public(address) and not any(ip_address(address.partition("%")[0]) in net for net in allowed):
                    raise PermissionError(f"{address} is not a public address")
            case str() | bytes():
                raise PermissionError("sockets of this machine are not reached from here")
            case _:
                pass

    return refuse_private


if __name__ == "__main__":
    main()
