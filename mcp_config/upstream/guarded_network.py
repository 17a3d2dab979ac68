"""HTTP connections that look at the very address they connect to: what a name meant before does not count."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx
from typing_extensions import override

from mcp_config.upstream.public_addresses import is_link_local, is_public

Check = Callable[[str, str], None]
"""Is given a host and an address of it, and raises `ForbiddenAddress`."""


class ForbiddenAddress(ConnectionError):
    """The host is at an address that was not granted; `str(error)` says which, and how to grant it."""


def build_check(url: str, *, private: bool) -> Check:
    """Returns the check for a server that an admin wrote down as `url`: public addresses, and one that it names itself.

    `private` grants this network's own machines as well, but never this link's, where clouds keep their metadata.
    """
    named = httpx.URL(url).host

    def check(host: str, address: str) -> None:
        if is_public(address) or (host == named and _says_so(host)) or (private and not is_link_local(address)):
            return
        raise ForbiddenAddress(
            f"{host} is at {address}, which is not a public address; if that is meant, say so in its entry: "
            '"x-open-agent": {"grant": {"private": true}}'
        )

    return check


def _says_so(host: str) -> bool:
    """Tells whether whoever wrote the host down meant this machine or this address, with no name in between."""
    if host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves names itself and connects to what it has looked at, so that nothing can change in between."""

    def __init__(self, check: Check, inner: httpcore.AsyncNetworkBackend) -> None:
        self._check, self._inner = check, inner

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # Any: httpcore's own shape of them
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        for address in addresses:
            self._check(host, address)
        failure: httpcore.ConnectError | None = None
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    @override
    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise ForbiddenAddress(f"{path} is a socket of this machine")

    @override
    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved") from error
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))
