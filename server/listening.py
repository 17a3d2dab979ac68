"""Where the server listens: a socket, bound before anything else is opened, or one line about why not."""

import errno
import socket


class CannotListen(Exception):
    """The address cannot be had; `str(error)` says what to do."""


def bind(host: str, port: int) -> socket.socket:
    """Returns a bound socket that does not listen yet: until it does, clients are refused and not left waiting.

    Raises `CannotListen`.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError as error:
        raise CannotListen(f"HOST={host} is not an address of this machine: {error.strerror}.") from error
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise CannotListen(_why_not(host, port, error)) from error
    return bound


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken. Stop what listens there, or choose another: make run PORT={port + 1}"
    if error.errno == errno.EACCES:
        return f"Port {port} needs root. Choose one from 1024 up: make run PORT=8000"
    return f"HOST={host} PORT={port} cannot be listened on: {error.strerror}."


def address_of(bound: socket.socket) -> str:
    """Returns the URL under which this machine reaches the socket."""
    host, port = bound.getsockname()[:2]
    return build_address(host, port)


def build_address(host: str, port: int) -> str:
    """Returns the URL under which this machine reaches what listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
