"""What a run is given to read of its conversation."""

import base64
from datetime import UTC, datetime
from typing import Literal

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from config.ids import new_id
from server.engine.transcript import build_window
from server.resources.conversations import Attachment, Message


def _message(content: str, role: Literal["user", "assistant", "system"] = "user", *attachments: Attachment) -> Message:
    return Message(
        id=new_id("msg"),
        conversation_id="conv_1",
        parent_id=None,
        role=role,
        content=content,
        attachments=list(attachments),
        run_id=None,
        created_at=datetime.now(UTC),
    )


def _texts(window: list[AnyMessage]) -> list[str]:
    return [message.text for message in window]


def test_messages_keep_their_roles_ids_and_order() -> None:
    branch = [_message("be brief", "system"), _message("hi"), _message("hello", "assistant"), _message("and now?")]
    window = build_window(branch, 1000)
    assert [type(message) for message in window] == [SystemMessage, HumanMessage, AIMessage, HumanMessage]
    assert [message.id for message in window] == [message.id for message in branch]
    assert _texts(window) == ["be brief", "hi", "hello", "and now?"]


def test_oldest_messages_go_first_and_leave_no_gap() -> None:
    branch = [_message(text) for text in ("short", "x" * 3000, "also short", "newest")]
    assert _texts(build_window(branch, 100)) == ["also short", "newest"]


def test_newest_message_and_the_clients_system_prompt_are_always_there() -> None:
    branch = [_message("be brief", "system"), _message("old " * 100), _message("y" * 9000)]
    assert _texts(build_window(branch, 100)) == ["be brief", "y" * 9000]


def test_text_files_are_read_and_pictures_are_shown() -> None:
    csv = base64.b64encode("name;price\nÄpfel;3".encode()).decode()
    message = _message(
        "look",
        "user",
        Attachment(type="file", name="prices.csv", media_type="text/csv", data=csv),
        Attachment(type="image", name="chart.png", media_type="image/png", data="aGk="),
        Attachment(type="image", name="map.png", media_type="image/png", url="https://example.org/map.png"),
    )
    assert build_window([message], 5000)[0].content == [
        {"type": "text", "text": 'look\n\n<file name="prices.csv">\nname;price\nÄpfel;3\n</file>'},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://example.org/map.png"}},
    ]
