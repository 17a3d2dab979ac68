"""Which attachments are taken, and what text they hold. Pure: it fetches nothing."""

import base64
import binascii
from typing import Final

from server.errors import Invalid
from server.resources import Attachment

_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TEXTS: Final = frozenset(
    {"json", "ld+json", "ndjson", "xml", "yaml", "x-yaml", "toml", "sql", "javascript", "x-sh", "x-python", "csv"}
)
"""Kinds of `application/…` that are text all the same."""


def check_attachments(attachments: list[Attachment]) -> None:
    """Raises: Invalid, with a pointer to the first attachment that cannot be used, saying why."""
    for index, attachment in enumerate(attachments):
        try:
            _check(attachment)
        except ValueError as error:
            detail = f"Attachment {attachment.name!r}: {error}."
            raise Invalid("unsupported_attachment", detail, pointer=f"/attachments/{index}") from error


def text_of(attachment: Attachment) -> str:
    """Returns a text file's contents.

    Raises:
        ValueError: it is no base64 or no UTF-8; the message says which.
    """
    try:
        return _bytes_of(attachment).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("the file is not UTF-8 text") from error


def _check(attachment: Attachment) -> None:
    if (attachment.data is None) == (attachment.url is None):
        raise ValueError("give either `data` (base64) or `url`")
    media_type = _media_type(attachment)
    if attachment.type == "image":
        if media_type not in _IMAGES:
            raise ValueError(f"images are taken as {', '.join(sorted(_IMAGES))}, not {media_type}")
        if attachment.url is not None:
            _check_url(attachment.url)
        else:
            _bytes_of(attachment)
        return
    if not _is_text(media_type):
        raise ValueError(f"files of the type {media_type} are not taken; send text or an image")
    if attachment.url is not None:
        raise ValueError("a file's contents are sent in `data`; addresses are not fetched")
    if "\x00" in text_of(attachment):
        raise ValueError("the file holds NUL characters, so it is not text")


def _media_type(attachment: Attachment) -> str:
    return attachment.media_type.partition(";")[0].strip().lower()


def _is_text(media_type: str) -> bool:
    kind, _, subtype = media_type.partition("/")
    return kind == "text" or (kind == "application" and (subtype in _TEXTS or subtype.endswith(("+json", "+xml"))))


def _check_url(url: str) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError("an image's `url` begins with https:// or http://; send the bytes in `data` otherwise")


def _bytes_of(attachment: Attachment) -> bytes:
    try:
        return base64.b64decode(attachment.data or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("`data` is not base64") from error
