"""Parts of a message's content: their text, and what is attached. Pure: nothing is fetched."""

import mimetypes
import re
from typing import Final, Literal
from urllib.parse import urlsplit

from server.completions.wording import ChatMessage, Part
from server.db.attachments import check_attachments
from server.errors import Invalid
from server.resources.conversations import Attachment

_DATA_URL: Final = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,(?P<data>.*)", re.DOTALL)
_LONGEST_URL: Final = 2048
_MAX_ATTACHMENTS: Final = 16


def text_of(message: ChatMessage) -> str:
    if isinstance(message.content, list):
        return "\n\n".join(part.text for part in message.content if part.type == "text" and part.text)
    return message.content or ""


def attachments_of(message: ChatMessage, pointer: str) -> list[Attachment]:
    """Returns the images and files of a message; `pointer` says where it stands.

    Raises: Invalid, for a part that no agent can read.
    """
    if not isinstance(message.content, list):
        return []
    parts = [(part, f"{pointer}/content/{index}") for index, part in enumerate(message.content) if part.type != "text"]
    if len(parts) > _MAX_ATTACHMENTS:
        detail = f"A message takes {_MAX_ATTACHMENTS} images and files; this one has {len(parts)}."
        raise Invalid("too_many_attachments", detail, pointer=f"{pointer}/content")
    return [_checked(_attachment(part, number, where), where) for number, (part, where) in enumerate(parts, start=1)]


def _checked(attachment: Attachment, pointer: str) -> Attachment:
    try:
        check_attachments([attachment])
    except Invalid as error:
        raise Invalid(error.code, str(error), pointer=pointer) from error
    return attachment


def _attachment(part: Part, number: int, pointer: str) -> Attachment:
    if part.type == "image_url" and part.image_url is not None:
        url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
        return _image(url, f"image-{number}", pointer)
    if part.type == "file" and part.file is not None and part.file.file_data:
        return _inline("file", part.file.filename[:255], part.file.file_data, pointer)
    detail = f"Parts of the type {part.type[:40]!r} are not taken; send text, image_url, or file with file_data."
    raise Invalid("unsupported_content_part", detail, pointer=pointer)


def _image(url: str, name: str, pointer: str) -> Attachment:
    if url.startswith("data:"):
        return _inline("image", name, url, pointer)
    if len(url) > _LONGEST_URL:
        detail = f"An image's address has at most {_LONGEST_URL} characters."
        raise Invalid("unsupported_attachment", detail, pointer=pointer)
    # An address seldom tells its type, and the model's provider is the one who looks.
    media_type = mimetypes.guess_type(urlsplit(url).path)[0] or "image/jpeg"
    return Attachment(type="image", name=name, media_type=media_type, url=url)


def _inline(kind: Literal["image", "file"], name: str, url: str, pointer: str) -> Attachment:
    found = _DATA_URL.fullmatch(url)
    if found is None or len(found["type"]) > 127:
        raise Invalid("unsupported_attachment", "Send it as `data:<type>;base64,<bytes>`.", pointer=pointer)
    return Attachment(type=kind, name=name, media_type=found["type"].lower(), data=found["data"])
