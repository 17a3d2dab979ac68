"""Who asks, and how: what the headers of a request say beside its key. Open WebUI says the most."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, get_args
from urllib.parse import quote

from starlette.datastructures import Headers

from config.agents import Limits
from config.api_keys import Role
from config.limits_text import parse_limits
from server.completions.terms import OnDisconnect, Terms
from server.errors import Invalid
from server.keys import Principal
from server.resources.runs import Multitask

Choice = TypeVar("Choice", bound=str)
_PREFIX: Final = "x-openwebui-"
_TOKEN: Final = "x-openwebui-user-jwt"  # noqa: S105 - the header's name
_IDENTITY: Final = ("x-openwebui-user-", "x-openwebui-auth-type")
_TEMPORARY: Final = ("temporary:", "local:")
_LIMITS: Final = "X-Open-Agent-Limits"
_LONGEST_ID: Final = 200


@dataclass(frozen=True)
class Visit:
    owner: str
    role: Role
    key: str | None
    """The conversation's name where the client has one."""
    temporary: bool
    """The client keeps nothing of this chat, so no later request belongs to it."""
    task: str
    """What Open WebUI wants to be written about a chat (`title_generation`, …); empty for a question of the chat."""
    rich: bool
    """Whether steps, tool calls and sources may be shown in Open WebUI's own way."""
    asks: bool
    """Whether the client itself asks the user where a call waits for approval."""
    on_disconnect: OnDisconnect
    multitask: Multitask
    """What its run does to the conversation's unfinished ones."""
    limits: Limits
    """What the answer may take."""
    scopes: frozenset[str] | None = None
    """What its token is limited to."""

    def namespace(self, user: str | None) -> str:
        if self.temporary:
            return uuid.uuid4().hex
        return self.key or f"user:{user or ''}"


def read_visit(principal: Principal, headers: Headers, terms: Terms) -> Visit:
    """Raises:
    Unauthenticated: it claims to be a user's, and the token that proves it is missing or wrong.
    Invalid: a header says what cannot be.
    """
    owner, role = _owner(principal, headers, terms)
    chat = _header(headers, "x-openwebui-chat-id")
    temporary = chat.startswith(_TEMPORARY)
    user = _header(headers, "x-openwebui-user-id")
    return Visit(
        owner=owner,
        role=role,
        key=f"openwebui/{quote(user, safe='')}/{quote(chat, safe='')}" if chat and not temporary else None,
        temporary=temporary,
        task=_header(headers, "x-openwebui-task"),
        rich=any(name.startswith(_PREFIX) for name in headers) or headers.get("x-open-agent-rich") == "1",
        asks=headers.get("x-open-agent-asks") == "1",
        on_disconnect=_chosen(headers, "X-Open-Agent-On-Disconnect", get_args(OnDisconnect)) or terms.on_disconnect,
        multitask=_chosen(headers, "X-Open-Agent-Multitask", get_args(Multitask)) or "enqueue",
        limits=_limits(headers),
        scopes=principal.scopes,
    )


def _owner(principal: Principal, headers: Headers, terms: Terms) -> tuple[str, Role]:
    if terms.jwt_secret is None or not any(name.startswith(_IDENTITY) for name in headers):
        return principal.name, principal.role
    from server.completions.tokens import verify_user  # noqa: PLC0415 - ciphers, only where Open WebUI signs

    user = verify_user(headers.get(_TOKEN, ""), terms.jwt_secret.get_secret_value())
    # The key is Open WebUI's: its rights are lent to admins there, and nobody has more than it.
    return f"openwebui:{user.id}", principal.role if user.admin else "user"


def _limits(headers: Headers) -> Limits:
    said = _header(headers, _LIMITS)
    try:
        return parse_limits(said.split(",") if said else ())
    except ValueError as error:
        raise Invalid("invalid_header", f"{_LIMITS}: {error}.") from error


def _chosen(headers: Headers, name: str, choices: Sequence[Choice]) -> Choice | None:
    said = headers.get(name)
    if said is None:
        return None
    for choice in choices:
        if said == choice:
            return choice
    *others, last = (f"`{choice}`" for choice in choices)
    raise Invalid("invalid_header", f"{name} is {', '.join(others)} or {last}.")


def _header(headers: Headers, name: str) -> str:
    """Returns what the header says; a template that Open WebUI did not fill says nothing."""
    said = headers.get(name, "").strip()
    if len(said) > _LONGEST_ID:
        raise Invalid("invalid_header", f"{name} is longer than {_LONGEST_ID} characters.")
    return "" if "{{" in said else said
