"""The part of a conversation that a run begins with: bounded in messages and tokens, with attachments made readable.

The bound is rough and keeps checkpoints small; what each model's prompt can hold is cut to size by the nodes.
"""

from collections.abc import Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from nodes.prompting import SUMMARY
from nodes.window import count_message
from server.db.attachments import text_of
from server.db.summaries import Summary
from server.resources.conversations import Attachment, Message

MAX_MESSAGES: Final = 60


def build_window(branch: Sequence[Message], tokens: int, summary: Summary | None = None) -> list[AnyMessage]:
    """Returns the newest messages that fit, oldest first. The last one and what the client said as system always do.

    What a summary tells of is left out for it; it stands before all that was said since.
    """
    window: list[AnyMessage] = []
    room = tokens
    for index, message in enumerate(reversed([readable(message) for message in _unsummed(branch, summary)])):
        size = count_message(message)
        if index == 0 or message.type == "system" or size <= room:
            window.append(message)
        else:
            room = 0  # a gap in the middle would mislead more than a late beginning
        room -= size
    if summary is not None:
        window.append(SystemMessage(summary.content, id=f"summary-{summary.message_id}", name=SUMMARY))
    return window[::-1]


def _unsummed(branch: Sequence[Message], summary: Summary | None) -> list[Message]:
    places = [place for place, message in enumerate(branch) if summary and message.id == summary.message_id]
    end = places[0] + 1 if places else 0
    return [message for place, message in enumerate(branch) if place >= end or message.role == "system"]


def readable(message: Message) -> AnyMessage:
    match message.role:
        case "user":
            return HumanMessage(_content(message), id=message.id)
        case "assistant":
            return AIMessage(message.content, id=message.id)
        case "system":
            return SystemMessage(message.content, id=message.id)


def _content(message: Message) -> str | list[str | dict[Any, Any]]:  # Any: LangChain's own word for a content block
    files = [attachment for attachment in message.attachments if attachment.type == "file"]
    images = [attachment for attachment in message.attachments if attachment.type == "image"]
    text = "\n\n".join([message.content, *(_file(attachment) for attachment in files)])
    if not images:
        return text
    return [{"type": "text", "text": text}, *(_image(attachment) for attachment in images)]


def _file(attachment: Attachment) -> str:
    return f'<file name="{attachment.name}">\n{text_of(attachment)}\n</file>'


def _image(attachment: Attachment) -> dict[str, Any]:
    url = attachment.url or f"data:{attachment.media_type};base64,{attachment.data}"
    return {"type": "image_url", "image_url": {"url": url}}
