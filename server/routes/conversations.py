"""Conversations: made, listed, read, deleted. Each belongs to the caller that made it."""

from typing import Final

from fastapi import Response

from server.auth import Caller
from server.resources.conversations import Conversation, ConversationSummary, NewConversation
from server.resources.pages import Page
from server.routes.bodies import ConversationBody
from server.routes.dependencies import App, ConversationId, WantedPage, build_router, problems

router: Final = build_router("/v1/conversations", "conversations")
_UNTITLED: Final = NewConversation()


@router.post("", operation_id="create_conversation", status_code=201, responses=problems(400, 413, 415))
async def create_conversation(
    app: App, caller: Caller, response: Response, new: ConversationBody = _UNTITLED
) -> Conversation:
    """Starts a conversation. The body may be left out."""
    conversation = await app.store.conversations.create(caller.name, new)
    response.headers["Location"] = f"/v1/conversations/{conversation.id}"
    return conversation


@router.get("", operation_id="list_conversations")
async def list_conversations(app: App, caller: Caller, page: WantedPage) -> Page[Conversation]:
    """Lists the caller's conversations, the newest first."""
    return await app.store.conversations.page(caller.name, page)


@router.get("/{conversation_id}", operation_id="get_conversation", responses=problems(404))
async def get_conversation(app: App, caller: Caller, conversation_id: ConversationId) -> Conversation:
    return await app.store.conversations.get(caller.name, conversation_id)


@router.get("/{conversation_id}/summaries", operation_id="list_summaries", responses=problems(404))
async def list_summaries(
    app: App, caller: Caller, conversation_id: ConversationId, page: WantedPage
) -> Page[ConversationSummary]:
    """Lists what stands in for the conversation's older messages in prompts, the newest first, and what it took."""
    return await app.store.summaries.page(caller.name, conversation_id, page)


@router.delete("/{conversation_id}", operation_id="delete_conversation", status_code=204, responses=problems(404, 409))
async def delete_conversation(app: App, caller: Caller, conversation_id: ConversationId) -> None:
    """Deletes the conversation with its messages, runs, steps and events. While a run is at work it answers 409
    and leaves everything as it is; runs that wait, for an approval or their turn, are cancelled."""
    await app.engine.delete_conversation(caller.name, conversation_id)
