"""Messages of a conversation: added and listed. A run answers the newest one of the user."""

from typing import Final

from server.auth import Caller
from server.resources.conversations import Message
from server.resources.pages import Page
from server.routes.bodies import MessageBody
from server.routes.dependencies import App, ConversationId, WantedMessages, build_router, problems

router: Final = build_router("/v1/conversations/{conversation_id}/messages", "messages")


@router.post("", operation_id="create_message", status_code=201, responses=problems(400, 404, 413, 415))
async def create_message(app: App, caller: Caller, conversation_id: ConversationId, new: MessageBody) -> Message:
    """Adds a message. Nothing happens yet: a run answers it."""
    return await app.store.messages.add(caller.name, conversation_id, new)


@router.get("", operation_id="list_messages", responses=problems(404))
async def list_messages(
    app: App,
    caller: Caller,
    conversation_id: ConversationId,
    page: WantedMessages,
) -> Page[Message]:
    """Lists the conversation's messages, the newest first; `order=asc` reads it from the start.

    With `branch`, the id of a message, only the path from the first message to that one.
    """
    if page.branch is not None:
        return await app.store.messages.branch_page(caller.name, conversation_id, page.branch, page)
    return await app.store.messages.page(caller.name, conversation_id, page)
