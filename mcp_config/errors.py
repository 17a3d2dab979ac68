"""What can go wrong with a call beyond our doors. Each has a stable code; the text is for the model.

ToolError
├── CredentialMissing   credential_missing   its caller has stored none for it
├── CredentialRefused   credential_refused   the one that its caller stored is not taken
├── ServerUnavailable   server_unavailable   it is not up, and why
├── ServerLost          server_lost          it went away with the call in flight
│   └── ServerRefused   server_lost          it answered with an HTTP error
├── ResultTooLarge      result_too_large     it sent more than is ever read
├── CallTimedOut        timeout              no answer within the deadline
└── RemoteError         tool_error           it answered with an error
"""

from typing import ClassVar

from mcp_config.tools import CallStatus


class ToolError(Exception):
    code: ClassVar[str]
    status: ClassVar[CallStatus] = "error"


class CredentialMissing(ToolError):
    code = "credential_missing"


class CredentialRefused(ToolError):
    code = "credential_refused"


class ServerUnavailable(ToolError):
    code = "server_unavailable"


class ServerLost(ToolError):
    code = "server_lost"


class ServerRefused(ServerLost):
    """`login`: it wants to know who asks; `wait`: seconds in which it wants to be left alone."""

    def __init__(self, message: str, *, login: bool = False, wait: float = 0) -> None:
        super().__init__(message)
        self.login, self.wait = login, wait


class ResultTooLarge(ToolError):
    code = "result_too_large"


class CallTimedOut(ToolError):
    code = "timeout"
    status = "timeout"


class RemoteError(ToolError):
    code = "tool_error"

    def __init__(self, message: str, number: int) -> None:
        super().__init__(f"{message} (code {number})")
        self.message, self.number = message, number
        """As JSON-RPC has them."""


class NeverSent(RuntimeError):
    """The request did not leave: it may be sent again to the next session."""
