"""Conversations and their messages, as clients see them."""

from typing import Annotated, Literal

from pydantic import Field

from graph.events import Moment, Usage
from server.resources.resource import Metadata, Request, Resource

MessageId = Annotated[str, Field(pattern=r"^msg_[0-9a-f-]{36}$")]


class NewConversation(Request):
    title: str | None = Field(None, max_length=200)
    metadata: Metadata = Field({})


class Conversation(Resource):
    id: str
    title: str | None
    metadata: Metadata
    created_at: Moment


class Attachment(Request):
    """A picture or a file that comes with a message: its bytes as base64 in `data`, or a `url`."""

    type: Literal["image", "file"]
    name: str = Field(max_length=255)
    media_type: str = Field(max_length=127)
    data: str | None = None
    url: str | None = Field(None, max_length=2048)


class NewMessage(Request):
    role: Literal["user", "assistant", "system"] = "user"
    content: str = Field(max_length=1_000_000)
    attachments: list[Attachment] = Field([], max_length=16)
    parent_id: str | None = None


class Message(Resource):
    id: str
    conversation_id: str
    parent_id: str | None
    role: Literal["user", "assistant", "system"]
    content: str
    attachments: list[Attachment]
    run_id: str | None
    created_at: Moment


class ConversationSummary(Resource):
    """What was said up to a message, in short: what later runs of that branch read in place of it."""

    message_id: str
    """The last message that it tells of."""
    content: str
    usage: Usage
    """What making it took: in no run's usage, for it is made when the run has ended."""
    usage_estimated: bool
    created_at: Moment
