"""What routes ask for by type: the running application, the caller, a page, and the problems they may answer with."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request

from server.application import Application
from server.auth import needs_key
from server.body import StrictJsonRoute
from server.errors import Invalid
from server.problems import MEDIA_TYPE, Problem, describe_errors
from server.resources.conversations import MessageId
from server.resources.pages import PageQuery


def application(request: Request) -> Application:
    running: Application = request.state.application
    return running


App = Annotated[Application, Depends(application)]
WantedPage = Annotated[PageQuery, Query()]


class NamesQuery(PageQuery):
    """A page of what is known by name: in the order of the alphabet."""

    order: Literal["asc", "desc"] = "asc"


class MessagesQuery(PageQuery):
    """A page of a conversation, or of one of its branches."""

    branch: MessageId | None = None


WantedMessages = Annotated[MessagesQuery, Query()]
WantedNames = Annotated[NamesQuery, Query()]
ConversationId = Annotated[
    str, Path(pattern=r"^conv_[0-9a-f-]{36}$", examples=["conv_01997f3e-8f4a-7cc1-a6c5-3f2f6f3d9b11"])
]
RUN_ID: Final = r"^run_[0-9a-f-]{36}$"
ApprovalId = Annotated[
    str, Path(pattern=r"^appr_[0-9a-f-]{36}$", examples=["appr_01997f3e-8f4a-7cc1-a6c5-3f2f6f3d9b11"])
]
RunId = Annotated[str, Path(pattern=RUN_ID, examples=["run_01997f3e-8f4a-7cc1-a6c5-3f2f6f3d9b11"])]
ArtifactId = Annotated[str, Path(pattern=r"^art_[0-9a-f-]{36}$", examples=["art_01997f3e-8f4a-7cc1-a6c5-3f2f6f3d9b11"])]
MemoryId = Annotated[str, Path(pattern=r"^mem_[0-9a-f-]{36}$", examples=["mem_01997f3e-8f4a-7cc1-a6c5-3f2f6f3d9b11"])]
AgentName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,62}$", examples=["sql-agent"])]
VersionNumber = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[2])]
ToolName = Annotated[str, Path(pattern=r"^[a-zA-Z0-9_-]{1,64}$", examples=["time__get_current_time"])]


def _seen_version(
    if_match: Annotated[
        str | None,
        Header(description="The `ETag` that was read: if it has changed since, nothing is done (409)."),
    ] = None,
) -> int | None:
    tag = (if_match or "*").strip().removeprefix("W/").strip('"')
    if tag == "*":
        return None
    if not (tag.isascii() and tag.isdecimal() and len(tag) <= 9):
        raise Invalid("invalid_header", "If-Match is the `ETag` that was read: a version in quotes.")
    return int(tag)


SeenVersion = Annotated[int | None, Depends(_seen_version)]
"""The version that a change is based on, by `If-Match`; None asks for no such check."""

_EVERYWHERE: Final = (401, 422, 500, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the description of these problems, and of those that every route may answer with."""
    # `Any`: FastAPI's own type for a part of an OpenAPI document.
    return describe_errors(MEDIA_TYPE, Problem, sorted({*statuses, *_EVERYWHERE}))


def build_router(prefix: str, tag: str) -> APIRouter:
    return APIRouter(
        prefix=prefix, tags=[tag], route_class=StrictJsonRoute, dependencies=[needs_key], responses=problems()
    )
